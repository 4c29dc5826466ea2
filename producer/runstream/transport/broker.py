"""Messages on their way to the topics of a broker, each with a report in the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from runstream_schemas.kafka import KafkaSettings, message_key

from .connection import Connection, connect, renew

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

POLL_S: Final = 0.05
"""Another run's thread may be given our report: who waits looks for it so often."""
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
        self._unsent: deque[Offer] = deque()
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
        """Send a message; its report comes later."""
        self._connected()
        self._on_the_way[id(offer)] = offer
        self._unsent.append(offer)
        self.waiting_bytes += len(offer.datum)
        self._send()

    def reports(self, timeout_s: float) -> list[Report]:
        """What became of offers since the last call; waits up to the timeout for the first."""
        until = self._monotonic() + timeout_s
        while True:
            self._send()
            left = until - self._monotonic()
            self._poll(0 if self._inbox else min(max(left, 0), POLL_S))
            found = self._collect()
            if found or left <= 0:
                return found

    def _send(self) -> None:
        from confluent_kafka import KafkaException

        connection = self._connected()
        while self._unsent:
            offer = self._unsent[0]
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
            self._unsent.popleft()

    def _note(self, connection: Connection, offer: Offer, error: KafkaError | None, _: Any) -> None:
        self._inbox.append((connection, offer, error))

    def _poll(self, timeout_s: float) -> None:
        from confluent_kafka import KafkaException

        try:
            self._connected().producer.poll(timeout_s)
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
            self.waiting_bytes -= len(offer.datum)
            found.append(Report(offer, error))
        return found

    def _connected(self) -> Connection:
        if self._broken and self._connection is not None:
            renew(self._connection)
            if connect(self.url, self.settings) is not self._connection:
                # It has nothing of what the broken one did not deliver.
                self._connection, self._broken = None, False
                self._unsent = deque(self._on_the_way.values())
        if self._connection is None:
            self._connection = connect(self.url, self.settings)
            self.topic_trouble = self._connection.meet(self.settings.topic(METRIC))
        return self._connection

    def _break(self, error: KafkaError) -> None:
        self._broken, self._broken_by = True, error
