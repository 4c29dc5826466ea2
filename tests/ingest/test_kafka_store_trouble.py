"""A worker on a real broker whose store is away, hung or wrong: it keeps its place in the group and loses nothing."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import engine_tasks
import failing_store
import kafka_tasks
import pytest
from http_stores import settings_for
from ingest_support import RUN, batch_record
from kafka_worker import QUICK, RunningWorker, ask, committed, letters, members, stored_seqs, until
from worker_process import WORKER

from broker.kafka import Cluster
from http_front.control import RunningFront, running
from runstream_ingest.store import open_store
from runstream_schemas.exit_codes import ExitCode

pytest_plugins = ("http_front.fixture", "http_fixtures")

BATCHES = 6
TROUBLES = {
    "too many parts": {"kind": "refuse", "code": 252},
    "out of memory": {"kind": "refuse", "code": 241},
    "timeout": {"kind": "refuse", "code": 159},
    "a table is read-only for a while": {"kind": "refuse", "code": 242},
    "unavailable": {"kind": "page", "code": 503},
    "reset after the write": {"kind": "reset", "after_write": True},
    "cut answer": {"kind": "cut", "after_write": True},
}


def environment(tmp_path: Path, broker: Cluster, prefix: str, store: str, **more: str) -> dict[str, str]:
    own = {"RUNSTREAM_STORE": store, "RUNSTREAM_KAFKA_OPTIONS": QUICK}
    return kafka_tasks.worker_environment(tmp_path, broker.url, prefix, **own, **more)


def send(broker: Cluster, prefix: str, *seqs: int) -> None:
    kafka_tasks.produce(broker.url, prefix, {"metric": [batch_record(seq, rows=2) for seq in seqs]})


def test_trouble_of_the_store_is_waited_out_and_everything_is_stored_once(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    environ = environment(tmp_path, broker, prefix, url, RUNSTREAM_INGEST_BATCH_AGE_S="0.05")
    with RunningWorker(environ) as worker:
        for number, fault in enumerate(TROUBLES.values()):
            front.fail(times=2, **fault)
            send(broker, prefix, number)
            until(lambda number=number: worker.metric("messages_total", outcome="stored") == number + 1)
            assert worker.metric("retries_total") == 2 * (number + 1)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == len(TROUBLES))
        assert worker.metric("retries_total", code="252") == 2
        assert worker.metric("messages_total", outcome="dead") == 0
        assert worker.stop() == 0
    assert stored_seqs(url, tmp_path) == [(str(RUN), 0, seq) for seq in range(len(TROUBLES))]
    assert ask(url, tmp_path, "SELECT count() FROM points") == [(4 * len(TROUBLES),)]
    assert letters(broker, prefix) == []


def test_a_worker_whose_store_hangs_stays_in_its_group_and_says_so_and_goes_on_when_it_is_back(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    # Longer without a poll than this, and the worker would be thrown out before it tells of the trouble.
    options = f"{QUICK},max.poll.interval.ms=2000"
    environ = environment(tmp_path, broker, prefix, url, RUNSTREAM_INGEST_STALL_S="6")
    with RunningWorker(environ | {"RUNSTREAM_KAFKA_OPTIONS": options}) as worker:
        until(lambda: worker.health()[0] == 200)
        front.fail("hold", table="^landing_metric$", times=2)
        for number in range(2):
            send(broker, prefix, number)
            front.inserts(holding=number + 1)
        # No thread is left to insert this one, so reading stops.
        send(broker, prefix, 2)
        status, text = until(lambda: worker.health() if worker.health()[0] == 503 else None)
        assert "are not stored yet" in text, status
        assert worker.metric("rebalances_total") == 1
        assert members(broker, prefix) == [6]
        assert committed(broker, prefix).get(("metric", 0), 0) <= 0
        front.release()
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 3)
        until(lambda: worker.health()[0] == 200)
        assert worker.stop() == 0
    assert [seq for _, _, seq in stored_seqs(url, tmp_path)] == [0, 1, 2]
    assert not [line for line in worker.lines() if "answers" in line["message"]]


def test_an_insert_that_is_never_answered_is_sent_again_after_its_time_and_counts_once(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    hasty = "import runstream_ingest.connect as c; c.server.__kwdefaults__['timeout_s'] = 2; " + WORKER
    with RunningWorker(environment(tmp_path, broker, prefix, url), code=hasty) as worker:
        until(lambda: worker.health()[0] == 200)
        front.fail("hold", table="^landing_metric$")
        send(broker, prefix, 0)
        front.inserts(holding=1)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 1)
        assert worker.metric("retries_total") == 1
        # Now the first one is done after all.
        front.release()
        assert worker.stop() == 0
    assert stored_seqs(url, tmp_path) == [(str(RUN), 0, 0)]


def test_a_store_that_keeps_failing_is_named_in_the_log(
    broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    front.refuse(252, times=1000, text="Too many parts (3000)")
    with RunningWorker(environment(tmp_path, broker, prefix, url)) as worker:
        send(broker, prefix, 0)
        line = worker.wait_for_words("Too many parts")
        assert (line["level"], "trying again in" in line["message"]) == ("warning", True)
        assert worker.stop() == 0, "a stop does not wait for a store that fails"
    assert committed(broker, prefix).get(("metric", 0), 0) <= 0


def test_a_view_that_throws_holds_the_position_until_it_is_mended(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    with open_store(settings_for(url, tmp_path)) as store:
        store.client.command("CREATE TABLE second (run_id UUID, seq Int64) ENGINE = MergeTree ORDER BY (run_id, seq)")
        view = "SELECT toUUID(run_id) AS run_id, seq + throwIf(seq = 1, 'scripted') AS seq FROM landing_metric"
        store.client.command(f"CREATE MATERIALIZED VIEW second_from_landing TO second AS {view}")
        with RunningWorker(environment(tmp_path, broker, prefix, url)) as worker:
            send(broker, prefix, 0)
            until(lambda: committed(broker, prefix).get(("metric", 0)) == 1)
            send(broker, prefix, 1, 2)
            until(lambda: worker.metric("retries_total", code="395") >= 3)
            assert committed(broker, prefix)["metric", 0] == 1
            store.client.command("ALTER TABLE second_from_landing MODIFY QUERY " + view.replace("= 1", "= -1"))
            until(lambda: committed(broker, prefix).get(("metric", 0)) == 3)
            assert worker.stop() == 0
    assert ask(url, tmp_path, "SELECT DISTINCT seq FROM second ORDER BY seq") == [(0,), (1,), (2,)]
    assert [seq for _, _, seq in stored_seqs(url, tmp_path)] == [0, 1, 2]
    assert letters(broker, prefix) == []


def test_an_embedded_store_that_fails_is_given_back_and_what_was_read_is_read_again(
    broker: Cluster, prefix: str, tmp_path: Path, in_engine: Callable[..., Any]
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    in_engine(failing_store.broken, tmp_path)
    send(broker, prefix, *range(5))
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, RUNSTREAM_KAFKA_OPTIONS=QUICK)
    hasty = "import runstream_ingest.worker as w; w.SAY_TROUBLE_AFTER_S = 0.3; " + WORKER
    with RunningWorker(environ, code=hasty) as worker:
        line = worker.wait_for_words("the store keeps failing")
        assert (line["level"], "trying again" in line["message"]) == ("warning", True)
        assert committed(broker, prefix).get(("metric", 0), 0) <= 0
        # It can be opened here only while the worker has given it back.
        in_engine(failing_store.mended, tmp_path)
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 5)
        assert worker.stop() == 0
    assert len(in_engine(engine_tasks.points_of, tmp_path)) == 5 * 4
    assert letters(broker, prefix) == []


@pytest.mark.parametrize("wrong", ["read-only", "no landing table"])
def test_a_store_that_only_a_person_can_mend_stops_the_worker_and_the_events_stay(
    wrong: str, broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    environ = environment(tmp_path, broker, prefix, url)
    with RunningWorker(environ) as worker:
        until(lambda: members(broker, prefix) == [6])
        if wrong == "read-only":
            front.readonly(True)
        else:
            ask(url, tmp_path, "SELECT 1")
            with open_store(settings_for(url, tmp_path)) as store:
                store.client.command("RENAME TABLE landing_metric TO elsewhere")
        send(broker, prefix, 0)
        assert worker.ended() == ExitCode.STORE_FAILED
        last = worker.lines()[-1]
        assert last["level"] == "error"
        assert ("readonly" in last["message"].lower()) or ("landing_metric" in last["message"]), last
    assert committed(broker, prefix).get(("metric", 0), 0) <= 0
    assert letters(broker, prefix) == []
    front.readonly(False)
    if wrong != "read-only":
        with open_store(settings_for(url, tmp_path)) as store:
            store.client.command("RENAME TABLE elsewhere TO landing_metric")
    done = kafka_tasks.drain(environ)
    assert done.returncode == 0, done.stderr
    assert stored_seqs(url, tmp_path) == [(str(RUN), 0, 0)]


UNFIT = {
    "a later version's": ("INSERT INTO schema_version (number, name) VALUES (9999, 'later')", "upgrade it"),
    "without a table": ("DELETE FROM schema_version WHERE name = 'point'", "readonly"),
}
"""What is done to the store, and what a worker that may only read then says of it."""


@pytest.mark.parametrize("wrong", UNFIT)
def test_a_worker_does_not_begin_with_a_store_that_only_a_person_can_mend(
    wrong: str, broker: Cluster, prefix: str, tmp_path: Path, url: str, front: RunningFront
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    done_to_it, says = UNFIT[wrong]
    with open_store(settings_for(url, tmp_path)) as store:
        store.client.command(done_to_it)
    front.readonly(True)
    with RunningWorker(environment(tmp_path, broker, prefix, url)) as worker:
        assert worker.ended() == ExitCode.STORE_FAILED
        assert says in worker.lines()[-1]["message"]


def test_a_worker_does_not_begin_without_the_password(
    broker: Cluster, prefix: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    with running(tmp_path_factory.mktemp("guarded"), "--user", "ada", "--password", "right") as guarded:
        store = guarded.store_url(account="ada:wrong")
        with RunningWorker(environment(tmp_path, broker, prefix, store)) as worker:
            assert worker.ended() == ExitCode.STORE_FAILED
            assert "check the user name and the password" in worker.lines()[-1]["message"]


def test_a_store_of_an_older_version_is_brought_up_to_date_by_the_worker(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix)
    with open_store(settings_for(url, tmp_path)) as store:
        store.client.command("DROP VIEW point_from_landing")
        store.client.command("DELETE FROM schema_version WHERE name = 'point'")
    send(broker, prefix, 0)
    assert kafka_tasks.drain(environment(tmp_path, broker, prefix, url)).returncode == 0
    assert ask(url, tmp_path, "SELECT count() FROM points") == [(4,)]


def test_a_stop_under_load_stores_and_commits_all_that_was_read(
    broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=2)
    records = [batch_record(seq, rows=2) | {"rank": rank} for seq in range(150) for rank in range(8)]
    environ = environment(tmp_path, broker, prefix, url, RUNSTREAM_INGEST_BATCH_AGE_S="0.05")
    with RunningWorker(environ) as worker:
        for begin in range(0, len(records), 100):
            kafka_tasks.produce(broker.url, prefix, {"metric": records[begin : begin + 100]})
            if begin == 300:
                until(lambda: worker.metric("messages_total", outcome="stored") > 0)
                assert worker.metric("latency_seconds_count") > 0
                assert worker.metric("rebalances_total") == 1
                worker.signal(signal.SIGTERM)
        assert worker.ended() == 0
        assert worker.lines()[-1]["message"] == "stopped"
        told = sum(line["events"] for line in worker.lines() if "events" in line)
    positions = committed(broker, prefix)
    assert sum(positions["metric", number] for number in range(2)) == told > 0
    assert len(stored_seqs(url, tmp_path)) == told
    done = kafka_tasks.drain(environ)
    assert done.returncode == 0, done.stderr
    assert len(stored_seqs(url, tmp_path)) == len(records)


def test_an_idle_worker_is_healthy_and_tells_its_lag(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    # An embedded store: most of the time the worker only looks whether there is anything.
    kafka_tasks.make_topics(broker.url, prefix)
    send(broker, prefix, 0)
    environ = kafka_tasks.worker_environment(tmp_path, broker.url, prefix, RUNSTREAM_INGEST_STALL_S="1")
    quick = "import runstream_ingest.sources.lag as l; l.EVERY_S = 0.1; " + WORKER
    with RunningWorker(environ, code=quick) as worker:
        until(lambda: committed(broker, prefix).get(("metric", 0)) == 1)
        until(lambda: f'lag_messages{{partition="0",topic="{prefix}.metric"}} 0.0' in worker.metrics())
        answers = {worker.health() for _ in every(0.05, for_s=2.0)}
        assert answers == {(200, "ok\n")}, "twice the time that makes a loop unhealthy which stands still"
        assert worker.stop() == 0


def every(pause_s: float, *, for_s: float) -> Iterator[None]:
    until_then = time.monotonic() + for_s
    while time.monotonic() < until_then:
        yield
        time.sleep(pause_s)
