import io
from typing import Any
from uuid import UUID

from rich.console import Console

from runstream_analytics.queries.ledgers import knowing_spill
from runstream_analytics.render.ledger import ledger_summary, ledger_table


def row(run: int, name: str, verdict: str = "complete") -> dict[str, Any]:
    return {
        "run_id": UUID(int=run),
        "name": name,
        "rank": 0,
        "number": 1,
        "logged": 1500,
        "queued": 1500,
        "stored": 1500 if verdict == "complete" else 1000,
        "dead_lettered": 0,
        "pending": 0,
        "dropped": {},
        "missing_seqs": [] if verdict == "complete" else [3],
        "final": True,
        "verdict": verdict,
    }


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(renderable)
    return out.getvalue()


def test_runs_of_one_name_are_told_apart_by_the_end_of_the_id() -> None:
    text = printed(ledger_table([row(0xA1, "twin"), row(0xA1, "twin"), row(0xB2, "twin"), row(0xC3, "alone")]))
    assert text.count("twin 000000a1") == 2
    assert text.count("twin 000000b2") == 1
    assert "alone " in text
    assert "000000c3" not in text


def test_the_sum_counts_points_runs_and_attempts_and_names_every_verdict() -> None:
    rows = [row(1, "a"), row(1, "a"), row(2, "b", "missing")]
    assert (
        ledger_summary(rows[:1]).plain == "1\u202f500 points logged by 1 run in 1 attempt, 1\u202f500 stored: complete"
    )
    assert ledger_summary(rows).plain == (
        "4\u202f500 points logged by 2 runs in 3 attempts, 4\u202f000 stored: 2 complete, 1 missing"
    )


def test_a_batch_that_is_absent_is_pending_while_its_attempt_has_a_spill_here() -> None:
    missing = row(1, "a", "missing") | {"attempt": 7}
    refused = missing | {"dead_lettered": 5}
    without_gap = missing | {"missing_seqs": []}
    rows = [missing, refused, without_gap, row(1, "a") | {"attempt": 7}]
    assert [r["verdict"] for r in knowing_spill(rows, {(UUID(int=1), 0, 7)})] == [
        "pending",
        "missing",
        "missing",
        "complete",
    ]
    assert knowing_spill(rows, {(UUID(int=1), 0, 8), (UUID(int=1), 1, 7)}) == rows
