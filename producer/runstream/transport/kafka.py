"""The event log as a broker's topics: one message each, keyed by run and rank, and a spill for what it does not take.

A shipment needs the journal no more once every message of it is at the broker or in the spill. While the broker is away
messages wait, first in memory and in the journal; they are spilled when the client gives one up, when the journal is
more than half full, or when the broker refuses just them. Once it answers again new messages go to it at once, and the
spilled ones beside them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runstream_schemas.avro import current

from ..batches import Message
from .base import Backlog, TransportDown, tell_down
from .broker import Broker, Offer, Report
from .connection import Unusable
from .feed import Feed, Outcome
from .spill import Spill

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

WINDOW_BYTES: Final = 4 * 1024 * 1024
"""On the way at once: 40 MB/s where an acknowledgement takes 0.1 s. All of it is held twice, here and by the client."""
PATIENCE_S: Final = 1.0
"""How long a broker may be silent before a journal that fills up is emptied into the spill."""
QUIET_S: Final = 10.0
"""How long it may be silent before that is said: one that starts again takes 3 to 10 s."""
LOCKED_OUT_S: Final = 2.0
"""The same when it does not let us in: waiting will not help."""
AGAIN_S: Final = 1.0
"""Pause after the disk refused a message, before it is offered again."""
CONSEQUENCE: Final = "training goes on, and what is logged is kept on this machine"


@dataclass(slots=True, eq=False)
class _Parcel:
    """A shipment on its way."""

    number: int
    waiting: dict[Offer, Message] = field(default_factory=dict)
    """Messages that are neither at the broker nor in the spill."""


class KafkaTransport:
    """Transport to a broker's topics."""

    def __init__(
        self,
        broker: Broker,
        spill: Spill,
        *,
        pressed: Callable[[], bool],
        warn: Callable[[str, str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pressed` tells that the journal fills up; `warn(kind, message)` says something once for each kind."""
        self._broker = broker
        self._spill = spill
        self._feed = Feed(spill, broker, monotonic)
        self._pressed = pressed
        self._warn = warn
        self._monotonic = monotonic
        self._parcels: deque[_Parcel] = deque()
        self._acknowledged = 0
        self._homeless: list[Offer] = []
        """Offers that neither the broker nor the disk took."""
        self._disk_at = 0.0
        """When to try the disk again."""
        self._quiet_since = monotonic()
        self._probe: Offer | None = None
        """While the broker is away, the last thing it did not take: offered again until it answers."""
        self._unusable = self._refusal = ""

    @property
    def full(self) -> bool:
        """Enough is on the way, and the journal has room for the rest."""
        return self._crowded and self._probe is None and not self._pressed()

    @property
    def backlog(self) -> Backlog | None:
        """What is in the spill."""
        return Backlog(self._spill.points, self._spill.directory) if self._spill else None

    @property
    def trouble(self) -> str:
        """Why the broker takes nothing or not all, or what of the spill cannot be read."""
        error = self._broker.trouble or self._broker.topic_trouble
        silent = self._broker.waiting_bytes > 0 and self._monotonic() - self._quiet_since > PATIENCE_S
        if not self._unusable and (error is not None or silent):
            return self._broker.complaint(error)
        return self._unusable or self._feed.damage or (self._refusal if self._spill else "")

    def send(self, number: int, messages: Sequence[Message]) -> None:
        """Send to the broker, or put into the spill while it is away. Raises TransportDown."""
        parcel = _Parcel(number)
        if self._probe is not None or (self._crowded and self._pressed()):
            try:
                self._put(messages)
            except OSError as error:
                raise TransportDown(self._disk_trouble(error)) from error
        else:
            try:
                for message in messages:
                    self._offer(parcel, message)
            except Unusable as error:
                raise TransportDown(str(error)) from error
        self._parcels.append(parcel)

    def acknowledged(self, timeout_s: float) -> int:
        """All shipments below this number are at the broker or in the spill."""
        try:
            self._work(timeout_s)
            self._unusable = ""
        except Unusable as error:
            self._unusable = str(error)
            self._warn("broker", f"{error}; {CONSEQUENCE}")
            time.sleep(timeout_s)
        while self._parcels and not self._parcels[0].waiting:
            self._acknowledged = self._parcels.popleft().number + 1
        return self._acknowledged

    def seal(self) -> None:
        """Let go of the spill's segments: of many runs that wait for one broker, each would keep six files open."""
        self._spill.seal()

    def leave_to_parent(self) -> None:
        """Let go of the spill's lock."""
        self._spill.leave_to_parent()

    def close(self) -> None:
        """Let go of the spill. What is on the way stays with the client, which the whole process shares."""
        self._spill.close()

    @property
    def _crowded(self) -> bool:
        return self._broker.waiting_bytes >= WINDOW_BYTES

    def _work(self, timeout_s: float) -> None:
        """Note what has arrived, find places for what has not, and send what waits."""
        self._send_waiting()
        for report in self._broker.reports(timeout_s):
            self._note(report)
        now = self._monotonic()
        if not self._broker.waiting_bytes and self._probe is None:
            self._quiet_since = now
        silence_s = now - self._quiet_since
        if self._broker.topic_trouble is not None:
            self._complain(self._broker.topic_trouble)
        if silence_s > (LOCKED_OUT_S if self._broker.is_locked_out else QUIET_S):
            self._complain(self._broker.trouble)
        if now >= self._disk_at:
            if silence_s > PATIENCE_S and (self._probe is not None or self._pressed()):
                self._empty_into_spill()
            self._offer_homeless()
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Send some of what was spilled, or ask whether the broker is back."""
        if self._probe is None:
            self._feed.go_on()
        elif not self._broker.waiting_bytes:
            self._broker.offer(self._probe)

    def _offer(self, parcel: _Parcel, message: Message) -> None:
        offer = Offer(message.event, current(message.event).header, message.datum, parcel)
        self._broker.offer(offer)
        parcel.waiting[offer] = message

    def _note(self, report: Report) -> None:
        offer, error = report.offer, report.error
        outcome = self._outcome(report)
        if outcome is Outcome.LOST:
            self._probe = Offer(offer.event, offer.header, offer.datum, None)
            self._complain(self._broker.trouble)
        else:
            self._quiet_since = self._monotonic()
            self._probe = None
        if error is not None and outcome is Outcome.REFUSED:
            self._refusal = self._broker.complaint(error, offer.event)
            self._complain(error, offer.event)
        if offer.owner is self._feed:
            self._feed.note(offer, outcome)
        elif isinstance(offer.owner, _Parcel) and offer in offer.owner.waiting:
            if outcome is Outcome.ARRIVED:
                del offer.owner.waiting[offer]
            else:
                self._keep(offer, offer.owner)

    def _outcome(self, report: Report) -> Outcome:
        from .complaints import is_refusal

        if report.error is None:
            return Outcome.ARRIVED
        return Outcome.REFUSED if is_refusal(report.error.code()) else Outcome.LOST

    def _keep(self, offer: Offer, parcel: _Parcel) -> None:
        """Put a message into the spill that the broker did not take, or offer it again later."""
        try:
            self._put([parcel.waiting[offer]])
        except OSError as error:
            self._note_disk(error)
            self._homeless.append(offer)
        else:
            del parcel.waiting[offer]

    def _offer_homeless(self) -> None:
        homeless, self._homeless = self._homeless, []
        for offer in homeless:
            assert isinstance(offer.owner, _Parcel), "what was spilled has a place"
            if offer in offer.owner.waiting:
                self._broker.offer(offer)

    def _empty_into_spill(self) -> None:
        """Wait no more, the broker is away or the journal fills up. What the client has may arrive a second time."""
        try:
            for parcel in self._parcels:
                if parcel.waiting:
                    self._put(list(parcel.waiting.values()))
                    offer, _ = parcel.waiting.popitem()
                    self._probe = Offer(offer.event, offer.header, offer.datum, None)
                    parcel.waiting.clear()
        except OSError as error:
            self._note_disk(error)

    def _put(self, messages: Sequence[Message]) -> None:
        self._spill.put(messages)
        self._warn("spill", f"what the broker does not take is kept in {self._spill.directory} until it does")

    def _note_disk(self, error: OSError) -> None:
        self._disk_at = self._monotonic() + AGAIN_S
        tell_down(self._warn, self._disk_trouble(error))

    def _disk_trouble(self, error: OSError) -> str:
        return f"cannot write to {self._spill.directory}: {error.strerror or error}"

    def _complain(self, error: KafkaError | None, event: str = "") -> None:
        complaint = self._broker.complaint(error, event)
        # The same trouble has other details each time, in brackets.
        self._warn(complaint.partition(" (")[0], f"{complaint}; {CONSEQUENCE}")
