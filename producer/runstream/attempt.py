"""One life of a run in one process: a journal, the thread that ships it, and the events of the attempt."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from runstream_schemas.avro import current
from runstream_schemas.limits import MAX_EVENT_BYTES
from runstream_schemas.settings import Settings

from .identity import JobIdentity
from .journal.place import open_ring, remove_pointer
from .journal.ring import Ring
from .journal.writer import JournalWriter
from .notices import Notices
from .seen import SeenAttempts
from .shipper import Courier, Shipper
from .transport.open import open_transport

NO_CODE = {"commit": "", "branch": "", "remote": "", "dirty": False, "diff": "", "untracked": []}


@dataclass(frozen=True)
class RunDescription:
    """What is the same for all attempts of a run in this process and its children."""

    settings: Settings
    identity: JobIdentity
    experiment: str
    name: str
    resume: str
    start_step: int | None

    @property
    def run_id(self) -> UUID:
        """The run."""
        return self.identity.run_id


@dataclass(frozen=True)
class Captured:
    """What the run event says beside the run's identity."""

    code: dict[str, Any]
    packages: list[str]
    packages_hash: str
    environment: dict[str, str]
    command: list[str]
    device: str


NOTHING_CAPTURED = Captured(NO_CODE, [], "", {}, [], "")


class Attempt:
    """Opens a journal and ships it. Safe to use from any thread; a forked child gets its own at its first use."""

    def __init__(self, run: RunDescription, notices: Notices) -> None:
        self.run = run
        self._notices = notices
        self._seen = SeenAttempts(run.settings.journal_dir)
        self._captured = NOTHING_CAPTURED
        self._shipper: Shipper | None = None
        self._starting: threading.Thread | None = None
        self._end: tuple[str, str] | None = None
        ring = self._open_ring()
        self.writer = JournalWriter(ring, start_step=run.start_step, warn=notices.warn, on_chunk=self._wake)
        self._start_shipping(ring)
        self._emit_run_event()

    @property
    def number_us(self) -> int:
        """The attempt: its moment of init in µs."""
        return self.writer.ring.attempt

    @property
    def crash_safe(self) -> bool:
        """Whether a killed process loses nothing."""
        return self.writer.ring.path is not None

    def emit(self, event: str, **fields: Any) -> bool:
        """Record an event of this attempt; `time` is now unless it is given. False when dropped; never raises."""
        try:
            moment = fields.pop("time", None) or self.writer.now_us()
            ring = self.writer.ring
            record = {"run_id": str(ring.run_id), "rank": ring.rank, "attempt": ring.attempt, "time": moment, **fields}
            message = current(event).encode(record)
        except Exception as error:
            self._notices.warn("event", f"a {event} event could not be recorded: {error!r:.200}")
            return False
        if len(message) > MAX_EVENT_BYTES:
            self._notices.warn("event", f"a {event} event of {len(message)} bytes was dropped: {MAX_EVENT_BYTES} go")
            return False
        if not self.writer.append_event(message):
            self._notices.warn("event", f"a {event} event was dropped: the journal is full or the run has finished")
            return False
        return True

    def describe(self, captured: Captured) -> None:
        """Tell what was captured; the run event is sent again with it."""
        self._captured = captured
        self._emit_run_event()

    def finish(self, state: str, error: str, timeout_s: float) -> bool:
        """Accept nothing more and deliver the rest and the end; False when it takes longer than the timeout."""
        self.writer.close()
        return self._deliver_end(state, error, timeout_s)

    def finish_in_signal_handler(self, state: str, error: str, timeout_s: float) -> bool:
        """The same without the writer's lock, which the interrupted thread may hold."""
        self.writer.close_unlocked()
        return self._deliver_end(state, error, timeout_s)

    def undelivered(self) -> str:
        """Where the rest lies after `finish` returned False, for people."""
        ring = self.writer.ring
        points = self._shipper.undelivered_points if self._shipper else 0
        if ring.path is None:
            return f"about {points:,} points are in memory only and are lost when this process ends"
        return f"about {points:,} points lie in {ring.path}; `runstream sync` ships them"

    def after_fork(self) -> None:
        """In a forked child: leave the parent's journal alone; open an own one when something is logged here."""
        self._shipper = None
        self._starting = None
        self.writer.forget_parent(self._reopen)

    def _reopen(self) -> Ring:
        ring = self._open_ring()
        self._start_shipping_soon(ring)
        return ring

    def _start_shipping_soon(self, ring: Ring) -> None:
        """Start the child's shipper once its writer has the ring: this is called with the writer's lock held."""

        def start() -> None:
            self.writer.now_us()  # waits for the lock
            self._start_shipping(ring)
            self._emit_run_event()

        self._starting = threading.Thread(target=start, name="runstream-start", daemon=True)
        self._starting.start()

    def _open_ring(self) -> Ring:
        run, rank = self.run, self.run.identity.rank
        newest = self._seen.newest(run.run_id, rank) or 0
        attempt = max(time.time_ns() // 1000, newest + 1)
        self._seen.remember(run.run_id, rank, attempt)
        ring, reason = open_ring(
            run.settings.journal_dir,
            size=run.settings.journal_bytes,
            run_id=run.run_id,
            rank=rank,
            attempt=attempt,
            info={"url": run.settings.url, "fsync": run.settings.fsync},
        )
        if ring.path is None:
            self._notices.warn(
                "journal", f"no place for the journal, so a killed process loses what is unsent: {reason}"
            )
        return ring

    def _start_shipping(self, ring: Ring) -> None:
        settings = self.run.settings
        transport = open_transport(settings.url, ring, fsync=settings.fsync)
        courier = Courier(ring, transport, warn=self._notices.warn)
        shipper = Shipper(
            ring,
            courier,
            position=lambda: self.writer.position,
            moment=self.writer.moment_us,
            heartbeat_s=settings.heartbeat_s,
            warn=self._notices.warn,
        )
        self._shipper = shipper
        shipper.start()

    def _wake(self) -> None:
        if self._shipper is not None:
            self._shipper.wake()

    def _emit_run_event(self) -> None:
        run, identity, captured = self.run, self.run.identity, self._captured
        first = identity.rank == 0
        self.emit(
            "run",
            experiment=run.experiment if first else "",
            name=run.name if first else "",
            user=_user() if first else "",
            world_size=identity.world_size,
            local_rank=identity.local_rank,
            node=identity.node,
            job_id=identity.job_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            device=captured.device,
            resume=run.resume,
            start_step=run.start_step,
            crash_safe=self.crash_safe,
            code=captured.code if first else NO_CODE,
            packages=captured.packages if first else [],
            packages_hash=captured.packages_hash if first else "",
            environment=captured.environment if first else {},
            command=captured.command if first else [],
        )

    def _deliver_end(self, state: str, error: str, timeout_s: float) -> bool:
        if self._starting is not None:
            self._starting.join(timeout_s)
        if self._shipper is None:
            return True
        ring = self.writer.ring
        if self._end is None:
            self._end = (state, error)
            ring.set_end(state, error)
        delivered = self._shipper.finish(timeout_s)
        if delivered:
            self.writer.let_go()
            if ring.path is not None:
                remove_pointer(self.run.settings.journal_dir, ring.path)
        return delivered


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
