"""A store of thousands of runs, made inside the engine: INSERT SELECT through the landing tables, a few points each.

A run begins every minute. Some have eight ranks, some have a NaN, some end badly, the newest still run.
"""

import time
from typing import Any

RUNS = 10_000
STEPS = 40
RANKS = 8
MANY_RANKS_EVERY = 500
"""Of so many runs one has RANKS ranks."""
NAN_EVERY = 97
STILL_RUN = 40
"""The newest."""
MINUTE = 60_000_000
"""µs."""
LIVED = 30 * MINUTE

BULK = {"max_block_size": 1_000_000_000, "min_insert_block_size_rows": 1_000_000_000, "min_insert_block_size_bytes": 0}
"""As the worker inserts: one part a table."""

ID = "toUUID(concat(leftPad(lower(hex(toUInt32(n))), 8, '0'), '-0000-7000-8000-', leftPad('', 12, '0')))"
LOSS = "exp(-step / 20) + 0.01 * (n % 100) + 0.001 * rank"


def fill(client: Any) -> None:
    """All runs with their events. Alerts ask for what is recent, so the newest begins now."""
    # Heartbeats lie ahead: no test is long enough for a live run to become a lost one.
    for sql in _inserts(end=time.time_ns() // 1000 + 2 * LIVED):
        client.command(sql, settings=BULK)


def run_id(number: int) -> str:
    """The run of that number, from 0."""
    return f"{number:08x}-0000-7000-8000-000000000000"


def _inserts(end: int) -> tuple[str, ...]:
    begun = f"{end - 2 * LIVED} - ({RUNS} - n) * {MINUTE} AS attempt"
    until = f"n >= {RUNS - STILL_RUN} AS alive, if(alive, {end}, attempt + {LIVED}) AS until"
    each_run = f"(SELECT number AS n, {ID} AS run_id, 0 AS rank, {begun} FROM numbers({RUNS}))"
    ranks = f"arrayJoin(range(if(n % {MANY_RANKS_EVERY} = 0, {RANKS}, 1))) AS rank"
    each_rank = f"(SELECT number AS n, {ID} AS run_id, {ranks}, {begun}, {until} FROM numbers({RUNS}))"
    return (
        f"""
        INSERT INTO landing_run (run_id, rank, attempt, time, experiment, name, user, world_size, local_rank, node,
            host, device, resume, crash_safe, code)
        SELECT run_id, rank, attempt, attempt, concat('experiment-', toString(n % 20)), concat('run-', toString(n)),
            concat('user-', toString(n % 300)), if(n % {MANY_RANKS_EVERY} = 0, {RANKS}, 1), rank, 0, 'node', 'cuda:0',
            'allow', true, ('c0ffee', 'main', '', false, '', [])
        FROM {each_rank}
        """,
        f"""
        INSERT INTO landing_metric (run_id, rank, attempt, seq, frames)
        SELECT run_id, rank, attempt, 0, [(false, steps,
            arrayMap(step -> attempt + intDiv((step + 1) * (until - attempt), {STEPS}), steps), [
            ('train/loss', arrayMap(step -> if(n % {NAN_EVERY} = 5 AND step >= 30, nan, {LOSS}), steps)),
            ('val/loss', arrayMap(step -> {LOSS} + if(n % 7 = 3, step / 40, 0), steps)),
            ('val/accuracy', arrayMap(step -> step / {STEPS} - 0.001 * (n % 100), steps)),
            ('time/step_ms', arrayMap(step -> 100. + 50 * (rank = 3), steps)),
            ('system/gpu.0.utilization', arrayMap(step -> 1. * (n % 100), steps))])]
        FROM (SELECT *, arrayMap(x -> toInt64(x), range({STEPS})) AS steps FROM {each_rank})
        """,
        f"""
        INSERT INTO landing_param (run_id, rank, attempt, time, key, kind, value, number)
        SELECT run_id, 0, attempt, attempt, tupleElement(said, 1), tupleElement(said, 2), tupleElement(said, 3),
            if(tupleElement(said, 2) = 'str', NULL, toFloat64OrNull(tupleElement(said, 3)))
        FROM {each_run} ARRAY JOIN [
            ('lr', 'float', toString(0.0001 + n / 1e6)), ('batch_size', 'int', toString(exp2(n % 6))),
            ('seed', 'int', toString(n % 5)), ('optimizer', 'str', if(n % 2 = 0, '"adam"', '"sgd"')),
            ('depth', 'int', toString(n % 48)), ('note', 'str', concat('"note ', toString(n), '"'))] AS said
        """,
        f"""
        INSERT INTO landing_tag (run_id, rank, attempt, time, key, value)
        SELECT run_id, 0, attempt, attempt, 'team', concat('team-', toString(n % 30)) FROM {each_run}
        """,
        f"""
        INSERT INTO landing_status (run_id, rank, attempt, time, state, final, last_step, error, logged, queued,
            dropped, last_seq, crash_safe)
        SELECT run_id, rank, attempt, until,
            if(alive, 'running', ['finished', 'finished', 'finished', 'failed', 'killed', 'running'][n % 6 + 1]) AS s,
            s != 'running', {STEPS - 1}, '', {5 * STEPS}, {5 * STEPS}, map(), 0, true
        FROM {each_rank}
        """,
    )
