"""What training code does to a run, and that nothing of it harms training."""

import logging
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

import runstream
from runstream.api import init
from runstream.run import Run
from runstream_schemas.settings import SettingsError


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sampling in the middle of a test, and no settings from outside."""
    for name in list(os.environ):
        if name.startswith(("RUNSTREAM_", "SLURM_", "LOCAL_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNSTREAM_SYSTEM_PERIOD_S", "0")
    monkeypatch.setenv("RUNSTREAM_JOURNAL_BYTES", "8000000")


def start(directory: Path, **arguments: Any) -> Run:
    run = init(arguments.pop("experiment", "test"), dir=directory, **arguments)
    assert isinstance(run, Run)
    return run


def events(directory: Path, event: str) -> list[dict[str, Any]]:
    """All events of a kind in the log directory, by a plain Avro reader, in order of time."""
    found: list[Any] = []
    for path in sorted((directory / "log" / event).glob("*.avro")):
        with path.open("rb") as file:
            found += fastavro.reader(file)
    return sorted(found, key=lambda record: record.get("time", record.get("seq", 0)))


def points(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by metric."""
    found: dict[str, list[tuple[int, float]]] = {}
    for record in events(directory, "metric"):
        for frame in record["frames"]:
            for column in frame["columns"]:
                found.setdefault(column["metric"], []).extend(zip(frame["steps"], column["values"], strict=True))
    return found


def last_status(directory: Path) -> dict[str, Any]:
    return events(directory, "status")[-1]


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


BAD_VALUES = ["text", None, 1j, object(), [1.0, 2.0], np.zeros(3), b"1", {"nested": 1}]


@pytest.mark.parametrize("value", BAD_VALUES, ids=[type(value).__name__ for value in BAD_VALUES])
def test_a_value_that_is_no_number_is_dropped_counted_and_said_once_beside_its_neighbours(
    tmp_path: Path, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with start(tmp_path) as run:
        for step in range(3):
            run.log({"bad": value, "good": 1.0}, step)
    assert points(tmp_path) == {"good": [(0, 1.0), (1, 1.0), (2, 1.0)]}
    assert last_status(tmp_path)["dropped"] == {"value": 3}
    assert last_status(tmp_path)["logged"] == 6
    assert len([record for record in caplog.records if "not a number" in record.getMessage()]) == 1


GOOD_VALUES = [
    (math.nan, math.nan),
    (math.inf, math.inf),
    (-math.inf, -math.inf),
    (2**53 + 1, float(2**53)),
    (10**400, math.inf),
    (True, 1.0),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.int64(7), 7.0),
    (np.array(2.5), 2.5),
]


@pytest.mark.parametrize(("value", "stored"), GOOD_VALUES, ids=[repr(value)[:20] for value, _ in GOOD_VALUES])
def test_numbers_of_all_kinds_are_stored(tmp_path: Path, value: Any, stored: float) -> None:
    with start(tmp_path) as run:
        run.log({"m": value}, 0)
    ((_, found),) = points(tmp_path)["m"]
    assert found == stored or (math.isnan(found) and math.isnan(stored))


def test_a_tensor_of_one_element_is_a_number_and_of_many_is_none(tmp_path: Path) -> None:
    class Tensor:
        """What a torch tensor does in `float`."""

        def __init__(self, elements: int) -> None:
            self.elements = elements

        def __float__(self) -> float:
            if self.elements != 1:
                raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
            return 4.0

    with start(tmp_path) as run:
        run.log({"one": Tensor(1), "many": Tensor(2)}, 0)
    assert points(tmp_path) == {"one": [(0, 4.0)]}


NAMES = ["loss\nnew line", 'with "quotes" and \\', "emoji 🔥", "x" * 1024, "a b/c.d", "'; DROP TABLE point"]


def test_names_with_any_text_are_kept(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.log(dict.fromkeys(NAMES, 1.0), 0)
    assert set(points(tmp_path)) == set(NAMES)


@pytest.mark.parametrize("name", ["", "x" * 10_240, "\ud800", 7, None, ("a", "b")])
def test_a_bad_name_is_dropped_and_counted(tmp_path: Path, name: Any) -> None:
    with start(tmp_path) as run:
        run.log({name: 1.0, "good": 2.0}, 0)
    assert points(tmp_path) == {"good": [(0, 2.0)]}
    assert last_status(tmp_path)["dropped"] == {"name": 1}


@pytest.mark.parametrize(("step", "kept"), [(-5, -5), (3.0, 3), (np.int32(4), 4), (2**63 - 1, 2**63 - 1), (True, 1)])
def test_steps_of_any_sign_and_kind_of_integer_are_kept(tmp_path: Path, step: Any, kept: int) -> None:
    with start(tmp_path) as run:
        run.log({"m": 1.0}, step)
    assert points(tmp_path) == {"m": [(kept, 1.0)]}


@pytest.mark.parametrize("step", [2**63, -(2**63) - 1, 3.5, "7", math.nan, math.inf, [1]])
def test_a_step_that_is_no_integer_of_64_bits_is_dropped_and_counted(tmp_path: Path, step: Any) -> None:
    with start(tmp_path) as run:
        run.log({"a": 1.0, "b": 2.0}, step)
        run.log({"a": 1.0}, 1)
    assert points(tmp_path) == {"a": [(1, 1.0)]}
    assert last_status(tmp_path)["dropped"] == {"step": 2}


def test_after_the_greatest_step_counting_on_is_refused_not_wrapped(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.log({"a": 1.0}, 2**63 - 1)
        run.log({"a": 2.0})
    assert last_status(tmp_path)["dropped"] == {"step": 1}


@pytest.mark.parametrize("metrics", [{}, [], None, "text", 7, [("a", 1.0)]])
def test_whatever_is_passed_to_log_nothing_is_raised(tmp_path: Path, metrics: Any) -> None:
    with start(tmp_path) as run:
        run.log(metrics, 0)
        run.log({"good": 1.0}, 1)
    assert points(tmp_path) == {"good": [(1, 1.0)]}


def test_repeated_and_unordered_steps_are_all_kept(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        for step in (5, 1, 5, 3):
            run.log({"m": float(step)}, step)
    assert points(tmp_path)["m"] == [(1, 1.0), (3, 3.0), (5, 5.0), (5, 5.0)]


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
    with pytest.raises(ValueError, match="never seen"):
        start(tmp_path, run_id="mine", resume="must")
    first = start(tmp_path, run_id="mine", resume="never")
    first.finish()
    with pytest.raises(ValueError, match="'never'"):
        start(tmp_path, run_id="mine", resume="never")
    again = start(tmp_path, run_id="mine")
    assert again.id == first.id and again.attempt > first.attempt
    again.finish()


def test_a_second_attempt_is_later_even_when_the_clock_went_back_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    first = start(tmp_path, run_id="mine")
    first.finish()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3_600_000_000_000)
    second = start(tmp_path, run_id="mine")
    second.finish()
    assert second.attempt > first.attempt


@pytest.mark.parametrize(
    "arguments",
    [
        {"experiment": ""},
        {"name": ""},
        {"config": 3},
        {"resume": "maybe"},
        {"start_step": "x"},
        {"run_id": ""},
        {"url": "http://nonsense"},
    ],
)
def test_init_raises_a_value_error_for_wrong_arguments(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        start(tmp_path, **arguments)


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


def test_settings_errors_name_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNSTREAM_HEARTBEAT_S", "often")
    with pytest.raises(SettingsError, match="heartbeat_s is 'often'"):
        start(tmp_path)
