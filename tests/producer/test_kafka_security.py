"""TLS, passwords and rights at a real broker: what is wrong is told once, with the setting to mend."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import topics
from secured import SecuredBroker, secured_broker

from broker.fixtures import require_broker
from runstream.sync import sync_journals, sync_spills
from runstream_schemas.settings import load


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    require_broker()
    with secured_broker(tmp_path_factory.mktemp("secured") / "broker") as broker:
        yield broker


def access(secured: SecuredBroker, **other: str) -> dict[str, str]:
    """The right settings, or with something else in their place."""
    right = {"username": "train", "password": "tr0ub4dor", "sasl_mechanism": "PLAIN", "ca": str(secured.ca)}
    return {f"RUNSTREAM_KAFKA_{name.upper()}": value for name, value in (right | other).items()}


BODY = """
for step in range(1000): run.log({"m": step}, step)
print(run.finish(TIMEOUT), flush=True)
os._exit(0)
"""

WRONG = {
    "password": ({"password": "hunter2"}, "RUNSTREAM_KAFKA_PASSWORD"),
    "user": ({"username": "nobody"}, "RUNSTREAM_KAFKA_USERNAME"),
    "certificate": ({"ca": "OTHER"}, "RUNSTREAM_KAFKA_CA"),
    "rights": ({"username": "guest"}, "may not write to topic"),
}


def test_a_user_who_may_only_write_delivers_over_tls(secured: SecuredBroker, prefix: str, tmp_path: Path) -> None:
    topics.make_topics(secured.cluster.url, prefix)
    secured.allow_writing("train", prefix)
    process = topics.trainer(tmp_path, secured.url, prefix, BODY.replace("TIMEOUT", "30"), **access(secured))
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("True\n", "")
    assert topics.steps(topics.records(secured.cluster.url, prefix)) == list(range(1000))


@dataclass(frozen=True)
class Ended:
    """A process that was not let in."""

    directory: Path
    prefix: str
    out: str
    err: str


@pytest.fixture(scope="module")
def ended(secured: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """One for each fault. They wait side by side: each takes seconds to be sure."""
    processes = {}
    for fault, (other, _) in WRONG.items():
        prefix, directory = f"wrong.{fault}", tmp_path_factory.mktemp(fault)
        topics.make_topics(secured.cluster.url, prefix)
        secured.allow_writing("train", prefix)
        own = access(secured, **{name: value.replace("OTHER", str(secured.other_ca)) for name, value in other.items()})
        own["RUNSTREAM_KAFKA_OPTIONS"] = topics.QUICK
        body = BODY.replace("TIMEOUT", "5")
        processes[fault] = (directory, prefix, topics.trainer(directory, secured.url, prefix, body, **own))
    return {
        fault: Ended(directory, prefix, *process.communicate(timeout=60))
        for fault, (directory, prefix, process) in processes.items()
    }


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_told_once_and_with_it_mended_sync_ships_everything(
    secured: SecuredBroker, ended: dict[str, Ended], fault: str
) -> None:
    remedy, directory, prefix = WRONG[fault][1], ended[fault].directory, ended[fault].prefix
    out, err = ended[fault].out, ended[fault].err
    assert out == "False\n" and "Traceback" not in err
    lines = err.splitlines()
    about_it = [line for line in lines if remedy in line and "runstream sync" not in line]
    assert len(about_it) == 1, err
    assert not [line for line in lines if not line.startswith("runstream: ")]
    assert "tr0ub4dor" not in err and "hunter2" not in err
    assert "1,000 points in" in lines[-1] and remedy in lines[-1], err
    environ = {"RUNSTREAM_DIR": str(directory), **access(secured)}
    settings = load(environ=environ, cwd=directory)
    shipped = [*sync_journals(settings, timeout_s=30), *sync_spills(settings, timeout_s=30)]
    assert {found.outcome for found in shipped} == {"shipped"}, shipped
    found = topics.records(secured.cluster.url, prefix)
    assert topics.steps(found) == list(range(1000))
    assert [end["state"] for end in topics.ends(found)] == ["finished"]
    assert "tr0ub4dor" not in "".join(
        path.read_text(errors="replace") for path in directory.rglob("*") if path.is_file()
    )


def test_a_process_with_tls_ends_cleanly_in_the_middle_of_traffic(
    secured: SecuredBroker, prefix: str, tmp_path: Path
) -> None:
    topics.make_topics(secured.cluster.url, prefix)
    secured.allow_writing("train", prefix)
    body = "for step in range(300_000): run.log({'m': step}, step)\nrun.finish(0.0)\n"
    for number in range(5):
        process = topics.trainer(tmp_path / str(number), secured.url, prefix, body, **access(secured))
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
