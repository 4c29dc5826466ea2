"""One bad event for every way in which a landing table refuses one, and what a worker makes of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine_tasks import load
from ingest_support import RUN, batch_record, datum, segment_path, settings_in, write_segment

import support_events as events
from runstream_ingest import isolate
from runstream_ingest.dead_letters import DeadLetterDirectory
from runstream_ingest.errors import reason
from runstream_ingest.store import open_store
from runstream_schemas.avro import EVENT_NAMES, current

GARBLED = "~~"
"""Becomes bytes that are no UTF-8 in the encoded event."""

TEXTS = {
    "run": ("experiment", "name", "user", "job_id", "host", "device", "resume", "packages_hash"),
    "status": ("error",),
    "param": ("key", "value"),
    "tag": ("key", "value"),
    "artifact": ("name", "type", "uri", "sha256", "metadata", "error"),
}
LATE = 4_102_444_800_000_000


class Case(NamedTuple):
    event: str
    constraint: str
    datum: bytes


def good(event: str, number: int = 0) -> events.Event:
    made = {
        # Frames without a metric in common may share their moments.
        "metric": lambda: events.metric(
            RUN, batch_record(0)["frames"] + batch_record(0, names="ab")["frames"], seq=number
        ),
        "run": lambda: events.run(RUN, rank=number),
        "status": lambda: events.status(RUN, rank=number),
        "param": lambda: events.param(RUN, f"key{number}", '"x"'),
        "tag": lambda: events.tag(RUN, f"key{number}", "x"),
        "artifact": lambda: events.artifact(RUN, f"name{number}"),
    }
    return made[event]()


def cases() -> list[Case]:
    """Each breaks one constraint and no other."""
    found = [*_of_every_event(), *_of_metrics(), *_of_texts()]
    for event, field, value, constraint in (
        ("run", "world_size", -1, "world_size_not_negative"),
        ("status", "state", "dozing", "state_known"),
        ("param", "key", "", "key_not_empty"),
        ("param", "kind", "complex", "kind_known"),
        ("tag", "key", "", "key_not_empty"),
        ("artifact", "name", "", "name_not_empty"),
        ("artifact", "state", "lent", "state_known"),
        ("artifact", "size", -1, "size_not_negative"),
    ):
        found.append(_case(event, constraint, good(event) | {field: value}))
    found.append(_case("tag", "deletion_is_a_time", events.tag(RUN, "runstream.deleted", "soon")))
    return found


def reasons(directory: Path) -> dict[tuple[str, bytes], str]:
    """Why the store refuses each case, given to it alone."""
    found = {}
    with open_store(settings_in(directory)) as store:
        destination = store.destination()
        for event in EVENT_NAMES:
            with destination.probe(current(event)) as attempt:
                attempt([datum(event, good(event))])
                for case in cases():
                    if case.event == event:
                        (why,) = isolate.culprits([case.datum], attempt, limit=1).values()
                        found[event, case.datum] = reason(why)
        destination.close()
    return found


def among_neighbours(directory: Path) -> dict[str, Any]:
    """Load every case between good events: the dead letters' reasons, and the neighbours that arrived."""
    for event in EVENT_NAMES:
        mixed = [datum(event, good(event, 0))]
        for number, case in enumerate((case for case in cases() if case.event == event), start=1):
            mixed += [case.datum, datum(event, good(event, number))]
        write_segment(segment_path(directory / "log", event), mixed, event)
    counts = load(directory, directory / "log")
    letters = DeadLetterDirectory(settings_in(directory).dead_letter_dir)
    died = {(letter.event, letters.datum(letter)): letter.error for letter in letters.letters()}
    tables = {event: "batch" if event == "metric" else event for event in EVENT_NAMES}
    with open_store(settings_in(directory)) as store:
        arrived = {
            event: store.client.query(f"SELECT count() FROM {table} FINAL").result_rows[0][0]
            for event, table in tables.items()
        }
        rows = store.client.query("SELECT event, error FROM dead_letter FINAL").result_rows
    return {"counts": counts, "died": died, "arrived": arrived, "rows": rows}


def _case(event: str, constraint: str, record: events.Event) -> Case:
    return Case(event, constraint, datum(event, record).replace(GARBLED.encode(), b"\xfe\xff"))


def _of_every_event() -> Iterator[Case]:
    for event in EVENT_NAMES:
        yield _case(event, "rank_not_negative", good(event) | {"rank": -1})
        for attempt in (1_577_836_799_999_999, LATE):
            yield _case(event, "attempt_in_range", good(event) | {"attempt": attempt})
        if event != "metric":
            for time in (-1, LATE):
                yield _case(event, "time_in_range", good(event) | {"time": time})


def _of_metrics() -> Iterator[Case]:
    now = events.ATTEMPT
    frames = {
        "times_as_long_as_steps": [events.frame([1, 2], [now], {"a": [1.0, 2.0]})],
        "values_as_long_as_steps": [events.frame([1, 2], [now, now + 1], {"a": [1.0, 2.0], "b": [1.0]})],
        "times_in_range": [events.frame([1, 2], [now, LATE], {"a": [1.0, 2.0]})],
        "metric_name_utf8": [events.frame([1], [now], {GARBLED: [1.0]})],
        "point_once_in_a_batch": [
            events.frame([1], [now], {"a": [1.0], "b": [1.0]}),
            events.frame([1], [now], {"a": [2.0]}),
        ],
    }
    for steps, times in (
        ([2, 1], [now, now + 1]),
        ([1, 1], [now, now]),
        ([1, 1], [now + 1, now]),
        ([-5, 3, 3, 4], [now, now + 1, now + 1, now + 2]),
    ):
        rows = events.frame(steps, times, {"a": [float(step) for step in steps]})
        yield _case("metric", "rows_ascend_by_step_and_time", events.metric(RUN, [rows]))
    for name in ("", "n" * 1025):
        rows = events.frame([1], [now], {name: [1.0]})
        yield _case("metric", "metric_name_length", events.metric(RUN, [rows]))
    yield _case("metric", "seq_not_negative", good("metric") | {"seq": -1})
    twice = events.frame([1], [now], {"a": [1.0], "b": [1.0]})
    twice["columns"].append({"metric": "a", "values": [2.0]})
    yield _case("metric", "metric_once_in_a_frame", events.metric(RUN, [twice]))
    for constraint, some in frames.items():
        yield _case("metric", constraint, events.metric(RUN, some))


def _of_texts() -> Iterator[Case]:
    for event, fields in TEXTS.items():
        for field in fields:
            yield _case(event, "text_utf8", good(event) | {field: GARBLED})
    yield _case("status", "text_utf8", good("status") | {"dropped": {GARBLED: 1}})
    yield _case("artifact", "text_utf8", good("artifact") | {"aliases": ["best", GARBLED]})
    code = good("run")["code"]
    for field in ("commit", "branch", "remote", "diff"):
        yield _case("run", "code_utf8", good("run") | {"code": code | {field: GARBLED}})
    yield _case("run", "code_utf8", good("run") | {"code": code | {"untracked": [GARBLED]}})
    for field in ("packages", "command"):
        yield _case("run", "environment_utf8", good("run") | {field: [GARBLED]})
    for environment in ({GARBLED: "x"}, {"x": GARBLED}):
        yield _case("run", "environment_utf8", good("run") | {"environment": environment})
