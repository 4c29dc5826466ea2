"""The command line: what scripts and people meet."""

import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest
import worker_process
from ingest_support import batches, segment_path, settings_in, write_segment
from typer.testing import CliRunner

from runstream_ingest import settings as worker_settings
from runstream_ingest.batch import Batch
from runstream_ingest.commands import app
from runstream_ingest.dead_letters import DeadLetterDirectory, dead_letter
from runstream_ingest.sources.source import Message, Partition
from runstream_schemas.avro import current
from runstream_schemas.exit_codes import ExitCode

METRIC = current("metric")


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        app, list(arguments), env={"COLUMNS": "200", "RUNSTREAM_URL": "", "RUNSTREAM_STORE": ""}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetterDirectory:
    directory = DeadLetterDirectory(settings_in(tmp_path).dead_letter_dir)
    for number, datum in enumerate(batches(2)):
        message = Message(METRIC, datum, Partition("/log", "metric/a.avro"), number, number + 1)
        directory.put([(dead_letter(message, 469, f"reason {number}"), message)])
    return directory


@pytest.mark.parametrize("command", ["run", "migrate", "deadletters list", "deadletters show", "deadletters replay"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, out, _ = invoke(*command.split(), "--help")
    assert code == 0
    assert re.search(r"Examples?:", out)


def test_help_of_the_worker_names_its_settings_in_every_place_and_what_it_returns() -> None:
    _, out, _ = invoke("run", "--help")
    words = " ".join(out.split())
    assert "RUNSTREAM_INGEST_BATCH_BYTES" in words
    assert "the table [ingest] of runstream.toml" in words
    for name in worker_settings.DESCRIPTIONS:
        assert f"--{name.replace('_', '-')} " in words
    for code in (0, 2, 3, 4, 5, 6):
        assert f" {code} " in words.partition("Exit status:")[2].partition("Examples:")[0]


def test_dead_letters_are_listed_for_scripts_and_people(letters: DeadLetterDirectory, tmp_path: Path) -> None:
    code, out, _ = invoke("deadletters", "list", "--json", "--dir", str(letters.root.parent))
    assert code == 0
    assert [
        (letter["seq"], letter["points"], letter["error"]) for letter in sorted(json.loads(out), key=lambda x: x["seq"])
    ] == [
        (0, 40, "reason 0"),
        (1, 40, "reason 1"),
    ]
    code, out, _ = invoke("deadletters", "list", "--dir", str(letters.root.parent))
    assert code == 0
    assert "reason 1" in out


def test_one_dead_letter_is_shown_with_its_content(letters: DeadLetterDirectory) -> None:
    some = next(letters.letters())
    code, out, _ = invoke("deadletters", "show", some.id[:10], "--dir", str(letters.root.parent))
    assert code == 0
    assert json.loads(out)["content"]["seq"] == some.seq


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("deadletters", "show", "nope"), "no dead letter has an id"),
        (("deadletters", "replay"), "--all"),
        (("run", "--once", "--store", "ftp://x"), "use chdb:"),
    ],
)
def test_wrong_arguments_end_with_a_message_and_status_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = invoke(*arguments, "--dir", str(tmp_path))
    assert code == ExitCode.USAGE
    assert says in err
    assert out == ""


def test_poison_has_its_own_exit_status(tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "log", "metric"), [datum[:-1] for datum in batches(300, rows=1)])
    result = worker_process.once(tmp_path)
    assert result.returncode == ExitCode.POISONED
    assert "refused" in result.stderr
    assert "Traceback" not in result.stderr


def test_metrics_are_served_while_following(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    write_segment(segment_path(tmp_path / "log", "metric"), [*batches(3), b"bad"])
    worker = worker_process.start(tmp_path, "--metrics-port", str(port))
    try:
        assert worker.stderr is not None
        for line in worker.stderr:
            if line.startswith("loaded"):
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
    assert 'runstream_ingest_points_total{outcome="stored"} 120.0' in text
    assert 'runstream_ingest_messages_total{event="metric",outcome="dead"} 1.0' in text
    assert "runstream_ingest_insert_seconds_count" in text


def test_every_event_of_the_loop_is_counted() -> None:
    from runstream_ingest import metrics
    from runstream_ingest.health import Health
    from runstream_ingest.observer import Observer

    observer = metrics.PrometheusObserver(Health(60.0, lambda: 0.0))
    own = {name for name in vars(Observer) if not name.startswith("_")}
    assert own <= set(vars(metrics.PrometheusObserver))
    before = metrics.REGISTRY.get_sample_value("runstream_ingest_retries_total", {"code": "none"}) or 0.0
    observer.retrying(None, 0.5)
    assert metrics.REGISTRY.get_sample_value("runstream_ingest_retries_total", {"code": "none"}) == before + 1
    observer.stored(Batch(METRIC, 0.0), 1, 2, 0.1)
    assert metrics.REGISTRY.get_sample_value("runstream_ingest_last_progress_timestamp") > 1.7e9
