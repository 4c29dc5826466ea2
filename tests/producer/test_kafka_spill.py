"""What the broker does not take waits in the spill, and gets there later: by the same process or by `sync`."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import topics
from journals import RUN
from runs import start
from test_spoiled_places import needs_mounts, run_on_small_disk, said
from topics import settings_of, sync

from broker.fixtures import require_broker
from broker.kafka import Cluster
from runstream import shipper
from runstream.batches import Message
from runstream.sync import anything_waits, spilled_attempts, sync_spills
from runstream.transport import feed
from runstream.transport.segments import Damaged, count_points, read_segment
from runstream.transport.spill import Spill
from runstream_analytics.checks.data import check_spill
from runstream_schemas import avro

pytestmark = pytest.mark.usefixtures("own_topics")


def test_a_broker_that_is_dead_for_longer_than_the_delivery_timeout_gets_everything_when_it_is_back(
    own_broker: Cluster, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topics.make_topics(own_broker.url, prefix)
    (node,) = own_broker.nodes
    run = start(tmp_path, url=own_broker.url)
    run.log({"m": 0.0}, 0)
    topics.wait_until(lambda: topics.arrived(own_broker, prefix))
    own_broker.kill(node)
    run.log({"m": 1.0}, 1)
    topics.wait_until(lambda: topics.spilled(tmp_path))
    for step in range(2, 50_000):
        run.log({"m": float(step)}, step)
    topics.wait_until(lambda: sum(map(count_points, topics.spilled(tmp_path))) == 49_999)
    own_broker.start(node)
    run.log({"live": 1.0}, 0)
    topics.wait_until(lambda: not topics.spilled(tmp_path))
    assert run.finish(30)
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == list(range(50_000)) and topics.steps(found, "live") == [0]
    assert [end["queued"] for end in topics.ends(found)] == [50_001]
    assert not list((tmp_path / "spill").iterdir())
    texts = [record.getMessage() for record in caplog.records]
    assert len([text for text in texts if "what the broker does not take is kept in" in text]) == 1, texts


def test_a_journal_that_fills_up_before_a_silent_broker_is_emptied_into_the_spill(
    own_broker: Cluster, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNSTREAM_KAFKA_OPTIONS", "message.timeout.ms=300000")
    topics.make_topics(own_broker.url, prefix)
    (node,) = own_broker.nodes
    run = start(tmp_path, url=own_broker.url)
    own_broker.pause(node)
    logged = 0
    while not topics.spilled(tmp_path):
        for _ in range(2000):
            run.log({"m": float(logged), "n": 1.0}, logged)
            logged += 1
        run._attempt._wake()
        topics.wait_until(lambda: not run._attempt.writer.ring.is_half_full or topics.spilled(tmp_path))
    assert run.finish(timeout=0.2) is False
    own_broker.resume(node)
    assert run.finish(60)
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == list(range(logged))
    (end,) = topics.ends(found)
    assert (end["queued"], end["dropped"]) == (2 * logged, {})


def test_the_spill_of_a_killed_trainer_is_shipped_by_sync_and_that_of_a_living_one_left_alone(
    own_broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    body = """
        for step in range(30_000): run.log({"m": step}, step)
        print("logged", flush=True)
        time.sleep(100)
    """
    process = topics.trainer(tmp_path, own_broker.url, prefix, body, RUNSTREAM_KAFKA_OPTIONS=topics.QUICK)
    assert topics.line_of(process) == "logged"
    topics.wait_until(lambda: sum(map(count_points, topics.spilled(tmp_path))) == 30_000)
    assert [(found.outcome, found.path.parent.name) for found in sync(tmp_path)] == [
        ("in use", "journal"),
        ("in use", "spill"),
    ]
    assert len(spilled_attempts(settings_of(tmp_path))) == 1
    assert check_spill(settings_of(tmp_path)).detail == "1 in use, 0 left behind, 3 files"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert check_spill(settings_of(tmp_path)).fix == "runstream sync, once the broker is back"
    (failed,) = sync_spills(settings_of(tmp_path), timeout_s=0.5)
    assert failed.outcome == "failed" and "does not answer" in failed.error
    own_broker.start(node)
    own_broker.wait_until_ready()
    outcomes = {found.path.parent.name: (found.outcome, found.points) for found in sync(tmp_path)}
    assert outcomes == {"journal": ("shipped", 30_000), "spill": ("shipped", 30_000)}
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == list(range(30_000))
    assert [end["state"] for end in topics.ends(found)] == ["lost"]
    assert not anything_waits(settings_of(tmp_path)) and not list((tmp_path / "spill").iterdir())
    assert sync(tmp_path) == []


MOMENTS = {
    "while a message is spilled": ("Spill", "put", "before"),
    "when a message is spilled and the journal does not know it": ("Spill", "put", "after"),
    "when a segment is read": ("Feed", "_begin", "after"),
    "when a segment has arrived": ("Spill", "remove", "before"),
    "when a segment is removed": ("Spill", "remove", "after"),
}


def killing(moment: str) -> str:
    """A training process that ends at that moment."""
    owner, method, when = MOMENTS[moment]
    return f"""
        from runstream.transport.feed import Feed
        from runstream.transport.spill import Spill
        real, calls = {owner}.{method}, []
        def deadly(self, *arguments):
            calls.append(1)
            last = len(calls) > 1 and self.{"_segment" if owner == "Feed" else "_points"}
            if last and {when == "before"}: os.kill(os.getpid(), signal.SIGKILL)
            result = real(self, *arguments)
            if len(calls) > 1 and {when == "after"}: os.kill(os.getpid(), signal.SIGKILL)
            return result
        {owner}.{method} = deadly
        for step in range(100_000): run.log({{"m": step}}, step)
        print("logged", flush=True)
        time.sleep(60)
        """


@dataclass(frozen=True)
class Killed:
    """A process that was killed, and what it left."""

    directory: Path
    prefix: str
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, dict[str, Killed]]]:
    """A broker that is back, and a process killed at each moment; they meet one outage."""
    require_broker()
    with Cluster(tmp_path_factory.mktemp("broker") / "cluster") as cluster:
        (node,) = cluster.nodes
        made = {}
        for number in range(len(MOMENTS)):
            topics.make_topics(cluster.url, f"killed{number}")
        cluster.stop(node)
        for number, moment in enumerate(MOMENTS):
            prefix, directory = f"killed{number}", tmp_path_factory.mktemp("killed")
            own = {"RUNSTREAM_KAFKA_OPTIONS": topics.QUICK, "RUNSTREAM_JOURNAL_BYTES": "8000000"}
            process = topics.trainer(directory, cluster.url, prefix, killing(moment), **own)
            made[moment] = Killed(directory, prefix, process)
        for moment, one in made.items():
            assert topics.line_of(one.process) == "logged"
            if MOMENTS[moment][1] == "put":
                assert one.process.wait(60) == -signal.SIGKILL
            else:
                topics.wait_until(lambda one=one: sum(map(count_points, topics.spilled(one.directory))) == 100_000)
        cluster.start(node)
        cluster.wait_until_ready()
        for one in made.values():
            assert one.process.wait(60) == -signal.SIGKILL
        yield cluster, made


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_trainer_that_is_killed_at_any_moment_of_spilling_loses_nothing(
    killed: tuple[Cluster, dict[str, Killed]], moment: str
) -> None:
    cluster, one = killed[0], killed[1][moment]
    assert {found.outcome for found in sync(one.directory)} == {"shipped"}
    found = topics.records(cluster.url, one.prefix)
    assert topics.steps(found) == list(range(100_000))
    (end,) = topics.ends(found)
    assert (end["state"], end["queued"]) == ("lost", 100_000)
    assert not anything_waits(settings_of(one.directory))


def test_finish_says_how_much_lies_where_and_the_end_is_shipped_with_it(
    own_broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    process = topics.trainer(
        tmp_path,
        own_broker.url,
        prefix,
        """
        run.log({"m": 0}, 0)
        wait_for_spill()
        run.log({"m": 1}, 1)
        print(run.finish(2.5))
        os._exit(0)
        """,
        RUNSTREAM_KAFKA_OPTIONS=topics.QUICK,
    )
    out, err = process.communicate(timeout=60)
    assert out == "False\n"
    assert "2 points in" in err and f"{tmp_path}/spill/" in err and "runstream sync" in err and "does not answer" in err
    assert not list((tmp_path / "journal").glob("*.journal"))
    own_broker.start(node)
    assert [(found.outcome, found.points) for found in sync(tmp_path)] == [("shipped", 2)]
    found = topics.records(own_broker.url, prefix)
    assert topics.steps(found) == [0, 1]
    assert [end["state"] for end in topics.ends(found)] == ["finished"]


@needs_mounts
def test_a_spill_that_is_full_keeps_everything_in_the_journal_and_then_drops_the_newest_and_counts_it(
    own_broker: Cluster, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = topics.make_and_leave(own_broker, prefix)
    (tmp_path / "pid").touch()
    monkeypatch.setenv("TEST_URL", own_broker.url)
    # The program's own variables: those of runstream are taken out of its environment.
    body = f"""
    os.environ |= {{"RUNSTREAM_TOPIC_PREFIX": {prefix!r}, "RUNSTREAM_KAFKA_OPTIONS": {topics.QUICK!r}}}
    os.environ["TMPDIR"] = str(out)
    from runstream import courier, shipper
    courier.LAST_RETRY_S = shipper.LAST_RETRY_S = 0.5
    fill()
    run = runstream.init("test", dir=small, url=os.environ["TEST_URL"])
    logged = 0
    for _ in range(100):
        for _ in range(3000):
            run.log({{"a": logged}}, logged)
            logged += 1
        time.sleep(0.05)
    print("trained", flush=True)
    os.kill({os.getpid()}, signal.SIGUSR1)
    print(run.finish(timeout=60), flush=True)
    """
    signal.signal(signal.SIGUSR1, lambda *_: own_broker.start(node))
    done = run_on_small_disk(tmp_path, body)
    assert (done.returncode, done.stdout) == (0, "trained\nTrue\n"), done.stderr
    assert set(said(done.stderr)) >= {"cannot write to", "the journal is"}, done.stderr
    found = topics.records(own_broker.url, prefix)
    (end,) = topics.ends(found)
    kept = topics.steps(found, "a")
    assert end["logged"] == 300_000 and end["dropped"] == {"full": 300_000 - len(kept)}
    assert 0 < len(kept) < 300_000 and kept[:50_000] == list(range(50_000))


@needs_mounts
def test_a_spill_leaves_a_part_of_its_disk_to_others(tmp_path: Path) -> None:
    done = run_on_small_disk(
        tmp_path,
        f"""
        from runstream.batches import Message
        from runstream.transport.spill import Spill
        spill = Spill(small / "{RUN}.0.1", info={{}})
        kept = 0
        try:
            while True:
                spill.put([Message("metric", bytes(100_000))])
                kept += 1
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            print(error.strerror)
        assert 4_500_000 < shutil.disk_usage(small).free < 5 * 1024 * 1024, "a twentieth"
        assert kept > 900
        min(small.rglob("*.avro")).unlink()
        spill.put([Message("metric", bytes(100_000))])
        """,
        mebibytes=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "No space left on device: 4 MiB of its disk are free, the last 5 are left to others\n"


def refused_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a topic refused is offered again soon."""
    monkeypatch.setattr(feed, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(shipper, "LAST_RETRY_S", 0.5)


def test_a_topic_that_is_missing_is_told_and_gets_its_events_once_it_is_there(
    broker: Cluster, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_again_soon(monkeypatch)
    topics.make_topics(broker.url, prefix, but="metric")
    run = start(tmp_path, url=broker.url)
    run.log({"m": 1.0}, 1)
    topics.wait_until(lambda: topics.spilled(tmp_path))
    run.set_tag("k", "v")
    topics.wait_until(lambda: topics.arrived(broker, prefix, "tag"))
    assert run.finish(timeout=0.1) is False
    topics.make_topic(broker.url, f"{prefix}.metric")
    assert run.finish(60)
    assert topics.steps(topics.records(broker.url, prefix)) == [1]
    texts = [text for record in caplog.records if "is missing" in (text := record.getMessage())]
    assert any(f"topic {prefix}.metric is missing" in text and "runstream topics create" in text for text in texts)


def test_messages_that_a_topic_takes_for_too_large_hold_up_nothing_and_are_kept(
    broker: Cluster, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_again_soon(monkeypatch)
    monkeypatch.setenv("RUNSTREAM_KAFKA_COMPRESSION", "none")
    topics.make_topics(broker.url, prefix, but="metric")
    topics.make_topic(broker.url, f"{prefix}.metric", max_message_bytes="20000")
    run = start(tmp_path, url=broker.url)
    for step in range(20_000):
        run.log({"m": float(step)}, step)
    topics.wait_until(lambda: topics.spilled(tmp_path))
    run.log({"small": 1.0}, 0)
    topics.wait_until(lambda: topics.arrived(broker, prefix))
    assert topics.steps(topics.records(broker.url, prefix), "small") == [0]
    assert run.finish(timeout=0.5) is False
    topics.alter(broker.url, f"{prefix}.metric", "max.message.bytes", "1048576")
    assert run.finish(60)
    assert topics.steps(topics.records(broker.url, prefix)) == list(range(20_000))
    texts = [record.getMessage() for record in caplog.records]
    assert len([text for text in texts if f"topic {prefix}.metric at" in text and "of this size" in text]) == 2, texts
    assert "20,000 points in" in texts[-1] and "of this size" in texts[-1]


def test_a_damaged_segment_stays_and_is_told_and_a_torn_one_is_shipped_up_to_its_tear(
    broker: Cluster, prefix: str, tmp_path: Path
) -> None:
    topics.make_topics(broker.url, prefix)
    settings = settings_of(tmp_path, url=broker.url, topic_prefix=prefix)
    messages = [Message("tag", avro.current("tag").encode_datum(tag(number))) for number in range(10)]
    for number in (0, 1):
        spill = Spill(settings.spill_dir / f"{RUN}.0.{number}", info={})
        spill.put(messages)
        spill.close()
    torn, damaged = topics.spilled(tmp_path)
    whole = torn.read_bytes()
    for cut in range(len(whole) - len(messages[0].datum), len(whole)):
        torn.write_bytes(whole[:cut])
        assert [*read_segment(torn).datums] == [message.datum for message in messages[:9]]
    for cut in range(800):
        torn.write_bytes(whole[:cut])
        assert read_segment(torn).datums == []
    for spoiled in (whole[:-16] + bytes(16), b"Obi\x01" + whole[4:], whole + bytes(1000)):
        damaged.write_bytes(spoiled)
        with pytest.raises(Damaged, match=str(damaged)):
            read_segment(damaged)
    torn.write_bytes(whole[:-1])
    outcomes = [(found.outcome, found.error) for found in sync_spills(settings, timeout_s=1)]
    assert [outcome for outcome, _ in outcomes] == ["shipped", "failed"]
    assert outcomes[1][1].startswith(f"{damaged} is damaged at byte")
    assert topics.spilled(tmp_path) == [damaged]
    assert [record.content["value"] for record in topics.records(broker.url, prefix)] == [str(n) for n in range(9)]


def tag(number: int) -> dict[str, object]:
    return {"run_id": str(RUN), "rank": 0, "attempt": 1, "time": number, "key": "k", "value": str(number)}
