"""What training code does to a run, and that nothing of it harms training."""

import copy
import logging
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_files import events, last_status, points
from runs import start

import runstream
from runstream.api import init
from runstream.description import NOTHING_CAPTURED
from runstream.seen import SeenAttempts


def test_a_run_leaves_its_points_params_tags_and_end_in_the_log_directory(tmp_path: Path) -> None:
    with start(tmp_path, name="first", config={"model": {"depth": 2}, "lr": 0.1}, tags=["smoke"]) as run:
        for step in range(100):
            run.log({"train/loss": 1 / (step + 1), "train/lr": 0.1}, step)
        run.log_metric("val/loss", 0.5, step=1)
        run.set_tag("owner", "me")
        run.config["batch"] = 32
    assert points(tmp_path)["train/loss"] == [(step, 1 / (step + 1)) for step in range(100)]
    params = {param["key"]: (param["kind"], param["value"], param["number"]) for param in events(tmp_path, "param")}
    assert params == {
        "model.depth": ("int", "2", 2.0),
        "lr": ("float", "0.1", 0.1),
        "batch": ("int", "32", 32.0),
    }
    assert {tag["key"]: tag["value"] for tag in events(tmp_path, "tag")} == {"smoke": "", "owner": "me"}
    described = events(tmp_path, "run")[-1]
    assert (described["experiment"], described["name"], described["crash_safe"]) == ("test", "first", True)
    assert described["environment"]["python"] and described["packages_hash"]
    end = last_status(tmp_path)
    assert (end["state"], end["final"], end["logged"], end["queued"], end["last_seq"]) == (
        "finished",
        True,
        201,
        201,
        0,
    )
    assert end["last_step"] == 1
    assert not list((tmp_path / "journal").glob("*.journal"))


def test_a_capture_that_ends_after_its_run_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = start(tmp_path)
    assert run.finish()
    run._attempt.describe(NOTHING_CAPTURED)
    assert not caplog.records


def test_log_after_finish_does_nothing_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = start(tmp_path)
    assert run.finish()
    for _ in range(3):
        run.log({"m": 1.0})
        run.set_tag("late")
        run.log_param("late", 1)
    assert run.finish()
    assert points(tmp_path) == {}
    assert len([r for r in caplog.records if "after finish" in r.getMessage()]) == 1


def test_an_exception_makes_the_run_failed_with_its_message_and_passes_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), start(tmp_path) as run:
        run.log({"m": 1.0})
        _ = 1 / 0
    end = last_status(tmp_path)
    assert (end["state"], end["error"]) == ("failed", "ZeroDivisionError: division by zero")


def test_keyboard_interrupt_makes_the_run_killed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), start(tmp_path):
        raise KeyboardInterrupt
    assert last_status(tmp_path)["state"] == "killed"


def test_32_threads_log_into_one_run(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        threads = [
            threading.Thread(target=lambda t=t: [run.log({f"t{t}": float(i)}, i) for i in range(200)])
            for t in range(32)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = points(tmp_path)
    assert {name: [step for step, _ in series] for name, series in found.items()} == {
        f"t{t}": list(range(200)) for t in range(32)
    }


def test_a_resumed_run_is_a_later_attempt(tmp_path: Path) -> None:
    first = start(tmp_path)
    first.finish()
    second = start(tmp_path, run_id=first.id, resume="must", start_step=10)
    second.log({"m": 1.0})
    second.finish()
    assert second.id == first.id and second.attempt > first.attempt
    assert points(tmp_path) == {"m": [(10, 1.0)]}
    (frame,) = events(tmp_path, "metric")[0]["frames"]
    assert frame["auto_steps"] is False


def test_resume_never_and_must_are_checked_against_what_the_directory_has_seen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"run mine .rank 0. was never seen in {tmp_path}"):
        start(tmp_path, run_id="mine", resume="must")
    first = start(tmp_path, run_id="mine", resume="never")
    first.finish()
    with pytest.raises(ValueError, match="'never'"):
        start(tmp_path, run_id="mine", resume="never")
    again = start(tmp_path, run_id="mine")
    assert again.id == first.id and again.attempt > first.attempt
    again.finish()


def test_a_rank_that_joins_a_resumed_run_satisfies_resume_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path, run_id="mine").finish()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    joined = start(tmp_path, run_id="mine", resume="must")
    assert joined.rank == 1
    assert joined.finish()


def test_a_second_attempt_is_later_even_when_the_clock_went_back_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(tmp_path, run_id="mine")
    first.finish()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3_600_000_000_000)
    second = start(tmp_path, run_id="mine")
    second.finish()
    assert second.attempt > first.attempt


def test_a_clock_that_is_set_back_an_hour_while_a_run_goes_on_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path) as run:
        run.log({"m": 1.0}, 0)
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now - 3_600_000_000_000)
        monkeypatch.setattr(time, "time", lambda: now / 1e9 - 3600)
        run.log({"m": 2.0}, 1)
        run.set_tag("later")
    times = [time for batch in events(tmp_path, "metric") for frame in batch["frames"] for time in frame["times"]]
    (tag,) = events(tmp_path, "tag")
    assert run.attempt < times[0] < times[1] < tag["time"] < last_status(tmp_path)["time"]


def test_two_processes_that_begin_one_rank_in_the_same_microsecond_are_two_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    monkeypatch.setattr(SeenAttempts, "newest", lambda *_: None)  # neither has seen the other
    first, second = start(tmp_path, run_id="mine"), start(tmp_path, run_id="mine")
    first.log({"m": 1.0}, 0)
    second.log({"m": 2.0}, 0)
    assert first.finish() and second.finish()
    assert first.id == second.id and first.attempt != second.attempt
    assert sorted(points(tmp_path)["m"]) == [(0, 1.0), (0, 2.0)]


def test_a_model_that_holds_its_run_can_be_copied_and_pickling_a_run_names_the_remedy(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        assert copy.deepcopy({"run": run, "weights": [1.0]})["run"] is run
        with pytest.raises(TypeError, match=r"send run.id, and call runstream.init\(run_id=…\) there"):
            pickle.dumps(run)


def test_disabled_mode_does_nothing_at_all(tmp_path: Path) -> None:
    run = init("x", config={"a": 1}, dir=tmp_path / "none", mode="disabled")
    with run:
        run.log({"m": 1.0}, 0)
        run.log_artifact("/nonexistent")
        run.set_tags(["a"])
        run.config["b"] = 2
    assert run.config["a"] == 1 and run.config.b == 2
    assert not (tmp_path / "none").exists()


def test_the_module_level_functions_work_on_the_current_run_and_warn_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runstream.finish()
    with caplog.at_level(logging.WARNING):
        runstream.log({"m": 1.0})
    start(tmp_path)
    runstream.log({"m": 2.0}, step=3)
    runstream.log_params({"a": {"b": 1}})
    runstream.log_param("c", "text")
    runstream.set_tags({"k": 1})
    assert runstream.finish()
    assert points(tmp_path) == {"m": [(3, 2.0)]}
    assert {param["key"] for param in events(tmp_path, "param")} == {"a.b", "c"}


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A place where nothing can be made: below a file, so that root cannot either."""
    (tmp_path / "file").touch()
    yield tmp_path / "file"


def test_a_run_whose_log_directory_cannot_be_written_trains_on_and_its_journal_is_kept(
    tmp_path: Path, read_only: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(tmp_path, url=f"file:{read_only}/log")
    for step in range(100):
        run.log({"m": float(step)}, step)
    assert run.finish(timeout=0.3) is False
    assert list((tmp_path / "journal").glob("*.journal"))
    messages = [record.getMessage() for record in caplog.records]
    assert any("cannot write to log directory" in message for message in messages)
    assert any("runstream sync" in message for message in messages)


def test_a_directory_where_nothing_can_be_made_does_not_stop_training(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(read_only))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(read_only))
    run = start(read_only / "dir", url=f"file:{tmp_path}/log")
    run.log({"m": 1.0}, 0)
    assert run.finish()
    assert points(tmp_path) == {"m": [(0, 1.0)]}
    assert last_status(tmp_path)["crash_safe"] is False
