"""`runstream topics` against a real broker."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tasks import Result

from broker.kafka import Cluster
from runstream_schemas.exit_codes import ExitCode

Invoke = Callable[..., Result]


@pytest.fixture
def topics(invoke: Invoke, broker: Cluster, prefix: str, tmp_path: Path) -> Invoke:
    (tmp_path / "runstream.toml").write_text(f'topic_prefix = "{prefix}"\n')
    return lambda *words: invoke(tmp_path, "topics", *words, "--url", broker.url)


def test_topics_are_created_grown_and_described(topics: Invoke, prefix: str) -> None:
    assert topics("describe").code == ExitCode.INCOMPLETE
    assert "nothing was done" in topics("create", "--dry-run").err
    assert topics("describe").code == ExitCode.INCOMPLETE
    assert topics("create", "--partitions", "2").code == 0
    assert "all 7 topics are as they should be" in topics("create", "--partitions", "2").err
    assert topics("create", "--partitions", "3", "--retention-hours", "200").code == 0
    code, out, _ = topics("describe", "--json")
    assert code == 0
    found = {topic["name"].removeprefix(f"{prefix}."): topic for topic in json.loads(out)}
    assert found["metric"]["partitions"] == 3
    assert found["metric"]["config"]["retention.ms"] == str(200 * 3_600_000)
    assert found["dead_letter"]["config"]["cleanup.policy"] == "compact"
    assert "200 h" in topics("describe").out


def test_fewer_partitions_and_too_many_replicas_are_refused(topics: Invoke) -> None:
    code, _, err = topics("create", "--replication", "2")
    assert (code, "--replication" in err) == (ExitCode.LOG_FAILED, True)
    assert topics("create", "--partitions", "2").code == 0
    code, _, err = topics("create", "--partitions", "1")
    assert code == ExitCode.INCOMPLETE
    assert "cannot be fewer" in err


@pytest.mark.parametrize(
    "slip", [("--partitions", "100000"), ("--partitions", "0"), ("--retention-hours", "99999999999999")]
)
def test_a_slip_that_could_not_be_taken_back_is_refused(topics: Invoke, slip: tuple[str, str]) -> None:
    code, _, err = topics("create", *slip)
    assert code == ExitCode.USAGE
    assert slip[0] in err
    assert "missing topics" in topics("describe").err


def test_a_log_directory_has_no_topics(invoke: Invoke, tmp_path: Path) -> None:
    code, _, err = invoke(tmp_path, "topics", "describe")
    assert code == ExitCode.USAGE
    assert "--url kafka://" in err
