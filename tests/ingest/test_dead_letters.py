"""A refused batch in the ledger, from the worker that puts it aside to the replay that stores it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import pytest
import scripted
import worker_process
from ingest_support import RUN, batch_record, datum, segment_path, write_segment

import support_events as events
from runstream_ingest.dead_letters import DeadLetter, DeadLetterDirectory, schema_of
from runstream_schemas.exit_codes import ExitCode

VERIFY = "from runstream_analytics.cli.app import main; main()"


def ended(directory: Path, code: str, *arguments: str) -> tuple[int, Any]:
    """Run a command to its end; its exit status and its JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--dir", str(directory / ".runstream"), "--json"],
        capture_output=True,
        text=True,
        env=worker_process.environment(),
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert ("deadletters list" in done.stderr) == ('"dead_lettered":40' in done.stdout.replace(" ", ""))
    return done.returncode, json.loads(done.stdout)


def ledger(directory: Path) -> tuple[int, Any]:
    code, (row,) = ended(directory, VERIFY, "verify")
    return code, {key: row[key] for key in ("queued", "stored", "dead_lettered", "pending", "missing_seqs", "verdict")}


def test_a_refused_batch_shows_in_the_ledger_until_a_replay_stores_it(
    in_engine: Callable[..., Any], tmp_path: Path
) -> None:
    log = tmp_path / ".runstream" / "log"
    records = [batch_record(0), batch_record(1, names=("lr", "n" * 2000)), batch_record(2)]
    write_segment(segment_path(log, "metric"), [datum("metric", record) for record in records])
    end = events.status(RUN, state="finished", final=True, logged=125, queued=120, dropped={"value": 5}, last_seq=2)
    write_segment(segment_path(log, "run"), [datum("run", events.run(RUN))], "run")
    write_segment(segment_path(log, "status"), [datum("status", end)], "status")

    code, (loaded,) = ended(tmp_path, worker_process.WORKER, "run", "--once")
    assert (code, loaded["points"], loaded["dead_letters"], loaded["dead_points"]) == (0, 80, 1, 40)
    refused = {"queued": 120, "stored": 80, "dead_lettered": 40, "pending": 0, "missing_seqs": [], "verdict": "missing"}
    assert ledger(tmp_path) == (ExitCode.INCOMPLETE, refused)

    # As long as the cause is there, nothing changes.
    code, replayed = ended(tmp_path, worker_process.WORKER, "deadletters", "replay", "--all")
    assert (code, len(replayed["stored"]), len(replayed["refused"])) == (ExitCode.INCOMPLETE, 0, 1)
    assert "metric_name_length" in replayed["refused"][0]["error"]
    assert ledger(tmp_path) == (ExitCode.INCOMPLETE, refused)

    in_engine(tasks.loosened, tmp_path)
    code, replayed = ended(tmp_path, worker_process.WORKER, "deadletters", "replay", "--all")
    assert (code, len(replayed["stored"]), len(replayed["refused"])) == (0, 1, 0)
    assert ledger(tmp_path) == (0, refused | {"stored": 120, "dead_lettered": 0, "verdict": "complete"})
    assert ended(tmp_path, worker_process.WORKER, "deadletters", "list")[1] == []


def test_a_refused_event_whose_description_is_damaged_is_one_of_an_unknown_schema() -> None:
    letter = DeadLetter("1", "tag", "no hex", "log", "tag/a.avro", 0, 0, "", str(RUN), 0, 0, -1, 0)
    assert schema_of(letter) is None


def test_a_removal_that_is_cut_short_leaves_no_letter_that_cannot_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = DeadLetterDirectory(tmp_path)
    letter = DeadLetter("1f", "metric", "00", "log", "f", 7, 469, "no", str(RUN), 0, events.ATTEMPT, 0, 40)
    letters.put([(letter, scripted.batch([b"datum"]).messages[0])])
    assert list(letters.letters()) == [letter]
    unlink, done = Path.unlink, []

    def once(path: Path, missing_ok: bool = False) -> None:
        if done:
            raise OSError("killed")
        done.append(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", once)
    with pytest.raises(OSError, match="killed"):
        letters.remove(letter)
    assert list(letters.letters()) == []
