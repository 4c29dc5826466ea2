"""Cuts a journal, sends it, and gives its space back once it has arrived. No thread, no clock but for retries."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .batches import Cutter, Message
from .journal.ring import Ring, Shipment
from .transport.base import Backlog, Transport, TransportDown, tell_down

MAX_IN_FLIGHT = 64
"""Shipments sent and not acknowledged: far below the journal's table of shipments."""
ROOM_WAIT_S = 0.2
"""How long a shipment waits for others to arrive before the journal is looked after again."""
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
"""Pause after a failed send, doubled each time: a log that is back takes data again within this time."""


@dataclass(slots=True)
class _Parcel:
    """What is handed to the transport under one ticket."""

    messages: Sequence[Message]
    shipment: Shipment | None
    """None for a status event, which is not in the journal."""


@dataclass(slots=True)
class _InFlight:
    """Parcels by ticket, and the tickets' arithmetic."""

    parcels: deque[_Parcel] = field(default_factory=deque)
    first_ticket: int = 0

    @property
    def next_ticket(self) -> int:
        return self.first_ticket + len(self.parcels)


class Courier:
    """The shipping itself, without a thread: everything here is called by one thread at a time."""

    def __init__(self, ring: Ring, transport: Transport, *, warn: Callable[[str, str], None]) -> None:
        self._ring = ring
        self._transport = transport
        self._warn = warn
        self._cutter = Cutter(ring)
        self._in_flight = _InFlight()
        self._refused: _Parcel | None = None

    @property
    def last(self) -> Shipment:
        """The newest shipment that was cut."""
        return self._cutter.last

    @property
    def idle(self) -> bool:
        """Nothing that was cut is still on the way."""
        return not self._in_flight.parcels and self._refused is None

    @property
    def backlog(self) -> Backlog | None:
        """What has left the journal and is not at the event log."""
        return self._transport.backlog

    @property
    def trouble(self) -> str:
        """Why nothing arrives, if it is known."""
        return self._transport.trouble

    def ship(self, limit: int | None) -> bool:
        """Send what lies before `limit`; False when the event log refuses. Collects acknowledgements."""
        while self._send_refused() and self._has_room():
            cut = self._cutter.cut(limit)
            if cut is None:
                self.collect(0)
                return True
            self._send(_Parcel(cut[1], cut[0]))
            self.collect(0)
        self.collect(0)
        return self._refused is None

    def send_status(self, message: Message) -> None:
        """Send a status event; a refused one is offered again before anything else."""
        if self._send_refused():
            self._send(_Parcel([message], None))

    def collect(self, timeout_s: float) -> None:
        """Note what has arrived, and give its journal space back."""
        flight = self._in_flight
        arrived = self._transport.acknowledged(timeout_s)
        while flight.parcels and flight.first_ticket < arrived:
            parcel = flight.parcels.popleft()
            flight.first_ticket += 1
            if parcel.shipment is not None:
                self._ring.delivered = parcel.shipment.number + 1
        waiting = [p.shipment.serial for p in flight.parcels if p.shipment]
        if self._refused is not None and self._refused.shipment is not None:
            waiting.append(self._refused.shipment.serial)
        oldest = min([*waiting, self._cutter.serial])
        for serial in range(self._ring.released + 1, oldest):
            self._ring.release(serial)

    def bring_backlog(self, timeout_s: float) -> None:
        """Go on with what has left the journal, which may be closed."""
        self._transport.acknowledged(timeout_s)

    def let_go_of_journal(self) -> None:
        """Let go of the journal's memory: nothing is sent any more."""
        self._cutter.close()
        self._transport.seal()

    def leave_to_parent(self) -> None:
        """In a forked child: let go of locks."""
        self._transport.leave_to_parent()

    def close(self) -> None:
        """Let go of the journal's memory and of the transport."""
        self._cutter.close()
        self._transport.close()

    def _has_room(self) -> bool:
        """Whether another shipment may leave, perhaps after a moment."""
        if self._transport.full:
            self.collect(ROOM_WAIT_S)
        return not self._transport.full and len(self._in_flight.parcels) < MAX_IN_FLIGHT

    def _send_refused(self) -> bool:
        if self._refused is not None:
            parcel, self._refused = self._refused, None
            self._send(parcel)
        return self._refused is None

    def _send(self, parcel: _Parcel) -> None:
        try:
            self._transport.send(self._in_flight.next_ticket, parcel.messages)
        except TransportDown as error:
            self._refused = parcel
            tell_down(self._warn, error)
        else:
            self._in_flight.parcels.append(parcel)


def deliver_all(courier: Courier, *, give_up: Callable[[], bool] = lambda: False) -> bool:
    """Ship everything that is committed and wait until it has arrived; False when `give_up` said so first."""
    retry = FIRST_RETRY_S
    while True:
        accepted = courier.ship(None)
        if accepted and courier.idle:
            return True
        if give_up():
            return False
        if accepted:
            courier.collect(retry)
        else:
            time.sleep(retry)
            retry = min(2 * retry, LAST_RETRY_S)
