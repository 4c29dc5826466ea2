"""Ships a journal: cuts what was logged, sends it, gives journal space back once it has arrived, sends heartbeats."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from .batches import Cutter, Message
from .journal import layout
from .journal.ahead import Ahead
from .journal.ring import Ring, Shipment
from .status import status_message
from .transport.base import Transport, TransportDown

LINGER_S = 1.0
"""How long a row waits at most before it leaves: longer makes fewer, larger messages, shorter fresher charts."""
MAX_IN_FLIGHT = 64
"""Shipments sent and not acknowledged: 48 MiB at most, and far below the journal's table of shipments."""
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

    def ship(self, limit: int | None) -> bool:
        """Send what lies before `limit`; False when the event log refuses. Collects acknowledgements."""
        while self._send_refused() and len(self._in_flight.parcels) < MAX_IN_FLIGHT:
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

    def close(self) -> None:
        """Let go of the journal's memory and of the transport."""
        self._cutter.close()
        self._transport.close()

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
            self._warn("transport", f"{error}; training goes on, and what is logged waits in the journal")
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


class Shipper:
    """The thread around a Courier: wakes up every LINGER_S, when a chunk is full, and when the attempt ends."""

    def __init__(
        self,
        ring: Ring,
        courier: Courier,
        *,
        position: Callable[[], int],
        moment: Callable[[], int],
        heartbeat_s: float,
        warn: Callable[[str, str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`position` is the writer's, `moment` the attempt's clock in µs."""
        self._ring = ring
        self._courier = courier
        self._ahead = Ahead(ring)
        self._position = position
        self._moment = moment
        self._heartbeat_s = heartbeat_s
        self._warn = warn
        self._monotonic = monotonic
        # A queue, because a signal handler may raise inside of `wake`: an Event would stay locked.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._ending = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runstream-shipper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Ship now what there is."""
        self._wakes.put(None)

    def finish(self, timeout_s: float) -> bool:
        """Ship the rest and the final status; False when that took longer. Assumes that the writer is closed.

        May be called again, to wait longer.
        """
        self._ending.set()
        self._wakes.put(None)
        return self._done.wait(timeout_s)

    def _work(self) -> None:
        try:
            self._ship_until_the_end()
            self._ship_the_end()
        except Exception as error:
            self._warn("error", f"shipping stopped: {error!r:.300}; `runstream sync` ships the journal later")

    def _ship_until_the_end(self) -> None:
        heartbeat_at = self._monotonic()
        pause, retry = LINGER_S, FIRST_RETRY_S
        while not self._ending.is_set():
            position = self._position()
            self._ahead.prepare(position)
            if self._courier.ship(position):
                pause, retry = LINGER_S, FIRST_RETRY_S
                if self._monotonic() >= heartbeat_at:
                    heartbeat_at = self._monotonic() + self._heartbeat_s
                    self._courier.send_status(self._status("running", "", final=False))
            else:
                pause, retry = retry, min(2 * retry, LAST_RETRY_S)
            self._sleep(pause)

    def _sleep(self, pause_s: float) -> None:
        try:
            self._wakes.get(timeout=pause_s)
        except Empty:
            pass

    def _ship_the_end(self) -> None:
        deliver_all(self._courier)
        state, error = self._ring.end
        self._courier.send_status(self._status(state, error, final=True))
        deliver_all(self._courier)
        self._courier.close()
        self._ring.close(remove=True)
        self._done.set()

    def _status(self, state: str, error: str, *, final: bool) -> Message:
        moment = self._moment()
        self._ring.set_word(layout.AT_STATUS_TIME, moment)
        return status_message(self._ring, self._courier.last, time=moment, state=state, error=error, final=final)
