"""Building log directories and reading everything that a store shows."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import support_events as events
from runstream_ingest import ocf
from runstream_ingest.findings import renew
from runstream_ingest.store import Store, load_new, open_store
from runstream_schemas import avro, settings
from runstream_schemas.settings import Settings

RUN = UUID("01935000-0000-7000-8000-000000000001")
OTHER = UUID("01935000-0000-7000-8000-000000000002")
VIEWS = ("runs", "params", "tags", "points", "metric_summary", "metric_summary_by_rank", "artifacts", "models")
VIEWS += ("attempts", "environment", "ledger", "diagnosis")
TABLES = ("rollup_16", "rollup_coarse", "series")
"""What charts are drawn from, besides the views."""


def settings_in(directory: Path) -> Settings:
    return settings.load(environ={}, cwd=directory, dir=directory / ".runstream")


def datum(event: str, record: dict[str, Any]) -> bytes:
    return avro.current(event).encode_datum(record)


def batch_record(seq: int, rows: int = 20, run_id: UUID = RUN, names: Sequence[str] = ("train/loss", "lr")) -> Any:
    steps = range(seq * rows, (seq + 1) * rows)
    times = [events.ATTEMPT + 1000 * step for step in steps]
    columns = {name: [float(step * 31 % 97) / 7 for step in steps] for name in names}
    return events.metric(run_id, [events.frame(steps, times, columns)], seq=seq)


def batches(count: int, rows: int = 20, run_id: UUID = RUN) -> list[bytes]:
    return [datum("metric", batch_record(seq, rows, run_id)) for seq in range(count)]


def segment_path(log: Path, event: str, run_id: UUID = RUN, number: int = 0) -> Path:
    path = log / event / f"{run_id}.0.{events.ATTEMPT}.{number:04d}.avro"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def segment(datums: Iterable[bytes], event: str = "metric", sync: bytes | None = None) -> bytes:
    return b"".join(ocf.wrap(datums, avro.current(event).text, sync or os.urandom(16)))


def write_segment(path: Path, datums: Iterable[bytes], event: str = "metric") -> Path:
    path.write_bytes(segment(datums, event))
    return path


def write_history(log: Path) -> None:
    """The history as a log directory."""
    for event, records in history().items():
        write_segment(segment_path(log, event), [datum(event, record) for record in records], event)


def history() -> dict[str, list[events.Event]]:
    """A small history with every kind of event, two runs, a resumed attempt, NaN, steps logged again, extremes that
    occur twice, a deletion, and older and newer events of one thing.
    """
    begin, later = events.ATTEMPT, events.ATTEMPT + 60_000_000
    times = [begin + 300_000 + number for number in range(4)]
    again = events.frame([5, 5, 5, 6], times, {"train/loss": [1.0, float("nan"), 96 / 7, -2.0]})
    resumed = events.metric(
        RUN,
        [events.frame([150, 151], [later + 1, later + 2], {"train/loss": [0.25, float("nan")]})],
        attempt=later,
    )
    return {
        "run": [events.run(RUN), events.run(RUN, attempt=later), events.run(OTHER, name="calm-crow")],
        "param": [
            events.param(RUN, "lr", '"0.3"'),
            events.param(RUN, "lr", '"0.1"', time=begin + 9),
            events.param(OTHER, "lr", '"0.2"'),
        ],
        "tag": [
            events.tag(RUN, "team", "audio"),
            events.tag(RUN, "team", "vision", time=begin + 9),
            events.deletion(OTHER, begin + 5),
        ],
        "artifact": [events.artifact(RUN, "model.pt", type="model", aliases=["best"])],
        "status": [
            events.status(RUN, attempt=later, state="finished", final=True, logged=2, queued=2, last_seq=0),
            events.status(RUN, time=begin + 9, logged=100, queued=80, last_seq=1),
            events.status(RUN, final=True, state="killed", logged=404, queued=404, last_seq=10),
        ],
        "metric": [
            *(batch_record(seq) for seq in range(10)),
            events.metric(RUN, [again], seq=10),
            resumed,
            *(batch_record(s, run_id=OTHER) for s in range(3)),
        ],
    }


def everything(store: Store) -> dict[str, list[str]]:
    """The rows of every public view and of the tables behind charts, comparable: sorted, as text."""
    return visible(store) | {table: _rows(store, f"{table} FINAL") for table in TABLES}


def visible(store: Store) -> dict[str, list[str]]:
    """The rows of every public view alone, some seconds after the last insert."""
    renew(store.client, 0)
    return {view: _rows(store, view) for view in VIEWS}


def _rows(store: Store, source: str) -> list[str]:
    return sorted(map(repr, store.client.query(f"SELECT * FROM {source}").result_rows))


def load_and_read(directory: Path, *logs: Path) -> dict[str, list[str]]:
    """Load log directories into the store of a directory; what it then shows."""
    with open_store(settings_in(directory)) as store:
        load_new(store, logs)
        return everything(store)
