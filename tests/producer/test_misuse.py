"""What a program does wrong, as a process of its own: it goes on to its end, and what is said names the remedy."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from event_files import events, points


class Ended(NamedTuple):
    out: str
    said: list[str]
    """Lines of runstream on stderr."""


def run_program(directory: Path, body: str, **environ: str) -> Ended:
    """Run a program that may use `init()`, which starts a run; it must end well and show no traceback."""
    code = (
        "import os, sys, time\nimport runstream\n"
        f"init = lambda *a, **k: runstream.init(*(a or ('test',)), **{{'dir': {str(directory)!r}, **k}})\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-c", code + textwrap.dedent(body)],
        cwd=directory,
        env={**clean, "RUNSTREAM_SYSTEM_PERIOD_S": "0", "RUNSTREAM_JOURNAL_BYTES": "5000000", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return Ended(done.stdout, [line for line in done.stderr.splitlines() if line.startswith("runstream: ")])


BEFORE_INIT = [
    "runstream.log({'a': 1})",
    "runstream.log_metric('a', 1)",
    "runstream.log_params({'a': 1})",
    "runstream.set_tags(['a'])",
    "runstream.log_artifact('x')",
]


@pytest.mark.parametrize("call", BEFORE_INIT)
def test_a_call_before_init_says_to_call_init_and_the_later_ones_say_nothing(tmp_path: Path, call: str) -> None:
    ended = run_program(tmp_path, f"for _ in range(3): {call}\nrunstream.log({{'b': 1}})\nprint(runstream.finish())")
    assert ended.out == "True\n"
    assert len(ended.said) == 1 and "call runstream.init(" in ended.said[0]


def test_a_call_after_finish_says_that_the_run_was_finished(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        init(name="first")
        runstream.log({"a": 1})
        runstream.finish()
        for _ in range(3): runstream.log({"late": 1})
        runstream.set_tags(["late"])
        print(runstream.finish())
        """,
    )
    assert ended.out == "True\n" and list(points(tmp_path)) == ["a"]
    assert len(ended.said) == 1 and "after run first was finished" in ended.said[0] and "init()" in ended.said[0]


def test_a_second_init_is_another_run_and_the_open_one_is_said(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        first, second = init(name="first"), init(name="second")
        runstream.log({"of second": 1})
        first.log({"of first": 1})
        third = init(name="third")
        """,
    )
    assert len(ended.said) == 1 and "run first is still open while run second begins" in ended.said[0]
    assert "Call finish()" in ended.said[0]
    finals = [status for status in events(tmp_path, "status") if status["final"]]
    assert sorted((final["state"], final["logged"]) for final in finals) == [("finished", n) for n in (0, 1, 1)]


def test_runs_one_after_the_other_and_those_of_forked_children_are_nothing_to_say(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        for _ in range(3):
            init()
            runstream.finish()
        run = init()
        for _ in range(2):
            if (child := os.fork()) == 0:
                init().log({"child": 1})
                sys.exit(0)
            os.waitpid(child, 0)
        with init() if run.finish() else None: pass
        """,
    )
    assert ended.said == [] and points(tmp_path) == {"child": [(0, 1.0), (0, 1.0)]}


def test_finish_may_be_called_again_in_every_way(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        with init() as run:
            run.log({"a": 1})
            print(run.finish(), runstream.finish(), run.finish(), runstream.finish())
            print(run.fail("late"), run.kill("late"))
        """,
    )
    assert ended == ("True True True True\nTrue True\n", [])
    assert [(s["state"], s["error"]) for s in events(tmp_path, "status") if s["final"]] == [("finished", "")]


@pytest.mark.parametrize(
    "timeout", ["'soon'", "None", "-1", "0", "float('nan')", "float('inf')", "1e12", "1j", "object()"]
)
def test_a_timeout_of_any_kind_ends_the_run(tmp_path: Path, timeout: str) -> None:
    ended = run_program(tmp_path, f"run = init()\nrun.log({{'a': 1}})\nrun.finish({timeout})\nprint(run.finish(30))")
    assert ended.out == "True\n" and list(points(tmp_path)) == ["a"]
    assert [s["state"] for s in events(tmp_path, "status") if s["final"]] == ["finished"]
    assert all("10 seconds are taken" in said or "not delivered: " in said for said in ended.said)


def test_an_exception_whose_text_cannot_be_read_passes_through_and_is_recorded_by_its_type(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        class Odd(Exception):
            def __str__(self): raise RuntimeError("no text")
        try:
            with init() as run: raise Odd
        except Odd: print("passed")
        """,
    )
    assert ended == ("passed\n", [])
    assert events(tmp_path, "status")[-1]["error"] == "Odd: <its text cannot be read>"


def test_keys_of_any_kind_raise_nothing(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        with init() as run:
            for key in (["list"], {"a": 1}, None, 7, b"bytes", ""):
                run.log_metric(key, 1)
                runstream.log_metric(key, 1)
                run.log_param(key, 1)
                run.set_tag(key, 1)
                run.log_artifact("none", name=key)
            run.log_metric("good", 1)
        """,
    )
    assert points(tmp_path) == {"good": [(0, 1.0)]}
    assert events(tmp_path, "status")[-1]["dropped"] == {"name": 12}
    assert {tag["key"] for tag in events(tmp_path, "tag")} == {"['list']", "{'a': 1}", "None", "7", "bytes", ""}
    assert len(events(tmp_path, "param")) == 6 and len(events(tmp_path, "artifact")) == 6
    assert "a metric name is the type list, which is not text" in ended.said[0]


def test_params_and_tags_of_any_kind_raise_nothing_and_cost_no_neighbour(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        import numpy
        class Odd:
            def __bool__(self): raise RuntimeError("no truth")
            def __repr__(self): raise RuntimeError("no text")
        with init(tags={5: None, "bytes": b"x", "list": [1]}) as run:
            for params in (None, 5, "text", numpy.zeros(3), Odd(), {}, {"odd": Odd(), "good": 1}):
                run.log_params(params)
            run.set_tags({"long": "x" * 10_000_000, "\\ud800": "\\ud800", "odd": Odd()})
            run.set_tag("y" * 10_000_000, "z")
            run.set_tag("runstream.deleted", 9e15)
            run.set_tags(7)
            run.set_tags(None)
        """,
    )
    tags = {tag["key"][:20]: tag["value"] for tag in events(tmp_path, "tag")}
    assert tags.pop("long").endswith("… [cut, 10000000 characters]")
    assert tags == {
        "5": "None",
        "bytes": "x",
        "list": "[1]",
        "\\ud800": "\\ud800",
        "odd": "<unreadable Odd: RuntimeError>",
        "y" * 20: "z",
    }
    params = {param["key"]: param["value"] for param in events(tmp_path, "param")}
    assert params["good"] == "1" and "unreadable" in params["odd"]
    assert len(ended.said) == 2 and "runstream.deleted" in ended.said[0] and "tags could not be set" in ended.said[1]


BROKEN_MACHINES = {
    "no threads": "import threading\ndef broken(_): raise RuntimeError('no thread')\nthreading.Thread.start = broken",
    "no memory": "import runstream.attempt as a\ndef broken(*_, **__): raise MemoryError\na.open_ring = broken",
}


@pytest.mark.parametrize("machine", BROKEN_MACHINES)
def test_init_on_a_broken_machine_raises_nothing_and_says_that_tracking_is_off(tmp_path: Path, machine: str) -> None:
    ended = run_program(
        tmp_path,
        f"""{BROKEN_MACHINES[machine]}
with init() as run:
    run.log({{"a": 1}})
    run.config["b"] = 1
print("trained")
""",
    )
    assert ended.out == "trained\n"
    assert len(ended.said) == 1 and "tracking is off" in ended.said[0]
    assert not list(tmp_path.rglob("*.journal"))


@pytest.mark.parametrize("size", ["1e18", "1e30"])
def test_a_journal_larger_than_the_machine_becomes_a_small_one_in_memory(tmp_path: Path, size: str) -> None:
    body = "with init() as run: run.log({'a': 1})"
    ended = run_program(tmp_path, body, RUNSTREAM_JOURNAL_BYTES=size)
    assert len(ended.said) == 1 and "no place for the journal" in ended.said[0]
    assert list(points(tmp_path)) == ["a"] and events(tmp_path, "status")[-1]["crash_safe"] is False
    assert not list(tmp_path.rglob("*.journal"))


def test_a_working_directory_that_is_gone_is_made_again(tmp_path: Path) -> None:
    body = """
        os.mkdir("gone")
        os.chdir("gone")
        os.environ["PWD"] = os.getcwd()
        os.rmdir(os.getcwd())
        with init(dir=None) as run: run.log({"a": 1})
    """
    assert run_program(tmp_path, body).said == []
    assert list(points(tmp_path / "gone/.runstream")) == ["a"]


def test_a_clock_that_was_never_set_is_said_and_the_attempt_is_one_that_the_store_takes(tmp_path: Path) -> None:
    ended = run_program(
        tmp_path,
        """
        time.time_ns, began = lambda: 60_000_000_000, time.time_ns()
        for _ in range(2):
            with init(run_id="mine") as run: run.log({"a": 1})
        """,
    )
    assert len(ended.said) == 2 and all("clock is not set" in said for said in ended.said)
    first, second = sorted({run["attempt"] for run in events(tmp_path, "run")})
    assert 1_577_836_800_000_000 <= first < second < 1_577_836_900_000_000


@pytest.mark.parametrize("content", ["", "yesterday", "9" * 30, "-5", "\ud800"])
def test_a_damaged_memory_of_attempts_still_tells_that_the_run_was_here(tmp_path: Path, content: str) -> None:
    body = "with init(run_id='mine', resume={!r}) as run: print(run.attempt)"
    first = int(run_program(tmp_path, body.format("never")).out)
    (seen,) = (tmp_path / "journal/seen").iterdir()
    seen.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert int(run_program(tmp_path, body.format("must")).out) > first
