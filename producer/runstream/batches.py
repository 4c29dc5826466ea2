"""Cutting the journal into shipments, and building the messages of a shipment.

A cut is written into the journal before anything of it leaves the process, and the messages are a pure function of the
journal and the cut: whoever ships the journal later sends the same bytes under the same seq.
"""

from __future__ import annotations

from dataclasses import dataclass

from runstream_schemas.avro import split_message

from .frames import encode_batch
from .journal.reader import ChunkReader, Stretch
from .journal.ring import Ring, Shipment

MAX_BATCH_POINTS = 64 * 1024
"""Enough rows for the engine to read at full speed (20 M points/s from 100 rows a message on), and small blocks."""
MAX_BATCH_BYTES = 768 * 1024
"""Below MAX_EVENT_BYTES by more than the error of the estimate: what a row costs is bounded from above."""


@dataclass(frozen=True, slots=True)
class Message:
    """One event as it leaves the process."""

    event: str
    """Kind of event: its schema, topic and landing table."""
    datum: bytes
    """Avro datum, without the header of single-object encoding."""
    points: int = 0
    """How many points it holds."""


class Cutter:
    """Walks along a journal and cuts it into shipments. Starts at the first shipment that was not delivered.

    Owned by one thread. `limit` of `cut` is the writer's position, read before the call.
    """

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        number = ring.delivered
        before = ring.shipment(number - 1) if number else None
        self._last = before or Shipment(number - 1, ring.released + 1, 0, 0, -1, 0, 0, None, 0)
        self._reader = ChunkReader(ring, max(self._last.serial, ring.released + 1))
        if before and before.serial == self._reader.serial:
            self._reader.take(before.end)

    @property
    def last(self) -> Shipment:
        """The last shipment cut: its counters hold for all up to it. Number -1 and seq counters 0 before the first."""
        return self._last

    @property
    def serial(self) -> int:
        """The chunk that is read now; all chunks before it are cut completely."""
        return self._reader.serial

    def close(self) -> None:
        """Let go of the journal's memory."""
        self._reader.close()

    def cut(self, limit: int | None) -> tuple[Shipment, list[Message]] | None:
        """Cut the next shipment, or None when there is nothing before `limit` (None: anything that is committed)."""
        planned = self._ring.shipment(self._last.number + 1)
        if planned is not None:
            return self._repeat(planned)
        while True:
            stretch = self._reader.take(self._limit(limit), max_points=MAX_BATCH_POINTS, max_bytes=MAX_BATCH_BYTES)
            if stretch:
                break
            if not self._ring.is_open(self._reader.serial + 1):
                return None
            # The writer opens the next chunk only when it is done with this one, so what was read before is all.
            stretch = self._reader.take(None, max_points=MAX_BATCH_POINTS, max_bytes=MAX_BATCH_BYTES)
            if stretch:
                break
            self._go_to(self._reader.serial + 1)
        last = self._last
        has_rows = bool(stretch.rows)
        shipment = Shipment(
            number=last.number + 1,
            serial=self._reader.serial,
            start=stretch.start,
            end=stretch.end,
            seq=last.next_seq if has_rows else -1,
            next_seq=last.next_seq + has_rows,
            queued=last.queued + stretch.points,
            last_step=last.last_step if stretch.last_step is None else stretch.last_step,
            last_time=stretch.last_time if has_rows else last.last_time,
        )
        self._ring.record(shipment)
        self._last = shipment
        return shipment, self._messages(shipment, stretch)

    def _repeat(self, planned: Shipment) -> tuple[Shipment, list[Message]]:
        if planned.serial != self._reader.serial:
            self._go_to(planned.serial)
        if self._reader.position < planned.start:
            self._reader.take(planned.start)
        stretch = self._reader.take(planned.end)
        self._last = planned
        return planned, self._messages(planned, stretch)

    def _limit(self, limit: int | None) -> int | None:
        """The writer's position where it lies in this chunk; else the chunk is complete."""
        if limit is None:
            return None
        start = self._ring.chunk_start(self._reader.serial)
        return limit if start <= limit < start + self._ring.chunk_bytes else None

    def _go_to(self, serial: int) -> None:
        self._reader.close()
        self._reader = ChunkReader(self._ring, serial)

    def _messages(self, shipment: Shipment, stretch: Stretch) -> list[Message]:
        messages = []
        for event in stretch.events:
            schema, datum = split_message(event)
            messages.append(Message(schema.event, datum))
        if shipment.seq >= 0:
            frames = []
            for number, ranges in stretch.rows.items():
                keys = self._reader.key_sets[number]
                frames.append((keys.names, keys.automatic, self._reader.rows(ranges)))
            ring = self._ring
            datum = encode_batch(ring.run_id, ring.rank, ring.attempt, shipment.seq, frames, ring.clock_zero_ns)
            messages.append(Message("metric", datum, stretch.points))
        return messages
