"""A store of many runs, made inside the engine: INSERT SELECT through landing_metric, so that all views do their work.

10,000 runs at full size log `train/loss` at 8,000 steps, so that 500 points of a chart are one rollup each; a fifth of
them also logs seven more metrics. Every fifth run was resumed at step 4,801 after 6,000 steps. Attempts lie in four
months, and the live ones in the last. Beside them: one series of dense steps and one of steps 10,000 apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FULL_POINTS = 200_000_000
STEPS = 8_000
"""Of each run: 500 buckets of 16."""
RESUMED_AT = 4_801
DIED_AT = 6_000
ROWS_A_MESSAGE = 1_000
POINTS_AN_INSERT = 2_000_000
STEP_US = 50_000
DENSE_STEPS = 10_000_000
SPARSE_STEPS = 100_000
SPARSE_GAP = 10_000
WIDE_METRICS = ("val/loss", "train/accuracy", "val/accuracy", "lr", "grad_norm", "tokens_per_s", "memory")
DENSE_RUN = "00000000-0000-7000-8000-0000000000d1"
SPARSE_RUN = "00000000-0000-7000-8000-0000000000d2"

BULK = {"max_block_size": 1_000_000_000, "min_insert_block_size_rows": 1_000_000_000, "min_insert_block_size_bytes": 0}
"""As the worker inserts: one part per table and insert."""


@dataclass(frozen=True)
class Size:
    """How large the store is."""

    runs: int
    """All of them log train/loss."""
    wide_runs: int
    """The first of them log the other metrics as well."""
    dense_steps: int

    @property
    def points(self) -> int:
        """In all, those that a resumed attempt superseded included."""
        twice = DIED_AT - RESUMED_AT + 1
        one_metric = self.runs * STEPS + -(-self.runs // 5) * twice
        others = len(WIDE_METRICS) * (self.wide_runs * STEPS + -(-self.wide_runs // 5) * twice)
        return one_metric + others + self.dense_steps + SPARSE_STEPS


def size_for(points: int) -> Size:
    """The size with about so many points; 10,000 runs, 2,000 of them wide, at FULL_POINTS."""
    share = points / FULL_POINTS
    return Size(max(10, round(10_000 * share)), max(2, round(2_000 * share)), max(10_000, round(DENSE_STEPS * share)))


def month_starts(now: datetime) -> list[int]:
    """Where attempts begin, µs: three earlier months and an hour of a week ago, which is the live part."""
    live = now - timedelta(days=7)
    months = [(live.replace(day=1) - timedelta(days=31 * back)).replace(day=2) for back in (3, 2, 1)]
    return [int(moment.timestamp()) * 1_000_000 for moment in (*months, live)]


def build(client: Client, size: Size, progress: Callable[[int], None]) -> None:
    """Fill an empty store. `progress` hears how many points are there."""
    starts = month_starts(datetime.now(UTC))
    done = 0
    for sql, points in _inserts(size, starts):
        client.command(sql, settings=BULK)
        done += points
        progress(done)


def run_ids(count: int) -> list[str]:
    """The first so many runs."""
    return [f"{n:08x}-0000-7000-8000-{n:012x}" for n in range(count)]


def live_insert(first_run: int, runs: int, second: int, start: int) -> str:
    """What a worker inserts in one second: ten more steps of eight metrics from some runs of the live month."""
    first_step = STEPS + 10 * second
    messages = (
        f"SELECT {first_run} + 4 * number + 3 AS run, {first_step} AS first_step, 10 AS count FROM numbers({runs})"
    )
    attempt = f"{start} + run * 1000 + (run % 5 = 0) * 3600000000"
    return _landing(messages, ("train/loss", *WIDE_METRICS), attempt, STEPS // ROWS_A_MESSAGE + second)


def _inserts(size: Size, starts: list[int]) -> Iterator[tuple[str, int]]:
    yield _run_events(size.runs, starts), 0
    yield from _group(0, size.wide_runs, ("train/loss", *WIDE_METRICS), starts)
    yield from _group(size.wide_runs, size.runs, ("train/loss",), starts)
    for run, name, count, gap in (
        (DENSE_RUN, "long/dense", size.dense_steps, 1),
        (SPARSE_RUN, "long/sparse", SPARSE_STEPS, SPARSE_GAP),
    ):
        at_once = POINTS_AN_INSERT // ROWS_A_MESSAGE
        messages = -(-count // ROWS_A_MESSAGE)
        for begin in range(0, messages, at_once):
            part = min(at_once, messages - begin)
            yield _long_series(run, name, begin, part, gap, starts[0]), part * ROWS_A_MESSAGE


def _group(first: int, end: int, metrics: tuple[str, ...], starts: list[int]) -> Iterator[tuple[str, int]]:
    """First attempts and, of every fifth run, second ones, so many runs at a time as make one insert."""
    at_once = max(1, POINTS_AN_INSERT // (STEPS * len(metrics)))
    attempt = f"{starts}[run % 4 + 1] + run * 1000"
    for begin in range(first, end, at_once):
        count = min(at_once, end - begin)
        runs = f"SELECT {begin} + number AS run FROM numbers({count})"
        chunks = f"arrayJoin(range(0, {STEPS}, {ROWS_A_MESSAGE})) AS first_step, {ROWS_A_MESSAGE} AS count"
        lives = f"SELECT run, {chunks} FROM ({runs}) WHERE run % 5 != 0 OR first_step < {DIED_AT}"
        yield _landing(lives, metrics, attempt, None), count * STEPS * len(metrics)
        resumed = (
            f"SELECT run, {RESUMED_AT} + arrayJoin(range(0, {STEPS - RESUMED_AT}, {ROWS_A_MESSAGE})) AS first_step, "
        )
        resumed += f"least({ROWS_A_MESSAGE}, {STEPS} - first_step) AS count FROM ({runs}) WHERE run % 5 = 0"
        yield _landing(resumed, metrics, f"{attempt} + 3600000000", None), 0


def _landing(messages: str, metrics: tuple[str, ...], attempt: str, seq: int | None) -> str:
    """One message per row of `messages` (run, first_step, count). Values fall with noise that a hash makes."""
    columns = ", ".join(
        f"('{name}', arrayMap(step -> toFloat64(toFloat32({scale} * exp(-step / 3000) "
        f"+ 0.05 * (intHash64(run * 1000003 + step * 31 + {scale}) % 1000003) / 1000003)), steps))"
        for scale, name in enumerate(metrics, start=1)
    )
    times = f"arrayMap(step -> at + step * {STEP_US} + intHash64(run + step) % 4000, steps)"
    number = "intDiv(first_step, 1000)" if seq is None else str(seq)
    return (
        "INSERT INTO landing_metric (run_id, rank, attempt, seq, frames) SELECT "
        "toUUID(concat(leftPad(lower(hex(toUInt32(run))), 8, '0'), '-0000-7000-8000-', "
        "leftPad(lower(hex(toUInt32(run))), 12, '0'))), 0, at, "
        f"{number}, [(false, steps, {times}, [{columns}])] "
        f"FROM (SELECT run, toInt64({attempt}) AS at, first_step, "
        f"arrayMap(n -> toInt64(first_step + n), range(toUInt32(count))) AS steps FROM ({messages}))"
    )


def _long_series(run: str, name: str, first_message: int, messages: int, gap: int, attempt: int) -> str:
    return (
        "INSERT INTO landing_metric (run_id, rank, attempt, seq, frames) SELECT "
        f"toUUID('{run}'), 0, {attempt}, message, [(false, steps, "
        f"arrayMap(step -> {attempt} + intDiv(step, {gap}) * 1000 + intHash64(step) % 500, steps), "
        f"[('{name}', arrayMap(step -> toFloat64(toFloat32(sin(step / 1e5) "
        f"+ (intHash64(step) % 1000003) / 1e7)), steps))])] FROM (SELECT {first_message} + number AS message, "
        f"arrayMap(n -> toInt64((message * {ROWS_A_MESSAGE} + n) * {gap}), range({ROWS_A_MESSAGE})) AS steps "
        f"FROM numbers({messages}))"
    )


def _run_events(runs: int, starts: list[int]) -> str:
    return (
        "INSERT INTO landing_run (run_id, rank, attempt, time, experiment, name, user, world_size, local_rank, node, "
        "job_id, host, pid, device, resume, start_step, crash_safe, code, packages, packages_hash, environment, "
        "command) SELECT "
        "toUUID(concat(leftPad(lower(hex(toUInt32(run))), 8, '0'), '-0000-7000-8000-', "
        f"leftPad(lower(hex(toUInt32(run))), 12, '0'))), 0, at + second * 3600000000, at + second * 3600000000, "
        "concat('experiment-', toString(run % 20)), concat('run-', toString(run)), 'me', 1, 0, 0, '', 'node', 1, "
        "'cpu', 'allow', NULL, true, ('', '', '', false, '', []), [], '', map(), [] "
        f"FROM (SELECT number AS run, toInt64({starts}[run % 4 + 1] + run * 1000) AS at, "
        f"arrayJoin(if(run % 5 = 0, [0, 1], [0])) AS second FROM numbers({runs}))"
    )
