"""The loop on partitions that come and go at any moment: what it commits is stored, up to there and without a gap."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import FakeClock

from runstream_ingest import loop
from runstream_ingest.batch import Batch, Batcher
from runstream_ingest.deliver import Delivered
from runstream_ingest.observer import Observer
from runstream_ingest.sources.source import Message, Notice, Partition, Positions, Released
from runstream_schemas import avro

PARTITIONS = [Partition("t.metric", str(number)) for number in range(3)]
SCHEMAS = [avro.current("metric"), avro.current("tag")]


class Pool:
    """Inserts that end when they are told to, in any order."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: function(*arguments)))
        return future

    def wait(self, futures: Collection[Future[Any]], timeout: float | None = None, **how: Any) -> Any:
        """As concurrent.futures has it; who waits without a limit sees all inserts end."""
        while timeout is None and self.waiting:
            self.end_one(0)
        return wait(futures, timeout, **how)

    def end_one(self, choice: int) -> None:
        if self.waiting:
            future, function = self.waiting.pop(choice % len(self.waiting))
            future.set_result(function())


@dataclass
class World:
    """A group of this worker and others, the topic, the store and the script."""

    script: list[tuple[str, int, int]]
    pool: Pool = field(default_factory=Pool)
    stored: dict[Partition, set[int]] = field(default_factory=lambda: {p: set() for p in PARTITIONS})
    committed: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    reading: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    """Where this worker reads on, for the partitions that it has."""
    ends: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    """Offsets that were given away at least once."""
    clock: FakeClock = field(default_factory=FakeClock)
    stop: threading.Event = field(default_factory=threading.Event)
    observer: Observer = field(default_factory=Observer)
    aborted: bool = False
    released: Released = lambda partitions, lost: None

    def deliver(self, batch: Batch, destination: Any) -> Delivered:
        for message in batch.messages:
            self.stored[message.partition].add(message.offset)
        return Delivered(batch, 0)

    def listen(self, released: Released) -> None:
        self.released = released

    def poll(self, max_bytes: int, timeout_s: float) -> list[Message]:
        self.clock.now += 0.1
        found: list[Message] = []
        for _ in range(3):
            if not self.script:
                break
            what, which, amount = self.script.pop(0)
            partition = PARTITIONS[which]
            if what == "read" and partition in self.reading:
                begin = self.reading[partition]
                self.reading[partition] = begin + amount
                self.ends[partition] = max(self.ends[partition], begin + amount)
                found += [self._message(partition, offset) for offset in range(begin, begin + amount)]
            else:
                gone = self._happens(what, partition, amount)
                found = [message for message in found if message.partition not in gone]
        return found

    def keep_alive(self) -> None:
        if self.script:
            what, which, amount = self.script.pop(0)
            self._happens(what, PARTITIONS[which], amount)
        self.pool.end_one(0)

    def commit(self, positions: Positions) -> None:
        for partition, offset in positions.items():
            missing = set(range(offset)) - self.stored[partition]
            assert not missing, f"{partition.name} was committed up to {offset} without {sorted(missing)}"
            self.committed[partition] = offset

    def notices(self) -> list[Notice]:
        return []

    def _happens(self, what: str, partition: Partition, amount: int) -> Collection[Partition]:
        if what == "insert":
            self.pool.end_one(amount)
        elif what in ("revoke", "lose") and partition in self.reading:
            self.released([partition], what == "lose")
            del self.reading[partition]
            return [partition]
        elif what == "assign" and partition not in self.reading:
            # Meanwhile another worker stored and committed some of what is there.
            begin = min(self.committed[partition] + amount, max(self.ends[partition], self.committed[partition]))
            self.stored[partition] |= set(range(begin))
            self.reading[partition] = self.committed[partition] = begin
        return []

    def _message(self, partition: Partition, offset: int) -> Message:
        return Message(SCHEMAS[offset * 7 % 5 % 2], b"12345", partition, offset, offset + 1)


STEPS = st.tuples(
    st.sampled_from(["read", "read", "read", "insert", "revoke", "lose", "assign"]),
    st.integers(0, 2),
    st.integers(1, 6),
)


@given(st.lists(STEPS, min_size=10, max_size=60))
@settings(max_examples=400)
def test_nothing_beyond_an_event_that_is_not_stored_is_ever_committed(script: list[tuple[str, int, int]]) -> None:
    world = World(script)
    with (
        mock.patch.multiple(loop, KEEP_ALIVE_S=0, RELEASE_S=0, COMMIT_EVERY_S=0),
        mock.patch.object(loop, "wait", world.pool.wait),
        mock.patch.object(loop, "ThreadPoolExecutor", lambda *_, **__: world.pool),
    ):
        made: Any = loop.Loop(world, mock.Mock, world, Batcher(max_bytes=20, max_age_s=0.3))
        made.run(lambda idle: idle and not world.script)
    for partition, position in world.reading.items():
        assert world.committed[partition] == position, "all that was read is stored and committed at the end"
