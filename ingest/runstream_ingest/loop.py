"""The worker's loop: source → batches → store → commit, for a log directory and a topic alike.

One thread polls and commits; up to `CONNECTIONS` others insert. At most that many batches are in flight, and while all
are, nothing more is read, so memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from runstream_ingest.batch import Batch, Batcher
from runstream_ingest.deliver import Delivered, Delivery, Destination
from runstream_ingest.progress import Progress
from runstream_ingest.sources.source import Notice, Source

CONNECTIONS: Final = 2
"""The store parses Avro on one thread per insert; a second insert uses the other core, a third only memory."""

POLL_BYTES: Final = 4 * 1024 * 1024
"""Small beside a batch, so that polling never delays an insert that is due."""

POLL_TIMEOUT_S: Final = 0.05

COMMIT_EVERY_S: Final = 1.0
"""Committing later costs only reading again after a crash."""

_KEEP_ALIVE_S: Final = 0.5


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
    expected_bytes: int = 0

    def __post_init__(self) -> None:
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
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="runstream-insert") as pool:
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

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Poll once and start what is due; whether there was nothing."""
        messages = self.source.poll(POLL_BYTES, POLL_TIMEOUT_S)
        now = self.delivery.clock.monotonic()
        for message in messages:
            self._progress.read(message)
            self._loaded.bytes += len(message.datum)
            full = self.batcher.add(message, now)
            if full is not None:
                self._start(full, pool)
        self._loaded.messages += len(messages)
        self.delivery.observer.polled(len(messages), sum(len(message.datum) for message in messages))
        self._take_notices()
        for batch in self.batcher.due(now):
            self._start(batch, pool)
        self._collect([future for future in self._flying if future.done()])
        if now - self._committed_at >= COMMIT_EVERY_S:
            self._commit()
        return not messages

    def _start(self, batch: Batch, pool: ThreadPoolExecutor) -> None:
        while len(self._flying) >= CONNECTIONS:
            done, _ = wait(self._flying, timeout=_KEEP_ALIVE_S, return_when=FIRST_COMPLETED)
            if not done:
                self.source.keep_alive()
            self._collect(list(done))
        if self._free.empty():
            self._opened.append(self.connect())
            self._free.put(self._opened[-1])
        self._flying[pool.submit(self._deliver, batch, self._free.get())] = batch

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

    def _commit(self) -> None:
        positions = self._progress.committable([*self._flying.values(), *self.batcher.open_batches()])
        self._committed_at = self.delivery.clock.monotonic()
        if positions:
            self.source.commit(positions)
            self.delivery.observer.committed(len(positions))

    def _finish(self, pool: ThreadPoolExecutor) -> None:
        for batch in self.batcher.drain():
            self._start(batch, pool)
        while self._flying:
            done, _ = wait(self._flying, timeout=_KEEP_ALIVE_S, return_when=FIRST_COMPLETED)
            if not done:
                self.source.keep_alive()
            self._collect(list(done))
        self._commit()

    def _take_notices(self) -> None:
        for notice in self.source.notices():
            self._loaded.notices.append(notice)
            self.delivery.observer.noticed(notice.kind)
