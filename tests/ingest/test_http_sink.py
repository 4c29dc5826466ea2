"""Log directory → a store on a server, over HTTP: what holds for the embedded store holds for it, whatever the network
and the server do.

The server is the engine behind a small HTTP front, which misbehaves on demand.
"""

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import failing_store
import ingest_support
import pytest
import refusals
import scripted
from http_stores import destination, settings_for, shown, to_landing
from ingest_support import batches, everything, segment_path, write_segment

from http_front.control import RunningFront, running
from runstream_ingest import connect
from runstream_ingest.deliver import FatalStoreError
from runstream_ingest.sink import HttpInserter
from runstream_ingest.store import open_store

pytest_plugins = ("http_front.fixture", "http_fixtures")

InEngine = Callable[..., Any]
METRIC = scripted.METRIC
BATCHES = scripted.BATCHES
PROBES = "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, 'probe_')"


@pytest.mark.usefixtures("over_http")
def test_a_history_shows_in_every_view_what_the_embedded_store_shows(
    tmp_path: Path, model: dict[str, list[str]]
) -> None:
    assert tasks.history_alone(tmp_path) == model


@pytest.mark.usefixtures("over_http")
def test_replaying_all_files_three_times_in_any_order_changes_no_view(
    tmp_path: Path, model: dict[str, list[str]]
) -> None:
    assert tasks.replayed_in_any_order(tmp_path, 1) == model


@pytest.mark.parametrize(
    "task",
    [tasks.zoo, tasks.deleted_space, refusals.reasons, refusals.among_neighbours],
    ids=lambda task: task.__name__,
)
def test_poison_and_deletions_end_as_they_do_in_the_embedded_store(
    in_engine: InEngine, tmp_path: Path, request: pytest.FixtureRequest, task: Callable[[Path], Any]
) -> None:
    (tmp_path / "embedded").mkdir()
    (tmp_path / "server").mkdir()
    embedded = in_engine(task, tmp_path / "embedded")
    request.getfixturevalue("over_http")
    assert task(tmp_path / "server") == embedded


@pytest.mark.usefixtures("over_http")
def test_a_failing_view_holds_everything_back_until_it_is_healed(tmp_path: Path) -> None:
    result = failing_store.failing_view(tmp_path)
    assert "keeps failing: Code: 395. DB::Exception" in result.pop("error")
    assert result == {
        "committed while failing": 0,
        "healed": 200,
        "second": [0, 1, 2, 3, 4],
        "points": 200,
        "letters": 0,
    }


@pytest.mark.usefixtures("over_http")
def test_a_second_load_reads_only_what_is_new(tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "log", "metric"), batches(4))
    assert tasks.load(tmp_path, tmp_path / "log")["messages"] == 4
    write_segment(segment_path(tmp_path / "log", "metric", number=1), batches(2, run_id=ingest_support.OTHER))
    assert tasks.load(tmp_path, tmp_path / "log")["messages"] == 2
    assert tasks.load(tmp_path, tmp_path / "log")["messages"] == 0


@pytest.mark.usefixtures("over_http")
def test_a_store_of_a_later_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    assert "upgrade it" in tasks.store_of_a_later_version(tmp_path)


PASSING = {
    "too many parts": {"kind": "refuse", "code": 252},
    "out of memory": {"kind": "refuse", "code": 241},
    "timeout of the server": {"kind": "refuse", "code": 159, "after_write": True},
    "too many queries": {"kind": "refuse", "code": 202},
    "table read-only for want of a keeper": {"kind": "refuse", "code": 242},
    "code that nobody knows": {"kind": "refuse", "code": 9876, "after_write": True},
    "data error of an intact batch": {"kind": "refuse", "code": 33},
    "proxy without a server": {"kind": "page", "code": 503},
    "proxy that wants smaller bodies": {"kind": "page", "code": 413},
    "login page": {"kind": "page", "code": 200},
    "redirect": {"kind": "redirect"},
    "exception after the status": {"kind": "late", "code": 241, "after_write": True},
    "answer cut off": {"kind": "cut", "after_write": True},
    "reset before the write": {"kind": "reset"},
    "reset after the write": {"kind": "reset", "after_write": True},
    "hang before the write": {"kind": "hang"},
    "hang after the write": {"kind": "hang", "after_write": True},
}


@pytest.fixture(scope="module")
def undisturbed(front_process: RunningFront, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What every view shows of the batches, sent once."""
    with open_store(settings_for(front_process.store_url(), tmp_path_factory.mktemp("undisturbed"))) as store:
        store.destination().inserter.insert("landing_metric", METRIC, BATCHES)
        return everything(store)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_after_a_passing_fault_the_identical_batch_is_sent_again_and_counts_once(
    front: RunningFront,
    url: str,
    tmp_path: Path,
    bench: Any,
    undisturbed: dict[str, list[str]],
    fault: dict[str, Any],
) -> None:
    front.fail(**fault, times=2)
    place = destination(url, timeout_s=0.5 if fault["kind"] == "hang" else 60.0)
    delivered = bench.delivery.deliver(scripted.batch(BATCHES), place)
    place.close()
    assert delivered.letters == []
    assert len(bench.clock.waits) == 2
    came = to_landing(front)
    # Neither the client nor anything below it repeats a request by itself.
    assert [seen["outcome"].split()[0] for seen in came] == [fault["kind"], fault["kind"], "stored"]
    assert len({seen["digest"] for seen in came}) == 1
    assert shown(url, tmp_path) == undisturbed


@pytest.mark.parametrize("code", [16, 60, 81, 115, 164, 452, 497, 516])
def test_wrong_rights_or_tables_stop_the_worker_and_name_the_reason(
    front: RunningFront, url: str, bench: Any, code: int
) -> None:
    front.refuse(code, text="ada may not do that")
    place = destination(url)
    with pytest.raises(FatalStoreError, match="ada may not do that"):
        bench.delivery.deliver(scripted.batch(BATCHES), place)
    place.close()
    assert len(to_landing(front)) == 1
    assert bench.clock.waits == []


def test_a_profile_that_fixes_a_setting_stops_the_worker_and_names_it(
    front: RunningFront, url: str, bench: Any
) -> None:
    front.readonly(True)
    place = destination(url)
    with pytest.raises(FatalStoreError, match=r"async_insert is readonly.* let the user"):
        bench.delivery.deliver(scripted.batch(BATCHES), place)
    place.close()
    assert to_landing(front) == []


@pytest.mark.parametrize("table", ["^dead_letter$", "^probe_"])
def test_a_fault_while_poison_is_put_aside_blames_nobody_else(
    front: RunningFront, url: str, tmp_path: Path, bench: Any, table: str
) -> None:
    bad = ingest_support.datum("metric", ingest_support.batch_record(9) | {"attempt": 5})
    front.refuse(241, table=table, times=2)
    place = destination(url)
    delivered = bench.delivery.deliver(scripted.batch([*BATCHES, bad]), place)
    place.close()
    assert [bench.directory.datum(letter) for letter in delivered.letters] == [bad]
    assert len(bench.clock.waits) == 2
    with open_store(settings_for(url, tmp_path)) as store:
        assert store.client.query("SELECT count() FROM points").result_rows == [(len(BATCHES) * 4,)]
        assert store.client.query("SELECT error_code FROM dead_letter FINAL").result_rows == [(469,)]
        assert store.client.query(PROBES).result_rows == []


def test_a_server_that_comes_back_gets_the_batch(tmp_path: Path, bench: Any) -> None:
    """Killed while a worker delivers, and started again at the same port while the worker waits."""
    with running(tmp_path / "store") as first:
        url = first.store_url("here")
        with open_store(settings_for(url, tmp_path)):
            pass
        place = destination(url)
    again = running(tmp_path / "store", "--port", url.split(":")[2].split("/")[0])
    tried: list[RunningFront] = []

    def start() -> None:
        if not tried:
            tried.append(again.__enter__())

    bench.clock.on_wait = start
    try:
        bench.delivery.deliver(scripted.batch(BATCHES), place)
        assert len(bench.clock.waits) == 1
        with open_store(settings_for(url, tmp_path)) as store:
            assert store.client.query("SELECT count() FROM points").result_rows == [(len(BATCHES) * 4,)]
    finally:
        place.close()
        again.__exit__(None, None, None)


def test_a_server_that_takes_its_time_with_a_large_batch_is_waited_for(
    front: RunningFront, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer to read than it may take to connect."""
    monkeypatch.setattr(connect, "CONNECT_TIMEOUT_S", 1)
    inserter = HttpInserter(connect.server(url)())
    front.fail("hold")
    failed: list[Exception] = []

    def insert() -> None:
        try:
            inserter.insert("landing_metric", METRIC, batches(40, rows=20_000))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=insert)
    thread.start()
    front.inserts(holding=1)
    # Time is what this is about: the sending blocks for longer than it takes to give up on a connection.
    thread.join(1.5)
    front.release()
    thread.join()
    inserter.close()
    assert failed == []
    assert to_landing(front)[0]["bytes"] > 16_000_000


def test_a_large_batch_is_streamed_and_never_held_twice(url: str) -> None:
    datums = batches(40, rows=20_000)
    batch_bytes = sum(map(len, datums))
    assert batch_bytes > 16_000_000
    inserter = HttpInserter(connect.server(url)())
    inserter.insert("landing_metric", METRIC, datums[:1])
    tracemalloc.start()
    try:
        inserter.insert("landing_metric", METRIC, datums)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    inserter.close()
    assert peak < batch_bytes / 4


NEEDED = {
    # The answer comes when the batch is stored, and not before.
    "async_insert": "0",
    # Replicated tables would take a batch that is sent again for a copy, and leave it half written.
    "deduplicate_insert": "disable",
    # One block, so one part for each table.
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "0",
    "max_insert_block_size": "1000000000",
}


def test_a_batch_goes_over_one_connection_with_the_settings_that_make_it_one_block(
    front: RunningFront, url: str
) -> None:
    inserter = HttpInserter(connect.server(url)())
    for _ in range(3):
        inserter.insert("landing_metric", METRIC, BATCHES)
    inserter.close()
    came = to_landing(front, 3)
    assert len({seen["connection"] for seen in came}) == 1
    for seen in came:
        assert seen["settings"].items() >= NEEDED.items()
        assert seen["encoding"] == ""
