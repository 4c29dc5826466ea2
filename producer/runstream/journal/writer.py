"""The caller's side of the journal: one row for each call of `log`, in well under a microsecond.

`append` is the hot path and does only what every call needs. Whatever is unusual (a new key set, a full chunk, a value
that is no number, a logger after the end) raises inside it and is sorted out in `_append_slowly`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from operator import index
from typing import Any

from ..values import MAX_KEY_SET_BYTES, clean_metrics, clean_step, split_key_sets
from . import layout
from .records import RecordWriter
from .ring import Ring
from .rows import as_dict
from .turn import Turn

LOCK_PATIENCE_S = 1.0
"""How long a row waits for its turn: only a signal handler that interrupted its own thread's row waits in vain."""

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Runs through suspend and is never set: a clock step changes nothing after init."""

MICROSECOND_NS = 1000
"""Times are at least so far apart: they are told in µs, and each is told once."""


class JournalWriter(RecordWriter):
    """Writes rows and events into a ring. Thread-safe; never raises into the caller and never blocks for long."""

    __slots__ = (
        "_clock",
        "_closed",
        "_give_back",
        "_inherited",
        "_reopen",
        "_take",
        "_turn",
        "_warn",
        "last_ns",
        "last_step",
    )

    def __init__(
        self,
        ring: Ring,
        *,
        start_step: int | None,
        warn: Callable[[str, str], None],
        on_chunk: Callable[[], None],
        clock: Callable[[int], int] = time.clock_gettime_ns,
    ) -> None:
        """Open the first chunk. Assumes that the attempt's moment is now.

        `warn(reason, message)` is called for what is dropped, `on_chunk()` when a chunk is full; both while nobody
        else can log, so neither may. `clock(id)` is `time.clock_gettime_ns`.
        """
        # With start_step given, counted steps are as deliberate as written ones.
        super().__init__(counted_apart=start_step is None, on_chunk=on_chunk)
        self._warn = warn
        self._clock = clock
        self.last_step: int = (start_step or 0) - 1
        self.last_ns: int = 0
        """What the attempt's clock showed when the last row was written."""
        self._reopen: Callable[[], Ring] | None = None
        self._inherited = False
        """The ring is a parent process's, and its counters are not ours to write."""
        self._new_turn()
        self._attach(ring)

    def forget_parent(self, reopen: Callable[[], Ring]) -> None:
        """In a forked child: never touch the parent's ring again; `reopen` makes an own one when it is first needed.

        Assumes that no other thread runs yet. `reopen` is called while nobody else can log.
        """
        self._new_turn()
        self.close_unlocked()
        self._inherited = True
        self._reopen = reopen

    def _new_turn(self) -> None:
        self._turn = Turn()
        self._take = self._turn.take_now
        self._give_back = self._turn.give_back

    def _attach(self, ring: Ring) -> None:
        self._closed = self._inherited = False
        self.last_ns = self._clock(CLOCK)
        ring.start_clock(ring.attempt, self.last_ns)
        self.open_ring(ring)

    def append(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record one value for each metric at one step.

        Args:
            metrics: Values by metric name. A value is anything that `float` takes: numbers, NumPy and torch scalars,
                NaN and infinities. Others are dropped, counted, and warned about once.
            step: Position on the x axis, any int64 in any order. None: one after the last step of this run.
        """
        # Calling a slot of self directly takes the interpreter's slow way.
        take, give_back, clock = self._take, self._give_back, self._clock
        try:
            take()
        except IndexError:
            if not self._turn.wait(LOCK_PATIENCE_S):
                # Whoever has the turn stands still below us, so the counter is ours all the same.
                self._drop("error", _length(metrics), "a row was dropped: log was called inside of log in this thread")
                return
        except BaseException:
            # A signal handler raised, as Ctrl-C does, right after the turn was taken: see Turn.
            give_back(None)
            raise
        try:
            row = metrics if type(metrics) is dict else as_dict(metrics)
            if step is None:
                write = self.auto_rows.by_count[len(row)]
                at_step = self.last_step + 1
            else:
                write = self.rows.by_count[len(row)]
                # A tensor would be changed by its owner, and a number of 8 bits begin again at 0 when counted on.
                at_step = step if type(step) is int else index(step)
            now, earliest = clock(CLOCK), self.last_ns + MICROSECOND_NS
            at_ns = now if now > earliest else earliest
            self.position = write(self.chunk, self.position, at_step, row, at_ns)
            self.last_ns = at_ns
            self.last_step = at_step
        except Exception:
            self._append_slowly(metrics, step)
        finally:
            give_back(None)

    def append_aside(self, metrics: Mapping[str, float], step: int) -> None:
        """Record a row that has a step axis of its own: `step=None` goes on as if it had not been logged.

        It is runstream's own: after the end it is no loss to count or to speak of.
        """
        with self._turn:
            if self.closed:
                return
            last_step = self.last_step
            self._append_slowly(metrics, step)
            self.last_step = last_step

    def append_event(self, message: bytes) -> bool:
        """Record an encoded event; False when the journal is full or closed."""
        with self._turn:
            self._follow_fork()
            return not self._closed and self.put_event(message)

    @property
    def closed(self) -> bool:
        """Whether nothing is accepted any more."""
        return self._closed and self._reopen is None

    def now_us(self) -> int:
        """This moment in µs since the epoch on the attempt's clock; differs from every other moment it gave."""
        with self._turn:
            self._follow_fork()
            return self.ring.time_us(self._tick())

    def moment_us(self) -> int:
        """This moment without waiting for a turn: not unique, but never before a row that was written."""
        return self.ring.time_us(max(self._clock(CLOCK), self.last_ns + MICROSECOND_NS))

    def close(self) -> None:
        """Accept nothing more. A row that is being written is waited for, but not for ever: `finish` is bounded."""
        ours = self._turn.wait(LOCK_PATIENCE_S)
        self._reopen = None
        self.close_unlocked()
        if ours:
            self._give_back(None)

    def close_unlocked(self) -> None:
        """Accept nothing more, for a signal handler, which may have interrupted a row of its own thread."""
        self._closed = True
        self.forget_key_sets()

    def let_go(self) -> None:
        """Unmap the ring once it is delivered: it would take its size of disk as long as the run is referred to.

        Assumes that the writer is closed.
        """
        try:
            super().let_go()
        except BufferError:
            return  # a signal handler interrupted a row: it ends with the process
        self.ring.close(remove=False)

    def _follow_fork(self) -> None:
        """Make the forked child's own ring. Assumes that it is our turn."""
        if self._reopen is not None:
            reopen, self._reopen = self._reopen, None
            self._attach(reopen())

    def _tick(self) -> int:
        self.last_ns = max(self._clock(CLOCK), self.last_ns + MICROSECOND_NS)
        return self.last_ns

    def _append_slowly(self, metrics: Mapping[str, Any], step: object) -> None:
        """The whole of `append` with every check. Assumes that it is our turn; never raises."""
        try:
            self._follow_fork()
            if self._closed:
                return self._drop("closed", _length(metrics), "log was called after finish")
            values, rejected = clean_metrics(metrics)
            for rejection in rejected:
                self._drop(rejection.reason, rejection.points, rejection.message)
            if step is None:
                at_step: int | None = self.last_step + 1
            else:
                at_step = clean_step(step)
            if at_step is None or not -(2**63) <= at_step < 2**63:
                return self._drop("step", len(values), f"step {step!r:.80} is not an integer of 64 bits")
            for part in split_key_sets(values):
                self._append_row(part, at_step, automatic=step is None and self._counted_apart)
        except Exception as error:
            self._drop("error", _length(metrics), f"log failed: {error!r:.200}")

    def _append_row(self, values: dict[str, float], step: int, *, automatic: bool) -> None:
        names = tuple(values)
        size = layout.row_struct(len(names)).size
        if self.position + size > len(self.chunk) or names not in (self.auto_rows if automatic else self.rows):
            if not self.make_room(size + MAX_KEY_SET_BYTES):
                return self._drop("full", len(values), "the journal is full: the event log takes no data")
            if names not in (self.auto_rows if automatic else self.rows):
                self.define(names, automatic=automatic)
        rows = self.auto_rows if automatic else self.rows
        self.position = rows.write(self.chunk, self.position, step, values, self._tick())
        self.last_step = step

    def _drop(self, reason: str, points: int, message: str) -> None:
        if points:
            try:
                if not self._inherited:
                    self.ring.count_dropped(reason, points)
            except (ValueError, TypeError):
                pass  # the journal is delivered and unmapped: this comes too late for its counters
            self._warn(reason, message)


def _length(metrics: object) -> int:
    try:
        return len(metrics)  # type: ignore[arg-type]
    except Exception:
        return 1
