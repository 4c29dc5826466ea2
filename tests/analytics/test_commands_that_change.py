"""delete and sync, and commands where there is nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import logged_runs
import pytest
from cli_tasks import Result
from logged_runs import OTTER, TWIN

import support_events as events
from runstream_schemas.exit_codes import ExitCode

Invoke = Callable[..., Result]

LOGGING = """
import os, pathlib, signal, time, runstream
run = runstream.init(experiment="digits", name="killed", run_id="01935000-0000-7000-8000-00000d444444")
for step in range(500):
    run.log({"train/loss": 1 / (step + 1)}, step=step)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)\n"
DIE_ONCE_SEEN = f"""
while not list(pathlib.Path(".runstream/log/status").glob("*.avro")):
    time.sleep(0.01)
{DIE}
"""


def killed(directory: Path, ending: str) -> None:
    """A trainer in that working directory logs and is killed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    trainer = subprocess.run(
        [sys.executable, "-c", LOGGING + ending], cwd=directory, env=environment, timeout=60, check=False
    )
    assert trainer.returncode == -signal.SIGKILL


def names(invoke: Invoke, directory: Path) -> list[str]:
    return [row["name"] for row in json.loads(invoke(directory, "ls", "--json").out)]


def test_where_nobody_has_logged_commands_say_so_and_make_nothing(invoke: Invoke, tmp_path: Path) -> None:
    code, out, err = invoke(tmp_path, "ls", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "no run has been logged" in err
    for command in (["show", "x"], ["plot", "loss"], ["sql", "SELECT 1"], ["verify"], ["delete", "x"]):
        code, out, err = invoke(tmp_path, *command)
        assert (code, out) == (ExitCode.USAGE, ""), command
        assert "--dir" in err
    assert invoke(tmp_path, "doctor").code == 0
    assert list(tmp_path.iterdir()) == []


def test_an_empty_log_gives_empty_answers(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / ".runstream" / "log").mkdir(parents=True)
    assert invoke(tmp_path, "ls") == (0, "", "no run matches\n")
    assert invoke(tmp_path, "ls", "--sort", "val/loss:min", "--json").out == "[]\n"
    code, _, err = invoke(tmp_path, "show", "x")
    assert (code, "there are no runs yet" in err) == (ExitCode.USAGE, True)
    assert invoke(tmp_path, "verify").code == ExitCode.INCOMPLETE


def test_delete_shows_first_and_then_hides_for_good(invoke: Invoke, tmp_path: Path) -> None:
    log = tmp_path / ".runstream" / "log"
    logged_runs.write(log)
    code, out, err = invoke(tmp_path, "delete", "a111111")
    assert (code, str(OTTER) in out) == (0, True)
    assert "nothing was deleted" in err
    assert 'brave "otter"' in names(invoke, tmp_path)
    code, out, _ = invoke(tmp_path, "delete", "a111111", "--yes", "--json")
    assert (code, [row["deleted"] for row in json.loads(out)]) == (0, [True])
    assert 'brave "otter"' not in names(invoke, tmp_path)
    assert invoke(tmp_path, "show", str(OTTER)).code == ExitCode.USAGE
    rows = "SELECT count() FROM point WHERE run_id = toUUID('{}')"
    for _ in range(200):  # the engine frees in its own time, while a command has it open
        if invoke(tmp_path, "sql", rows.format(OTTER)).out.endswith("\n0\n"):
            break
    else:
        pytest.fail("the space of a deleted run is never freed")
    assert invoke(tmp_path, "sql", rows.format(TWIN)).out.endswith("\n11\n")
    # Loading the whole log again, into an empty store, does not bring it back.
    again = tmp_path / "again"
    other = invoke(tmp_path, "ls", "--json", "--store", f"chdb:{again}")
    assert 'brave "otter"' not in other.out


def test_a_run_from_a_clock_ahead_can_be_deleted(invoke: Invoke, tmp_path: Path) -> None:
    ahead = 4_000_000_000_000_000
    logged_runs.put(tmp_path / ".runstream" / "log", "run", [events.run(OTTER, attempt=ahead)])
    assert names(invoke, tmp_path) == ["brave-otter"]
    assert invoke(tmp_path, "delete", "brave-otter", "--yes").code == 0
    assert names(invoke, tmp_path) == []


def test_sync_ships_the_journal_of_a_killed_process_and_verify_is_content(invoke: Invoke, tmp_path: Path) -> None:
    killed(tmp_path, DIE_ONCE_SEEN)
    code, _, err = invoke(tmp_path, "verify")
    assert (code, "runstream sync" in err or "nothing to verify" in err) == (ExitCode.INCOMPLETE, True)
    journals = [c for c in json.loads(invoke(tmp_path, "doctor", "--json").out) if c["name"] == "journals"]
    assert [(check["status"], check["fix"]) for check in journals] == [("warn", "runstream sync")]
    code, out, _ = invoke(tmp_path, "sync", "--json")
    assert code == 0
    assert [(row["kind"], row["outcome"], row["points"]) for row in json.loads(out)] == [("journal", "shipped", 500)]
    assert invoke(tmp_path, "verify", "killed").code == 0
    assert invoke(tmp_path, "sync") == (0, "", "nothing was left behind\n")


def test_what_was_logged_while_the_directory_could_not_be_written_is_found_by_doctor_ls_and_sync(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / ".runstream").touch()  # no directory can be made there, and so no pointer to the journal
    killed(tmp_path, DIE)
    (tmp_path / ".runstream").unlink()
    (check,) = [c for c in json.loads(invoke(tmp_path, "doctor", "--json").out) if c["name"] == "journals"]
    said = invoke(tmp_path, "ls").err
    shipped = json.loads(invoke(tmp_path, "sync", "--json").out)
    assert [(row["outcome"], row["points"]) for row in shipped] == [("shipped", 500)]
    assert (check["status"], check["detail"], check["fix"]) == ("warn", "0 in use, 1 left behind", "runstream sync")
    assert "runstream sync" in said


def test_where_everything_is_still_in_journals_commands_name_sync(invoke: Invoke, tmp_path: Path) -> None:
    journals = tmp_path / ".runstream" / "journal"
    journals.mkdir(parents=True)
    (journals / "01935000-0000-7000-8000-00000d444444.0.1.journal").touch()
    code, _, err = invoke(tmp_path, "verify")
    assert code != 0 and "runstream sync" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ls", "--store", "mysql://x"], ExitCode.USAGE, "store is 'mysql://x'"),
        (["ls", "--store", "http://me:hunter2@localhost:1/db"], ExitCode.STORE_FAILED, "cannot open the store http"),
        (["doctor", "--store", "http://me:hunter2@localhost:1/db"], ExitCode.INCOMPLETE, ""),
        (["ls", "--store", "chdb:/proc/nowhere"], ExitCode.STORE_FAILED, "cannot open the store"),
    ],
)
def test_a_store_that_cannot_be_opened_is_told_without_its_password(
    invoke: Invoke, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / ".runstream" / "log").mkdir(parents=True)
    found, out, err = invoke(tmp_path, *arguments)
    assert (found, message in err) == (code, True)
    assert "hunter2" not in out + err
    assert "Traceback" not in err


def test_a_deletion_needs_a_log_that_can_be_written(invoke: Invoke, logged: Path) -> None:
    invoke(logged, "ls")  # the store has the run then
    code, _, err = invoke(logged, "delete", "a111111", "--yes", "--url", "kafka://localhost:1")
    assert (code, "the broker localhost:1 does not answer" in err) == (ExitCode.LOG_FAILED, True)


def test_verify_says_so_when_what_is_missing_is_nowhere_on_this_machine(invoke: Invoke, tmp_path: Path) -> None:
    log = tmp_path / ".runstream/log"
    end = events.status(OTTER, state="finished", final=True, logged=9, queued=9, last_seq=0)
    logged_runs.put(log, "run", [events.run(OTTER)])
    logged_runs.put(log, "status", [end])
    code, _, err = invoke(tmp_path, "verify")
    assert code == ExitCode.INCOMPLETE
    assert "lost, or elsewhere" in err


def test_system_metrics_are_drawn_over_time_and_others_over_steps(invoke: Invoke, tmp_path: Path) -> None:
    log, now = tmp_path / ".runstream/log", events.ATTEMPT // 1_000_000
    frames = [
        events.frame(
            [now + 10, now + 20], [events.ATTEMPT + 10_000_000, events.ATTEMPT + 20_000_000], {"system/x": [1, 2]}
        ),
        events.frame([0, 1], [events.ATTEMPT + 1, events.ATTEMPT + 2], {"loss": [1, 2]}),
    ]
    logged_runs.put(log, "run", [events.run(OTTER)])
    logged_runs.put(log, "metric", [events.metric(OTTER, frames)])
    rows = json.loads(invoke(tmp_path, "plot", "system/x", "loss", "--json").out)
    assert [row.get("seconds", row.get("step")) for row in rows] == [10, 20, 0, 1]
    assert [("seconds" in row, "step" in row) for row in rows] == [(True, False)] * 2 + [(False, True)] * 2
    assert all("step" in row for row in json.loads(invoke(tmp_path, "plot", "system/x", "--x", "step", "--json").out))
