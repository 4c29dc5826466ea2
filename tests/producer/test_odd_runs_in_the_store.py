"""What a program logs that nobody foresaw arrives in the store: nothing of it is refused, and every view shows it."""

import subprocess
import sys
from pathlib import Path

from cli_processes import clean_environment, command, ended

TRAINER = r"""
import math
import runstream

cycle = {}
cycle["me"] = cycle
run = runstream.init(
    "odd '; DROP TABLE point; --\n🔥",
    name="odd",
    config={
        "text": "x" * 10_000_000, "cycle": cycle, "object": object(), "nan": math.nan, "large": 2**70, "": 1,
        "a.b": 1, "a": {"b": 2}, 5: None, "\ud800": "\ud800", "zero": "a\0b", "set": {1, 2},
    },
    tags={"zero\0": "a\0b", "🔥": "\n", "\ud800": "\ud800"},
)
for step in STEPS:
    run.log({name: 1.0 for name in NAMES} | {"m": float(step), "nan": math.nan, "inf": -math.inf, "bad": "text"}, step)
run.log({f"wide/{i}": i for i in range(5000)}, 7)
for i in range(500): run.log({f"changing{i}": 1.0, "always": i}, i)
for i in range(500): run.log({"even": 1.0} if i % 2 else {"odd": 1.0, "both": 2.0}, i)
run.log({"m": 1}, 2**63)
run.log({"m": 1}, "x")
run.log({"": 1, "x" * 10_240: 1, 7: 1, "good": 1}, 5)
run.log_artifact("s3://bucket/\0\ud800", name="zero\0\ud800", metadata={"zero\0": "\0"}, aliases="best")
assert run.finish(30)
"""

STEPS = [-(2**63), -5, 0, 3, 3, 1, 2**63 - 1, 2**62, 16, 255, 256]
NAMES = ["new\nline", "q'uo\"te`", "🔥", "x" * 1024, "zero\0", "back\\slash", "a b/c.d", "{}", "%s"]


WRITER = """
import runstream
run = runstream.init("test", run_id="one")
for step in range(5): run.log({"m": VALUE}, step)
print("logged", flush=True)
input()
for step in range(5, 10): run.log({"m": VALUE}, step)
"""


def test_two_processes_with_one_run_and_rank_at_the_same_time_are_both_visible(tmp_path: Path) -> None:
    writers = []
    for value in ("1.0", "2.0"):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("VALUE", value)],
            cwd=tmp_path,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None and writer.stdout.readline() == "logged\n"
        writers.append(writer)
    for writer in writers:
        writer.communicate("\n", timeout=30)
        assert writer.returncode == 0
    assert [ledger["verdict"] for ledger in command(tmp_path, "verify")] == ["complete", "complete"]
    sql = "SELECT step, groupArraySorted(9)(value) AS both FROM points WHERE metric = 'm' GROUP BY step ORDER BY step"
    assert command(tmp_path, "sql", sql) == [{"step": step, "both": [1.0, 2.0]} for step in range(10)]


def test_an_odd_run_is_complete_in_every_view(tmp_path: Path) -> None:
    program = f"STEPS = {STEPS!r}\nNAMES = {NAMES!r}\n{TRAINER}"
    (tmp_path / "odd.py").write_text(program)
    done = ended(tmp_path, [sys.executable, "odd.py"])
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert all(line.startswith("runstream: ") for line in done.stderr.splitlines())

    accepted = len(STEPS) * (len(NAMES) + 3) + 5000 + 1000 + 750 + 1
    (ledger,) = command(tmp_path, "verify")
    assert ledger["verdict"] == "complete" and ledger["stored"] == ledger["queued"] == accepted
    assert ledger["dropped"] == {"value": len(STEPS), "step": 2, "name": 3}
    (shown,) = command(tmp_path, "show", "odd")
    assert {metric["metric"] for metric in shown["metrics"]} >= {*NAMES, "m", "nan", "inf", "wide/4999", "changing499"}
    assert set(shown["params"]) == {
        *("text", "cycle.me", "object", "nan", "large", "config", "a.b", "a.b#2", "5", "\\ud800", "zero", "set")
    }
    assert shown["tags"] == {"zero\0": "a\0b", "🔥": "\n", "\\ud800": "\\ud800"}
    assert [(artifact["name"], artifact["aliases"]) for artifact in shown["artifacts"]] == [("zero\0\\ud800", ["best"])]
    sql = "SELECT step FROM points WHERE metric = 'm' ORDER BY step"
    assert [row["step"] for row in command(tmp_path, "sql", sql)] == sorted(STEPS)
    drawn = command(tmp_path, "plot", "m")
    assert drawn
