"""The worker's loop: source → batches → store → commit, for a log directory and a topic alike.

One thread polls and commits; up to `inserters` others insert. At most that many batches are in flight, and while all
are, nothing more is read, so memory is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from runstream_ingest.batch import Batch, Batcher
from runstream_ingest.deliver import Delivered, Delivery, Destination
from runstream_ingest.progress import Progress
from runstream_ingest.sources.source import Notice, Partition, Source

INSERTERS: Final = 2
"""The store parses Avro on one thread per insert; a second insert uses the other core, a third only memory."""

POLL_BYTES: Final = 4 * 1024 * 1024
"""Small beside a batch, so that polling never delays an insert that is due."""

POLL_TIMEOUT_S: Final = 0.05

COMMIT_EVERY_S: Final = 1.0
"""Committing later costs only reading again after a crash."""

RELEASE_S: Final = 10.0
"""How long a partition is kept from the worker that gets it next, so that what is being stored can be committed first.
Reading it twice costs less than a longer stop of the whole group."""

SAY_SILENCE_S: Final = 10.0
"""Inserts take a fraction of a second, and under merges some."""

KEEP_ALIVE_S: Final = 0.5
"""Whoever waits for the store asks the broker this often whether its partitions are still its own."""


@dataclass
class Loaded:
    """What one run of the loop has done."""

    expected_bytes: int = 0
    """What was new when it began, for a progress bar; 0 when the source cannot know."""
    messages: int = 0
    points: int = 0
    bytes: int = 0
    batches: int = 0
    dead_letters: int = 0
    dead_points: int = 0
    seconds: float = 0.0
    notices: list[Notice] = field(default_factory=list)


@dataclass
class Loop:
    """Moves events from a source to the store until told to end."""

    source: Source
    connect: Callable[[], Destination]
    """Opens one more connection for an inserting thread."""
    delivery: Delivery
    batcher: Batcher = field(default_factory=Batcher)
    on_progress: Callable[[Loaded], None] | None = None
    on_turn: Callable[[], None] = lambda: None
    """Called after each turn of the loop, by its own thread; what it raises ends the loop."""
    expected_bytes: int = 0
    inserters: int = INSERTERS

    def __post_init__(self) -> None:
        self.source.listen(self._release)
        self._waiting: list[Batch] = []
        self._silent_since: float | None = None
        self._released: set[Partition] = set()
        self._progress = Progress()
        self._flying: dict[Future[Delivered], Batch] = {}
        self._free: SimpleQueue[Destination] = SimpleQueue()
        self._opened: list[Destination] = []
        self._loaded = Loaded(self.expected_bytes)
        self._committed_at = self.delivery.clock.monotonic()

    def run(self, ends: Callable[[bool], bool]) -> Loaded:
        """Work until `ends(idle)` is true or the delivery's stop event is set; idle: the last poll found nothing.

        What has been read is stored and committed before it returns. Raises Poisoned, FatalStoreError,
        StoreKeepsFailing, Stopped, and what the source raises; then everything not committed is read again by whoever
        comes next.
        """
        clock = self.delivery.clock
        began = clock.monotonic()
        with ThreadPoolExecutor(self.inserters, thread_name_prefix="runstream-insert") as pool:
            try:
                while not self.delivery.stop.is_set():
                    idle = self._step(pool)
                    if ends(idle):
                        break
                self._finish(pool)
            except BaseException:
                self.delivery.aborted = True
                raise
            finally:
                wait(self._flying)
                for destination in self._opened:
                    destination.close()
        self._loaded.seconds = clock.monotonic() - began
        return self._loaded

    @property
    def noticed(self) -> bool:
        """Whether there is something to tell a person about the source."""
        return bool(self._loaded.notices)

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Poll once and start what is due; whether there was nothing."""
        messages = self.source.poll(POLL_BYTES, POLL_TIMEOUT_S)
        now = self.delivery.clock.monotonic()
        self._released.clear()
        self.delivery.observer.polled(len(messages), sum(len(message.datum) for message in messages))
        for message in messages:
            if message.partition in self._released:
                continue  # the beginning of it was dropped: storing and committing the rest would hide that
            self._progress.read(message)
            self._loaded.messages += 1
            self._loaded.bytes += len(message.datum)
            full = self.batcher.add(message, now)
            if full is not None:
                self._start([full], pool)
        self._take_notices()
        self.delivery.observer.turned()
        self._start(self.batcher.due(now), pool)
        self._collect([future for future in self._flying if future.done()])
        if now - self._committed_at >= COMMIT_EVERY_S:
            self._commit()
        self.on_turn()
        return not messages

    def _start(self, batches: Collection[Batch], pool: ThreadPoolExecutor) -> None:
        self._waiting += batches
        while self._waiting:
            while len(self._flying) >= self.inserters:
                self._wait_for_store()
            if self._free.empty():
                self._opened.append(self.connect())
                self._free.put(self._opened[-1])
            batch = self._waiting.pop(0)
            self._flying[pool.submit(self._deliver, batch, self._free.get())] = batch

    def _wait_for_store(self) -> None:
        done, _ = wait(self._flying, timeout=KEEP_ALIVE_S, return_when=FIRST_COMPLETED)
        if done:
            self._silent_since = None
        else:
            self.source.keep_alive()
            self._take_notices()
            self._tell_silence()
        self.delivery.observer.turned()
        self._collect(list(done))

    def _tell_silence(self) -> None:
        """A store that answers nothing would otherwise be seen in the log only when its inserts time out."""
        now = self.delivery.clock.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since >= SAY_SILENCE_S:
            self.delivery.on_trouble(f"no insert has ended for {now - self._silent_since:.0f} s; waiting for the store")
            self._silent_since = math.inf  # said once

    def _deliver(self, batch: Batch, destination: Destination) -> Delivered:
        try:
            return self.delivery.deliver(batch, destination)
        finally:
            self._free.put(destination)

    def _collect(self, done: list[Future[Delivered]]) -> None:
        for future in done:
            delivered = future.result()
            batch = self._flying.pop(future)
            self._progress.stored(batch)
            self._loaded.batches += 1
            self._loaded.points += delivered.points
            self._loaded.dead_letters += len(delivered.letters)
            self._loaded.dead_points += sum(letter.points for letter in delivered.letters)
            if self.on_progress is not None:
                self.on_progress(self._loaded)
        if done:
            self._settled()

    def _settled(self) -> None:
        self.delivery.observer.settled(min((batch.opened_at for batch in self._unfinished()), default=None))

    def _commit(self) -> None:
        positions = self._progress.committable(self._unfinished())
        self._committed_at = self.delivery.clock.monotonic()
        if positions:
            self.source.commit(positions)
            self.delivery.observer.committed(len(positions))

    def _finish(self, pool: ThreadPoolExecutor) -> None:
        self._start(self.batcher.drain(), pool)
        while self._flying:
            self._wait_for_store()
        self._commit()

    def _release(self, partitions: Collection[Partition], lost: bool) -> None:
        """Partitions go to another worker, which begins at what is committed: commit what can be, and drop the rest.

        What is being stored and does not end in time is stored twice, which changes nothing.
        """
        if not lost:
            wait(self._flying, timeout=RELEASE_S)
            # What failed is told to whoever waits for it, outside of this callback.
            self._collect([future for future in self._flying if future.done() and future.exception() is None])
            self._commit()
        self._released.update(partitions)
        self.batcher.drop(partitions)
        for batch in self._unfinished():
            batch.forget(partitions)
        self._progress.forget(partitions)
        self._settled()

    def _unfinished(self) -> list[Batch]:
        return [*self._flying.values(), *self._waiting, *self.batcher.open_batches()]

    def _take_notices(self) -> None:
        for notice in self.source.notices():
            self._loaded.notices.append(notice)
            self.delivery.observer.noticed(notice.kind)
