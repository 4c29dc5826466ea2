"""What tests run in the process that owns the engine; module-level, so that it can be sent there."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from ingest_support import (
    OTHER,
    RUN,
    batch_record,
    batches,
    datum,
    load_and_read,
    segment_path,
    settings_in,
    visible,
    write_history,
    write_segment,
)

import support_events as events
from runstream_ingest import connect, ocf
from runstream_ingest.dead_letters import DeadLetterDirectory
from runstream_ingest.free import free_deleted
from runstream_ingest.migrate import NewerStore
from runstream_ingest.poison import Poisoned
from runstream_ingest.store import StoreFailed, load_new, open_store

Rows = dict[str, list[str]]


def history_alone(directory: Path) -> Rows:
    """The model: a history loaded once into an empty store."""
    write_history(directory / "log")
    return load_and_read(directory, directory / "log")


def points_of(directory: Path) -> list[tuple[Any, ...]]:
    with open_store(settings_in(directory)) as store:
        return sorted(
            store.client.query("SELECT metric, toString(run_id), rank, attempt, step, value FROM points").result_rows
        )


def load(directory: Path, *logs: Path) -> dict[str, int]:
    with open_store(settings_in(directory)) as store:
        loaded = load_new(store, logs)
    return {
        "messages": loaded.messages,
        "points": loaded.points,
        "dead": loaded.dead_letters,
        "notices": len(loaded.notices),
    }


def replayed_in_any_order(directory: Path, seed: int) -> Rows:
    """All events three times, in other files, in another order each time."""
    shuffler = random.Random(seed)
    write_history(directory / "log")
    logs = []
    for copy in range(3):
        log = directory / f"copy{copy}"
        paths = sorted((directory / "log").glob("*/*.avro"))
        shuffler.shuffle(paths)
        for number, path in enumerate(paths):
            data = path.read_bytes()
            header = ocf.parse_header(data)
            assert header is not None
            blocks = [p.data for p in ocf.scan(data[header.size :], header.sync).parts if isinstance(p, ocf.Block)]
            shuffler.shuffle(blocks)
            write_segment(segment_path(log, path.parent.name, number=number), blocks, path.parent.name)
        logs.append(log)
    for log in logs:
        load(directory, log)
    return load_and_read(directory, *logs)


def zoo(directory: Path) -> dict[str, Any]:
    """Each kind of bad event between good neighbours."""
    good = batches(12)
    short = batch_record(20)
    short["frames"][0]["columns"][0]["values"].pop()
    decreasing = batch_record(21)
    decreasing["frames"][0]["steps"].reverse()
    ancient = batch_record(22) | {"attempt": 5}
    nobody = batch_record(23) | {"run_id": "x" * 36}
    bad = {
        "truncated": good[0][:-3],
        "trailing bytes": good[1] + b"\0\0",
        "short array": datum("metric", short),
        "bad UTF-8": good[2].replace(b"\x04lr", b"\x04l\xff"),
        "empty": b"",
        "decreasing steps": datum("metric", decreasing),
        "no UUID": datum("metric", nobody),
        "impossible attempt": datum("metric", ancient),
    }
    mixed = [message for pair in zip(good, bad.values(), strict=False) for message in pair] + good[len(bad) :]
    path = write_segment(segment_path(directory / "log", "metric"), mixed)
    bad_tag = datum("tag", events.tag(RUN, "runstream.deleted", "soon"))
    write_segment(segment_path(directory / "log", "tag"), [datum("tag", events.tag(RUN, "a", "b")), bad_tag], "tag")
    damaged = segment_path(directory / "log", "metric", OTHER)
    data = bytearray(write_segment(damaged, batches(3, run_id=OTHER)).read_bytes())
    at = data.index(batches(3, run_id=OTHER)[1]) - 2
    data[at : at + 2] = b"\xff\xff"
    damaged.write_bytes(data)
    (directory / "log" / "metric" / "notes.txt").write_text("not a segment")
    path.with_name("foreign.avro").write_bytes(b"not Avro")
    counts = load(directory, directory / "log")
    again = load(directory, directory / "log")
    letters = DeadLetterDirectory(settings_in(directory).dead_letter_dir)
    kept = {letters.datum(letter): letter.error for letter in letters.letters()}
    with open_store(settings_in(directory)) as store:
        stored = store.client.query("SELECT toString(run_id), seq FROM batch FINAL ORDER BY run_id, seq").result_rows
        rows = store.client.query("SELECT count() FROM dead_letter FINAL").result_rows[0][0]
        leftovers = store.client.query("SELECT name FROM system.tables WHERE name LIKE 'probe%'").result_rows
        tags = store.client.query("SELECT key FROM tags").result_rows
    return {
        "counts": counts,
        "again": again,
        "missing": [name for name, message in bad.items() if message not in kept],
        "bad tag kept": bad_tag in kept,
        "kept": len(kept),
        "rows": rows,
        "stored": stored,
        "leftovers": leftovers,
        "tags": tags,
    }


def flood(directory: Path) -> dict[str, Any]:
    records = [batch_record(seq, rows=1) | {"attempt": 5} for seq in range(400)]
    write_segment(segment_path(directory / "log", "metric"), [datum("metric", record) for record in records])
    try:
        load(directory, directory / "log")
        error = ""
    except Poisoned as poisoned:
        error = str(poisoned)
    letters = DeadLetterDirectory(settings_in(directory).dead_letter_dir)
    with open_store(settings_in(directory)) as store:
        positions = store.client.query("SELECT count() FROM log_position").result_rows[0][0]
    return {"error": error, "letters": len(list(letters.letters())), "positions": positions}


def loosened(directory: Path) -> None:
    """The landing table of a later version, which takes longer names of metrics."""
    with open_store(settings_in(directory)) as store:
        query = "SELECT create_table_query FROM system.tables WHERE name = 'landing_metric'"
        create = store.client.query(query).result_rows[0][0]
        longer = create.replace("<= 1024", "<= 4096")
        assert longer != create
        store.client.command(longer.replace("CREATE TABLE", "CREATE OR REPLACE TABLE"))


def deleted_space(directory: Path) -> dict[str, Any]:
    write_history(directory / "log")
    with open_store(settings_in(directory)) as store:
        load_new(store, [directory / "log"])
        before = visible(store)
        other = f"SELECT count() FROM point WHERE run_id = '{OTHER}'"
        had = store.client.query(other).result_rows[0][0]
        runs = free_deleted(store.client)
        deadline = time.monotonic() + 20
        while store.client.query("SELECT count() FROM system.mutations WHERE NOT is_done").result_rows[0][0]:
            assert time.monotonic() < deadline
        has = store.client.query(other).result_rows[0][0]
        again = free_deleted(store.client)
        after = visible(store)
    return {"had": had, "runs": runs, "has": has, "again": again, "same": before == after}


def store_of_a_later_version(directory: Path) -> str:
    with open_store(settings_in(directory)) as store:
        store.client.command("INSERT INTO schema_version (number, name) VALUES (999999, 'later')")
    try:
        with open_store(settings_in(directory)):
            return ""
    except StoreFailed as error:
        assert isinstance(error.__cause__, NewerStore)
        return str(error)


def half_migrated(directory: Path) -> list[str]:
    """A store whose migration was cut off in the middle is completed at the next opening."""
    with open_store(settings_in(directory)) as store:
        store.client.command("DROP VIEW point_from_landing")
        store.client.command("DELETE FROM schema_version WHERE name = 'point'")
    with open_store(settings_in(directory)) as store:
        rows = store.client.query("SELECT name FROM system.tables WHERE name = 'point_from_landing'").result_rows
    return [row[0] for row in rows]


def prepared_store(directory: Path) -> None:
    with open_store(settings_in(directory)):
        pass


def store_without_tables(directory: Path) -> None:
    store_dir = settings_in(directory).store_dir
    assert store_dir is not None
    connect.embedded(store_dir)().close()


def table_directories(directory: Path) -> dict[str, str]:
    """The tables by the names of the directories that hold their parts."""
    with open_store(settings_in(directory)) as store:
        return dict(store.client.query("SELECT toString(uuid), name FROM system.tables").result_rows)


def recreated_store(directory: Path) -> tuple[int, int]:
    write_segment(segment_path(directory / "log", "metric"), batches(4))
    first = load(directory, directory / "log")["points"]
    shutil.rmtree(directory / ".runstream" / "store")
    return first, load(directory, directory / "log")["points"]


def store_at_a_bad_place(directory: Path) -> str:
    (directory / "file").write_text("")
    os.environ.pop("RUNSTREAM_STORE", None)
    from runstream_schemas import settings

    try:
        with open_store(settings.load(environ={}, cwd=directory, store=f"chdb:{directory}/file/store")):
            return ""
    except StoreFailed as error:
        return str(error)


def probe_of_a_killed_worker(directory: Path) -> tuple[int, int]:
    """Tables of a probe that nobody dropped, before and after the next opening."""
    query = "SELECT count() FROM system.tables WHERE startsWith(name, 'probe_')"
    with open_store(settings_in(directory)) as store:
        store.client.command("CREATE TABLE probe_1_landing_metric AS landing_metric ENGINE = Null")
        store.client.command("CREATE TABLE probe_1_batch AS batch ENGINE = Null")
        store.client.command(
            "CREATE MATERIALIZED VIEW probe_1_view TO probe_1_batch AS SELECT run_id, seq FROM probe_1_landing_metric"
        )
        before = store.client.query(query).result_rows[0][0]
    with open_store(settings_in(directory)) as store:
        return before, store.client.query(query).result_rows[0][0]
