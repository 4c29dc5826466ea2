"""Runs of which something is odd, one of each kind, with what is known of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import support_events as events
from runstream_schemas.limits import MAX_METRIC_NAME_BYTES, MAX_PARAM_BYTES
from support_events import ATTEMPT, Event

SECOND = 1_000_000
"""µs."""
HOUR = 3600 * SECOND
NOW = ATTEMPT + 30 * 24 * HOUR
"""The moment of the newest event, by which the store tells who still runs."""

NASTY = "it's \\ \"q\" `b` ${x} %27 α🚀\n\t' OR 1=1 --\\"
LOSS = "train/loss"
RANKS = 4
RANK_STEPS = 100
LONG_KEY = 512
"""Characters of a key of a tag or a param, to which the producer cuts it."""
LONG_TAG = 16 * 1024
"""Characters of a tag's value, to which the producer cuts it."""
LONG_TEXT = MAX_PARAM_BYTES - 2
"""Bytes of a param's text, to which the producer cuts its JSON."""
LONG_NAME = 10_000
"""Characters: the producer sets no limit to these names."""


@dataclass(frozen=True)
class Odd:
    """A run to choose on a page, with a metric."""

    name: str
    run_id: UUID
    metric: str = LOSS

    def __str__(self) -> str:
        return self.name[:20].encode("ascii", "replace").decode()


YOUNG = Odd("first second", UUID(int=1))
POINT = Odd("one point", UUID(int=2))
NAN = Odd("only NaN", UUID(int=3))
OTHER = Odd("another metric", UUID(int=4))
LONG = Odd("long " + "n" * LONG_NAME, UUID(int=5), "m" * MAX_METRIC_NAME_BYTES)
QUOTED = Odd(NASTY, UUID(int=6), NASTY)
SKEWED = Odd("skewed clocks", UUID(int=7), "time/step_ms")
UNKNOWN = Odd("known by metrics alone", UUID(int=8))
DELETED = Odd("deleted-run", UUID(int=0xDE1E7ED), "deleted/loss")
ODD = (YOUNG, POINT, NAN, OTHER, LONG, QUOTED, SKEWED, UNKNOWN, DELETED)

DELETED_VALUE = 424242.0
DELETED_TEXTS = ("deleted", str(DELETED.run_id), "424242")
"""Whatever shows one of these shows the deleted run."""
NAN_FROM = 3
"""Step of the first NaN."""


def fill(client: Any) -> None:
    """One run of each kind."""
    for run, values, first_step in (
        (POINT, [0.5], 0),
        (NAN, [math.nan] * 5, NAN_FROM),
        (LONG, [1.0, 2.0, 3.0], 0),
        (QUOTED, [1.0, 2.0, 3.0], 0),
        (DELETED, [DELETED_VALUE, math.nan, DELETED_VALUE], 0),
    ):
        _put(client, run, {run.metric: values}, first_step)
    _put(client, OTHER, {"other/metric": [7.0, 8.0]}, 0)
    _told(client, LONG, "k" * LONG_KEY, "t" * LONG_TAG, "v" * LONG_TEXT, "l" * LONG_NAME)
    _told(client, QUOTED, NASTY, NASTY, NASTY, NASTY)
    _told(client, DELETED, "deleted_key", "deleted_tag", "deleted_text", "deleted_artifact")
    for rank in range(RANKS):
        _skewed(client, rank)
    events.insert(client, "metric", [_curve(UNKNOWN, {LOSS: [1.0, 2.0]}, 0)])
    events.insert(client, "run", [_begun(YOUNG, attempt=NOW)])
    events.insert(client, "status", [events.status(YOUNG.run_id, attempt=NOW, time=NOW)])
    events.insert(client, "tag", [events.deletion(DELETED.run_id, NOW)])


def _put(client: Any, run: Odd, columns: dict[str, Sequence[float]], first_step: int) -> None:
    """A run of one rank that began, logged and finished."""
    events.insert(client, "run", [_begun(run)])
    events.insert(client, "metric", [_curve(run, columns, first_step)])
    events.insert(client, "status", [_finished(run)])


def _begun(run: Odd, *, rank: int = 0, attempt: int = ATTEMPT, **fields: Any) -> Event:
    names = {"experiment": run.name, "name": run.name, "user": run.name} if rank == 0 else {}
    return events.run(run.run_id, rank=rank, attempt=attempt, **names, **fields)


def _finished(run: Odd, *, rank: int = 0, attempt: int = ATTEMPT) -> Event:
    end = attempt + 60 * SECOND
    return events.status(run.run_id, rank=rank, attempt=attempt, time=end, state="finished", final=True)


def _curve(
    run: Odd, columns: dict[str, Sequence[float]], first_step: int, *, rank: int = 0, attempt: int = ATTEMPT
) -> Event:
    steps = [first_step + place for place in range(len(next(iter(columns.values()))))]
    times = [attempt + (place + 1) * SECOND // 4 for place in range(len(steps))]
    return events.metric(run.run_id, [events.frame(steps, times, columns)], rank=rank, attempt=attempt)


def _told(client: Any, run: Odd, key: str, tag: str, text: str, artifact: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
    params = [events.param(run.run_id, key, quoted)]
    params.append(events.param(run.run_id, key[:-1] + "n", "3", kind="int", number=3.0))
    events.insert(client, "param", params)
    events.insert(client, "tag", [events.tag(run.run_id, key, tag)])
    events.insert(client, "artifact", [events.artifact(run.run_id, artifact, type="model", aliases=[tag, "best"])])


def _skewed(client: Any, rank: int) -> None:
    """The same steps at the same time, by clocks of which each is three hours behind the one before."""
    attempt = ATTEMPT + (RANKS - rank) * 3 * HOUR
    columns = {SKEWED.metric: [100.0 + rank] * RANK_STEPS}
    events.insert(client, "run", [_begun(SKEWED, rank=rank, attempt=attempt, world_size=RANKS)])
    events.insert(client, "metric", [_curve(SKEWED, columns, 0, rank=rank, attempt=attempt)])
    events.insert(client, "status", [_finished(SKEWED, rank=rank, attempt=attempt)])
