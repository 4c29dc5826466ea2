"""The caller's side of the journal: one row for each call of `log`, in well under a microsecond.

`append` is the hot path and does only what every call needs. Whatever is unusual (a new key set, a full chunk, a value
that is no number, a logger after the end) raises inside it and is sorted out in `_append_slowly`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ..values import MAX_KEY_SET_BYTES, clean_metrics, clean_step, split_key_sets
from . import layout
from .layout import RECORD_HEAD, WORD
from .ring import Ring

LOCK_PATIENCE_S = 1.0
"""How long a row waits for the lock: only a signal handler that interrupted its own thread's row waits in vain."""

Plan = tuple[Callable[..., None], int, int]
"""How to write a row: the packing function, the row's bytes, the number of the key set in this chunk."""


class JournalWriter:
    """Writes rows and events into a ring. Thread-safe; never raises into the caller and never blocks for long.

    `position` is where the next record will stand: all records before it are complete. The shipper reads it without
    the lock.
    """

    __slots__ = (
        "_acquire",
        "_auto_plans",
        "_chunk_end",
        "_clock",
        "_closed",
        "_key_sets",
        "_lock",
        "_offset_us",
        "_on_chunk",
        "_plans",
        "_release",
        "_reopen",
        "_serial",
        "_start_step_given",
        "_warn",
        "buffer",
        "last_step",
        "last_time",
        "position",
        "ring",
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

        `warn(reason, message)` is called for what is dropped, `on_chunk()` when a chunk is full; both with the lock
        held, so neither may log. `clock(id)` is `time.clock_gettime_ns`.
        """
        self._warn = warn
        self._on_chunk = on_chunk
        self._clock = clock
        self._start_step_given = start_step is not None
        self.last_step: int = (start_step or 0) - 1
        self._reopen: Callable[[], Ring] | None = None
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._auto_plans: dict[tuple[str, ...], Plan] = {}
        self.last_time: int = 0
        self.position: int = 0
        self._new_lock()
        self._attach(ring)

    def forget_parent(self, reopen: Callable[[], Ring]) -> None:
        """In a forked child: never touch the parent's ring again; `reopen` makes an own one when it is first needed.

        Assumes that no other thread runs yet. `reopen` is called with the lock held.
        """
        self._new_lock()
        self.close_unlocked()
        self._reopen = reopen

    def _new_lock(self) -> None:
        self._lock = threading.Lock()
        self._acquire = self._lock.acquire
        self._release = self._lock.release

    def _attach(self, ring: Ring) -> None:
        self.ring = ring
        # Packing into a view costs half of packing into the mmap object itself.
        self.buffer = memoryview(ring.buffer)
        self._closed = False
        self._offset_us = ring.attempt - self._clock(CLOCK) // 1000
        self.last_time = ring.attempt
        self._serial = 1
        self._begin_chunk()

    def append(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record one value for each metric at one step.

        Args:
            metrics: Values by metric name. A value is anything that `float` takes: numbers, NumPy and torch scalars,
                NaN and infinities. Others are dropped, counted, and warned about once.
            step: Position on the x axis, any int64 in any order. None: one after the last step of this run.
        """
        if not self._acquire(False) and not self._acquire(timeout=LOCK_PATIENCE_S):
            self._warn("error", "a row was dropped: log was called while it was already running in this thread")
            return
        try:
            if step is None:
                pack, size, number = self._auto_plans[tuple(metrics)]
                at_step = self.last_step + 1
            else:
                pack, size, number = self._plans[tuple(metrics)]
                at_step = step
            now = self._clock(CLOCK) // 1000 + self._offset_us
            if now <= self.last_time:
                now = self.last_time + 1
            start = self.position
            end = start + size
            if end > self._chunk_end:
                raise OverflowError
            pack(self.buffer, start, number, at_step, *metrics.values(), now)
            self.position = end
            self.last_time = now
            self.last_step = at_step
        except Exception:
            self._append_slowly(metrics, step)
        finally:
            self._release()

    def append_event(self, message: bytes) -> bool:
        """Record an encoded event; False when the journal is full or closed."""
        with self._lock:
            self._follow_fork()
            if self._closed:
                return False
            size = 24 + layout.padded(len(message))
            if size > self.ring.chunk_bytes // 2 or not self._make_room(size):
                return False
            start = self.position
            self.buffer[start + 16 : start + 16 + len(message)] = message
            RECORD_HEAD.pack_into(self.buffer, start, layout.EVENT, len(message), self._word(start + 16))
            WORD.pack_into(self.buffer, start + size - 8, layout.COMMITTED)
            self.position = start + size
            return True

    def now_us(self) -> int:
        """This moment in µs since the epoch on the attempt's clock; differs from every other moment it gave."""
        with self._lock:
            self._follow_fork()
            return self._tick()

    def moment_us(self) -> int:
        """This moment without the lock: not unique, but never before a row that was written."""
        return max(self._clock(CLOCK) // 1000 + self._offset_us, self.last_time + 1)

    def close(self) -> None:
        """Accept nothing more."""
        with self._lock:
            self._reopen = None
            self.close_unlocked()

    def close_unlocked(self) -> None:
        """Accept nothing more, for a signal handler, whose own thread may hold the lock."""
        self._closed = True
        self._plans = {}
        self._auto_plans = {}

    def let_go(self) -> None:
        """Release the ring's memory. Assumes `close`, and that everything was delivered."""
        self.buffer.release()

    def append_aside(self, metrics: Mapping[str, float], step: int) -> None:
        """Record a row that has a step axis of its own: `step=None` goes on as if it had not been logged."""
        with self._lock:
            last_step = self.last_step
            self._append_slowly(metrics, step)
            self.last_step = last_step

    def _follow_fork(self) -> None:
        """Make the forked child's own ring. Assumes that the lock is held."""
        if self._reopen is not None:
            reopen, self._reopen = self._reopen, None
            self._attach(reopen())

    def _tick(self) -> int:
        self.last_time = max(self._clock(CLOCK) // 1000 + self._offset_us, self.last_time + 1)
        return self.last_time

    def _word(self, offset: int) -> int:
        value: int = WORD.unpack_from(self.buffer, offset)[0]
        return value

    def _append_slowly(self, metrics: Mapping[str, Any], step: object) -> None:
        """The whole of `append` with every check. Assumes that the lock is held; never raises."""
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
                self._append_row(part, at_step, automatic=step is None and not self._start_step_given)
        except Exception as error:
            self._drop("error", _length(metrics), f"log failed: {error!r:.200}")

    def _append_row(self, values: dict[str, float], step: int, *, automatic: bool) -> None:
        size = layout.row_struct(len(values)).size
        names = tuple(values)
        plans = self._auto_plans if automatic else self._plans
        if self.position + size > self._chunk_end or names not in plans:
            if not self._make_room(size + MAX_KEY_SET_BYTES):
                return self._drop("full", len(values), "the journal is full: the event log takes no data")
            plans = self._auto_plans if automatic else self._plans
            if names not in plans:
                plans[names] = self._define(names, automatic=automatic)
        pack, size, number = plans[names]
        pack(self.buffer, self.position, number, step, *values.values(), self._tick())
        self.position += size
        self.last_step = step

    def _define(self, names: tuple[str, ...], *, automatic: bool) -> Plan:
        """Write the definition of a key set. Assumes that there is room."""
        self._key_sets += 1
        row = layout.row_struct(len(names))
        content = orjson.dumps([automatic, names])
        start = self.position
        size = 32 + layout.padded(len(content))
        self.buffer[start + 24 : start + 24 + len(content)] = content
        RECORD_HEAD.pack_into(self.buffer, start, layout.DEFINITION, self._key_sets, len(content))
        WORD.pack_into(self.buffer, start + size - 8, layout.COMMITTED)
        self.position = start + size
        return row.pack_into, row.size, self._key_sets

    def _make_room(self, size: int) -> bool:
        if self.position + size <= self._chunk_end:
            return True
        if not self.ring.can_open(self._serial + 1):
            return False
        self._serial += 1
        self._begin_chunk()
        self._on_chunk()
        return True

    def _begin_chunk(self) -> None:
        self._plans = {}
        # With start_step given, counted steps are as deliberate as written ones.
        self._auto_plans = self._plans if self._start_step_given else {}
        self._key_sets = 0
        # A word of zeros stays behind the last record, so that the position never reaches the next chunk.
        self._chunk_end = self.ring.chunk_start(self._serial) + self.ring.chunk_bytes - 8
        self.position = self.ring.open_chunk(self._serial)

    def _drop(self, reason: str, points: int, message: str) -> None:
        if points:
            try:
                self.ring.count_dropped(reason, points)
            except ValueError:
                pass  # the journal is delivered and unmapped: this comes too late for its counters
            self._warn(reason, message)


CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Runs through suspend and is never set: a clock step changes nothing after init."""


def _length(metrics: object) -> int:
    try:
        return len(metrics)  # type: ignore[arg-type]
    except Exception:
        return 1
