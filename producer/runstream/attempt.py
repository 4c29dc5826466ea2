"""One life of a run in one process: a journal, the thread that ships it, and the events of the attempt."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from typing import Any

from runstream_schemas.avro import current
from runstream_schemas.limits import MAX_ATTEMPT_US, MAX_EVENT_BYTES, MIN_ATTEMPT_US

from .courier import Courier
from .description import NO_CODE, NOTHING_CAPTURED, Captured, RunDescription
from .errors import describe_error
from .journal.place import open_ring, remove_pointer
from .journal.reader import undelivered_points
from .journal.ring import Ring
from .journal.writer import JournalWriter
from .notices import Notices
from .seen import SeenAttempts
from .shipper import Shipper
from .timeouts import Deadline
from .transport.open import destination, open_transport


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
        self.dormant = False
        """In a forked child that has logged nothing: there is no journal here."""
        ring = self._open_ring()
        self.writer = JournalWriter(ring, start_step=run.start_step, warn=notices.warn, on_chunk=self._wake)
        try:
            self._start_shipping(ring)
        except BaseException:
            self.writer.close()
            ring.close(remove=True)
            self._forget_pointer(ring)
            raise
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
        if self.writer.closed:
            self._notices.warn("event", f"a {event} event was dropped: the run has finished")
            return False
        try:
            moment = fields.pop("time", None) or self.writer.now_us()
            ring = self.writer.ring
            record = {"run_id": str(ring.run_id), "rank": ring.rank, "attempt": ring.attempt, "time": moment, **fields}
            message = current(event).encode(record)
        except Exception as error:
            self._notices.warn("event", f"a {event} event could not be recorded: {describe_error(error)}")
            return False
        if len(message) > MAX_EVENT_BYTES:
            self._notices.warn("event", f"a {event} event of {len(message):,} bytes was dropped: it is too large")
            return False
        if not self.writer.append_event(message):
            self._notices.warn("event", f"a {event} event was dropped: the journal is full or the run has finished")
            return False
        return True

    def describe(self, captured: Captured) -> None:
        """Tell what was captured; the run event is sent again with it."""
        self._captured = captured
        if not self.writer.closed:  # a run that has ended in the meantime is no mistake of the user's
            self._emit_run_event()

    def note_end(self, state: str, error: str) -> None:
        """Write down how it ends, for whoever ships the journal if the process does not come to it. Once only."""
        if self._end is None and not self.dormant:
            self._end = (state, error)
            self.writer.ring.set_end(state, error)

    def finish(self, state: str, error: str, timeout_s: float) -> bool:
        """Accept nothing more and deliver the rest and the end; False when it takes longer than the timeout."""
        deadline = Deadline(timeout_s)
        if self._starting is not None:
            # A forked child that ends at once has not told yet where it runs, and a closed writer takes no event.
            self._starting.join(deadline.left_s)
        self.writer.close()
        return self._deliver_end(state, error, deadline.left_s)

    def finish_in_signal_handler(self, state: str, error: str, timeout_s: float) -> bool:
        """The same without the writer's lock, which the interrupted thread may hold."""
        self.writer.close_unlocked()
        return self._deliver_end(state, error, timeout_s)

    def undelivered(self) -> str:
        """Where the rest lies after `finish` returned False, for people."""
        ring, shipper = self.writer.ring, self._shipper
        backlog = shipper.backlog if shipper else None
        try:
            count = undelivered_points(ring)
        except ValueError:
            count = 0  # the journal was delivered and closed
        places = [] if backlog is None else [f"{_points(backlog.points)} in {backlog.where}"]
        if count or backlog is None:
            places.append(f"{_points(count)} in {ring.path or 'memory only, and lost when this process ends'}")
        rest = f"not delivered: {' and '.join(places)}"
        if backlog is not None or ring.path is not None:
            rest += f"; {self.run.sync_command} ships them"
        return f"{rest} ({shipper.trouble})" if shipper and shipper.trouble else rest

    def after_fork(self) -> None:
        """In a forked child: leave the parent's journal alone; open an own one when something is logged here."""
        if self._shipper is not None:
            self._shipper.leave_to_parent()
        self._shipper = None
        self._starting = None
        self._end = None
        self.dormant = True
        self.writer.ring.leave_to_parent()
        self.writer.forget_parent(self._reopen)

    def _reopen(self) -> Ring:
        ring = self._open_ring()
        self.dormant = False
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
        now = time.time_ns() // 1000
        attempt = min(max(now, newest + 1, MIN_ATTEMPT_US), MAX_ATTEMPT_US - 1)
        if not MIN_ATTEMPT_US <= now < MAX_ATTEMPT_US:
            self._notices.warn("clock", "this machine's clock is not set: times of this run are wrong; set its clock")
        while True:
            try:
                ring, reason = open_ring(
                    run.settings.journal_dir,
                    size=run.settings.journal_bytes,
                    run_id=run.run_id,
                    rank=rank,
                    attempt=attempt,
                    info=destination(run.settings),
                )
                break
            except FileExistsError:
                attempt += 1  # another process with the same run and rank began in the same microsecond
        self._seen.remember(run.run_id, rank, attempt)
        if ring.path is None:
            self._notices.warn(
                "journal", f"no place for the journal, so a killed process loses what is unsent: {reason}"
            )
        return ring

    def _start_shipping(self, ring: Ring) -> None:
        settings = self.run.settings
        transport = open_transport(settings, ring, pressed=lambda: ring.is_half_full, warn=self._notices.warn)
        courier = Courier(ring, transport, warn=self._notices.warn)
        shipper = Shipper(
            ring,
            courier,
            position=lambda: self.writer.position,
            moment=self.writer.moment_us,
            emptied=lambda: self._let_go(ring),
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
        self.note_end(state, error)
        return self._shipper.finish(timeout_s)

    def _let_go(self, ring: Ring) -> None:
        self.writer.let_go()
        self._forget_pointer(ring)

    def _forget_pointer(self, ring: Ring) -> None:
        if ring.path is not None:
            remove_pointer(self.run.settings.journal_dir, ring.path)


def _points(count: int) -> str:
    return f"{count:,} point{'s' * (count != 1)}" if count else "its last events"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
