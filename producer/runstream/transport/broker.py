"""Messages on their way to the topics of a broker, each with a report in the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from runstream_schemas.kafka import KafkaSettings, message_key

from .connection import BATCH_BYTES, Connection, connect, renew

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

POLL_S: Final = 0.05
"""Another run's thread may be given our report: who waits looks for it so often."""
AT_ONCE: Final = 5
"""Messages of one topic with the client, unless more fit into one batch. It has so many of one partition on the way; as
long as it has more than that of an idempotent producer, its thread takes a whole core until the broker answers."""
METRIC: Final = "metric"


@dataclass(slots=True, eq=False)
class Offer:
    """A message that is offered to the broker."""

    event: str
    header: bytes
    """Of its schema, in front of the datum."""
    datum: bytes
    owner: object
    """Whoever wants to know its outcome."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an offer: None when the broker has it."""

    offer: Offer
    error: KafkaError | None


@dataclass(slots=True)
class _Lane:
    """The messages of one topic: in order, and none waits for another topic's."""

    unsent: deque[Offer] = field(default_factory=deque)
    sent: int = 0
    """How many the client has, without a report."""


class Broker:
    """Sends the messages of one rank, in order. Owned by one thread; connects when it is first used.

    Methods raise `connection.Unusable`.
    """

    def __init__(
        self,
        url: str,
        settings: KafkaSettings,
        run_id: UUID,
        rank: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.settings = settings
        self._key = message_key(run_id, rank)
        self._monotonic = monotonic
        self._connection: Connection | None = None
        self._lanes: dict[str, _Lane] = {}
        self._on_the_way: dict[int, Offer] = {}
        # Any thread that polls the shared client puts reports in here.
        self._inbox: deque[tuple[Connection, Offer, KafkaError | None]] = deque()
        self.waiting_bytes = 0
        """Bytes of all offers without a report."""
        self.topic_trouble: KafkaError | None = None
        """What was wrong with the topic of metrics when the connection was made."""
        self._broken = False
        """The client is refused for good, and another one is needed."""
        self._broken_by: KafkaError | None = None
        """Why the last one was, until a message arrives."""

    @property
    def trouble(self) -> KafkaError | None:
        """What the client said last, None once the broker took a message."""
        return self._broken_by or (self._connection.trouble if self._connection else None)

    @property
    def is_locked_out(self) -> bool:
        """Whether nothing will arrive before somebody changes a setting, or a right at the broker."""
        from .complaints import is_settings

        return self.trouble is not None and is_settings(self.trouble.code())

    def complaint(self, error: KafkaError | None, event: str = "") -> str:
        """One sentence about an error, or about silence; `event` is that of the message, if there is one."""
        from .complaints import complaint

        topic = self.settings.topic(event or METRIC)
        return complaint(error, self.url, self.settings, topic)

    def offer(self, offer: Offer) -> None:
        """Take over a message, to be sent by `reports`, which tells its outcome in the end."""
        self._connected()
        self._on_the_way[id(offer)] = offer
        self._lane(offer).unsent.append(offer)
        self.waiting_bytes += len(offer.datum)

    def reports(self, timeout_s: float) -> list[Report]:
        """Send, and tell what became of offers since the last call; waits up to the timeout for the first."""
        until = self._monotonic() + timeout_s
        while True:
            self._send()
            left = until - self._monotonic()
            self._poll(0 if self._inbox else min(max(left, 0), POLL_S))
            found = self._collect()
            if found or left <= 0:
                return found

    def _send(self) -> None:
        connection = self._connected()
        for lane in self._lanes.values():
            self._send_lane(connection, lane)

    def _send_lane(self, connection: Connection, lane: _Lane) -> None:
        from confluent_kafka import KafkaException  # loaded by `connect`, which keeps forks away from that

        room = BATCH_BYTES if lane.sent == 0 else 0
        while lane.unsent:
            offer = lane.unsent[0]
            room -= len(offer.datum)
            if lane.sent >= AT_ONCE and room < 0:
                return
            try:
                connection.producer.produce(
                    self.settings.topic(offer.event),
                    offer.header + offer.datum,
                    self._key,
                    on_delivery=partial(self._note, connection, offer),
                )
            except BufferError:
                return  # it goes on when there is room
            except KafkaException as raised:
                if raised.args[0].fatal():
                    self._break(raised.args[0])
                    return
                self._inbox.append((connection, offer, raised.args[0]))
            lane.unsent.popleft()
            lane.sent += 1

    def _note(self, connection: Connection, offer: Offer, error: KafkaError | None, _: Any) -> None:
        self._inbox.append((connection, offer, error))

    def _poll(self, timeout_s: float) -> None:
        producer = self._connected().producer
        from confluent_kafka import KafkaException

        try:
            producer.poll(timeout_s)
        except (KafkaException, SystemError):
            pass  # a fatal error, for which the next message is refused as well

    def _collect(self) -> list[Report]:
        found = []
        while self._inbox:
            connection, offer, error = self._inbox.popleft()
            if connection is not self._connection or id(offer) not in self._on_the_way:
                continue  # it was offered to another client meanwhile
            if error is None:
                connection.trouble = self.topic_trouble = self._broken_by = None
            elif error.fatal():
                self._break(error)
                continue
            del self._on_the_way[id(offer)]
            self._lane(offer).sent -= 1
            self.waiting_bytes -= len(offer.datum)
            found.append(Report(offer, error))
        return found

    def _connected(self) -> Connection:
        if self._broken and self._connection is not None:
            renew(self._connection)
            if connect(self.url, self.settings) is not self._connection:
                # It has nothing of what the broken one did not deliver.
                self._connection, self._broken = None, False
                self._lanes.clear()
                for offer in self._on_the_way.values():
                    self._lane(offer).unsent.append(offer)
        if self._connection is None:
            self._connection = connect(self.url, self.settings)
            found = self._connection.meet(self.settings.event_topics)
            self.topic_trouble = found.get(self.settings.topic(METRIC))
        return self._connection

    def _lane(self, offer: Offer) -> _Lane:
        return self._lanes.setdefault(offer.event, _Lane())

    def _break(self, error: KafkaError) -> None:
        self._broken, self._broken_by = True, error
