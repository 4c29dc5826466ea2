"""A log directory with runs that are awkward in one way each."""

import json
import math
from pathlib import Path
from uuid import UUID

import support_events as events

OTTER = UUID("01935000-0000-7000-8000-00000a111111")
FOX = UUID("01935000-0000-7000-8000-00000b222222")
TWIN = UUID("01935000-0000-7000-8000-0001ccabcdef")
OTHER_TWIN = UUID("01935000-0000-7000-8000-0002ccabcdef")
LONG = UUID("01935000-0000-7000-8000-00000e555555")

NAMES = {
    OTTER: 'brave "otter"',
    FOX: "it's 🦊; DROP TABLE point --",
    TWIN: "twin",
    OTHER_TWIN: "twin",
    LONG: "long \x1b[31mred " + "x" * 300,
}
RATES = {OTTER: 0.1, FOX: 0.01, TWIN: 1.0, OTHER_TWIN: 2.0}
STEPS = 200
MANY = 5000
"""More runs than a terminal has lines."""


def loss(run_id: UUID, step: int) -> float:
    if run_id == FOX and step > 120:
        return math.nan
    return 5.0 if (run_id, step) == (OTTER, 77) else math.exp(-step * RATES[run_id] / 20)


def write(log: Path) -> None:
    for number, (run_id, name) in enumerate(NAMES.items()):
        attempt = events.ATTEMPT + number * 3_600_000_000
        put(log, "run", [events.run(run_id, attempt=attempt, name=name)])
        state = "failed" if run_id == FOX else "finished"
        error = "ValueError: \x1b]0;boo\x07 no" if run_id == FOX else ""
        columns = _columns(run_id)
        points = sum(len(values) for _, values in columns.values())
        put(log, "status", [_end(run_id, attempt, state, error, points)])
        if columns:
            frames = [
                events.frame(steps, [attempt + 1000 * (n + 1) for n in range(len(steps))], {metric: values})
                for metric, (steps, values) in columns.items()
            ]
            put(log, "metric", [events.metric(run_id, frames, attempt=attempt)])
        if run_id in RATES:
            put(log, "param", _params(run_id, attempt))
            put(log, "tag", [events.tag(run_id, "team", "vision" if run_id == OTTER else "speech", attempt=attempt)])
    put(log, "artifact", [events.artifact(OTTER, "model.pt", type="model", aliases=["best"], step=77)])


def write_many(log: Path) -> None:
    first = int(UUID("01935000-0000-7000-8000-000000000000"))
    runs = [
        events.run(UUID(int=first + number), attempt=events.ATTEMPT + number * 1_000_000, name=f"trial-{number}")
        for number in range(MANY)
    ]
    put(log, "run", runs)


def put(log: Path, event: str, records: list[events.Event]) -> None:
    first = records[0]
    path = log / event / f"{first['run_id']}.{first['rank']}.{first['attempt']}.0000.avro"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(events.container(event, records))


def _columns(run_id: UUID) -> dict[str, tuple[list[int], list[float]]]:
    if run_id == TWIN:
        return {"all/nan": (list(range(10)), [math.nan] * 10), "one": ([7], [0.5])}
    if run_id not in RATES:
        return {}
    steps = list(range(STEPS))
    return {
        "train/loss": (steps, [loss(run_id, step) for step in steps]),
        "val/accuracy": (steps[::10], [1 - math.exp(-step * RATES[run_id] / 20) for step in steps[::10]]),
    }


def _end(run_id: UUID, attempt: int, state: str, error: str, points: int) -> events.Event:
    return events.status(
        run_id,
        attempt=attempt,
        time=attempt + 60_000_000,
        state=state,
        error=error,
        final=True,
        last_step=STEPS - 1 if points else None,
        logged=points,
        queued=points,
        last_seq=0 if points else -1,
    )


def _params(run_id: UUID, attempt: int) -> list[events.Event]:
    rate = RATES[run_id]
    return [
        events.param(run_id, "lr", json.dumps(rate), kind="float", number=rate, attempt=attempt),
        events.param(run_id, "model.name", '"mlp"', attempt=attempt),
        events.param(run_id, "seed", '"007"', attempt=attempt),
    ]
