"""A store that fails for a while: what a command and a worker do meanwhile. Run in the process that owns the engine."""

import fcntl
import threading
from pathlib import Path
from typing import Any

from engine_tasks import points_of
from ingest_support import batches, segment_path, settings_in, write_segment

import runstream_ingest.store as store_module
from runstream_ingest import follow
from runstream_ingest.clock import SystemClock
from runstream_ingest.dead_letters import DeadLetterDirectory
from runstream_ingest.loop import Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.store import Store, StoreFailed, load_new, open_store

BAD_VIEW = """
CREATE MATERIALIZED VIEW zz_second TO second AS SELECT seq, throwIf(seq = 3) = 0 AS ok FROM landing_metric
"""


def break_store(store: Store) -> None:
    """A second view throws while the first has written."""
    store.client.command("CREATE TABLE second (seq Int64, ok UInt8) ENGINE = MergeTree ORDER BY seq")
    store.client.command(BAD_VIEW)


def mend_store(store: Store) -> None:
    store.client.command("DROP VIEW zz_second")
    store.client.command("CREATE MATERIALIZED VIEW zz_second TO second AS SELECT seq, 1 AS ok FROM landing_metric")


def broken(directory: Path) -> None:
    """The store of a directory fails from now on for the batch with seq 3."""
    with open_store(settings_in(directory)) as store:
        break_store(store)


def mended(directory: Path) -> None:
    """It fails no more."""
    with open_store(settings_in(directory)) as store:
        mend_store(store)


def failing_view(directory: Path) -> dict[str, Any]:
    """A second view throws while the first has written; then it is mended."""
    write_segment(segment_path(directory / "log", "metric"), batches(5))
    with open_store(settings_in(directory)) as store:
        break_store(store)
        give_up, store_module.GIVE_UP_S = store_module.GIVE_UP_S, 0.3
        try:
            load_new(store, [directory / "log"])
            error = ""
        except StoreFailed as failure:
            error = str(failure)
        finally:
            store_module.GIVE_UP_S = give_up
        committed = store.client.query("SELECT count() FROM log_position").result_rows[0][0]
        mend_store(store)
        healed = load_new(store, [directory / "log"])
        second = store.client.query("SELECT DISTINCT seq FROM second ORDER BY seq").result_rows
    return {
        "error": error,
        "committed while failing": committed,
        "healed": healed.points,
        "second": [row[0] for row in second],
        "points": len(points_of(directory)),
        "letters": len(list(DeadLetterDirectory(settings_in(directory).dead_letter_dir).letters())),
    }


def followed_while_failing(directory: Path) -> dict[str, Any]:
    """A worker follows into a store that fails; when it says so, the store is opened here and mended."""
    write_segment(segment_path(directory / "log", "metric"), batches(5))
    broken(directory)
    stop = threading.Event()
    said: list[str] = []
    loads: list[int] = []

    def mend(trouble: str) -> None:
        said.append(trouble)
        with (directory / ".runstream" / "store.lock").open() as file:
            # Raises while anybody holds the store.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mended(directory)

    def loaded(result: Loaded) -> None:
        loads.append(result.points)
        stop.set()

    patience, follow.SAY_TROUBLE_AFTER_S = follow.SAY_TROUBLE_AFTER_S, 0.2
    try:
        follow.Follower(
            settings_in(directory),
            [directory / "log"],
            clock=SystemClock(),
            stop=stop,
            observer=Observer(),
            on_loaded=loaded,
            on_trouble=mend,
        ).run()
    finally:
        follow.SAY_TROUBLE_AFTER_S = patience
    return {"said": said, "loads": loads, "points": len(points_of(directory))}
