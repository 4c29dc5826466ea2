"""The topics of a broker as a source: one member of a consumer group.

A partition that another worker takes over is first announced to whoever listens, so that what is stored is committed
and the rest dropped. A partition that cannot go on by itself is explained by a notice; nothing is jumped over in
silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from runstream_ingest.clock import Clock
from runstream_ingest.observer import Observer
from runstream_ingest.sources import record
from runstream_ingest.sources.commits import Commits, Place
from runstream_ingest.sources.damage import Damage
from runstream_ingest.sources.held import Held
from runstream_ingest.sources.lag import Lag
from runstream_ingest.sources.refusal import BrokerRefuses, refusal
from runstream_ingest.sources.source import Message, Notice, Partition, Positions, Released

CONSUME_MESSAGES: Final = 500
"""More at once is slower, and a larger number waits longer for its last message."""

Make = Callable[[Mapping[str, Any]], Consumer]
"""Makes the consumer from the callbacks that are added to its configuration."""


class KafkaTopics:
    """Source on topics. All methods, and the callbacks within them, run in the thread that polls."""

    def __init__(
        self,
        make: Make,
        topics: Mapping[str, str],
        *,
        clock: Clock,
        observer: Observer,
        unknown_schema_wait_s: float,
    ) -> None:
        """`topics` maps each topic to its event."""
        self._events = topics
        self._clock = clock
        self._observer = observer
        self._released: Released = lambda partitions, lost: None
        self._partitions: dict[Place, Partition] = {}
        self._held = Held(clock, unknown_schema_wait_s)
        self._commits = Commits(clock, observer)
        self._given_up: set[bytes] = set()
        self._early: list[Any] = []
        self._gone: set[Place] = set()
        self._came_back = False
        self._starts: dict[Place, int] = {}
        self._unstarted = False
        self._ended: set[Place] = set()
        self._damage = Damage()
        self._paused = False
        self._notices: list[Notice] = []
        self._said: set[tuple[str, str]] = set()
        self._lag = Lag(clock, lambda place, messages: observer.lag(self._partition(*place), messages))
        self._ask = CONSUME_MESSAGES
        self._consumer = make({"error_cb": self._on_error, "on_commit": self._commits.answered})
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def listen(self, released: Released) -> None:
        """Announce partitions before they go to another worker."""
        self._released = released

    def poll(self, max_bytes: int, timeout_s: float) -> list[Message]:
        """Events of all partitions that are not waiting for a schema. Raises BrokerRefuses."""
        self._resume()
        records = self._early or self._consume(self._ask, timeout_s)
        self._early = []
        messages = [*self._no_longer_held(), *self._messages(records)]
        if records:
            # With messages of a megabyte a full round would hold half a gigabyte.
            size = sum(len(message.datum) for message in messages) // len(records) + 1
            self._ask = max(1, min(CONSUME_MESSAGES, max_bytes // size))
        self._commits.send_again(self._consumer)
        self._lag.tell(self._consumer, self._ended)
        return messages

    def wait_for_events(self, timeout_s: float) -> bool:
        """Whether there is something to poll, without taking it."""
        self._resume()
        if not self._early:
            self._early = self._consume(self._ask, timeout_s)
        self._commits.send_again(self._consumer)
        return bool(self._early or self._held.ripe())

    def caught_up(self) -> bool:
        """Whether every partition of this worker has been read to its end, as far as that is known."""
        places = self._assigned()
        return bool(places) and places <= self._ended and not self._early and not self._held

    def rewind(self) -> None:
        """Read on from what is committed: what was given away since did not arrive."""
        self._early = []
        self._held.clear()
        self._read_again()

    def commit(self, positions: Positions) -> None:
        """Commit in the background: an answer that does not come must not stop the worker."""
        offsets = {(part.source, int(part.name)): offset for part, offset in positions.items()}
        self._commits.send(self._consumer, offsets)

    def keep_alive(self) -> None:
        """Fetch nothing more, and stay a member of the group."""
        # Partitions that a rebalance brings arrive running, so all are paused each time.
        self._consumer.pause(self._consumer.assignment())
        self._paused = True
        # Not `+=`: fetching may take records out of what came early.
        came = self._consume(CONSUME_MESSAGES, 0)
        self._early = [*self._early, *came]

    def notices(self) -> list[Notice]:
        """What is new to say since the last call."""
        found, self._notices = self._notices, []
        return found

    def close(self) -> None:
        """Leave the group, after the commits on the way."""
        self._consumer.close()

    def _consume(self, count: int, timeout_s: float) -> list[Any]:
        """Records, without those of partitions that were taken away while they were fetched. Raises BrokerRefuses."""
        self._gone.clear()
        try:
            answers = self._consumer.consume(count, timeout_s)
        except KafkaException as raised:
            raise (refusal(raised.args[0]) or BrokerRefuses(raised.args[0].str())) from raised
        records = []
        for answer in answers:
            place: Place = (answer.topic() or "", answer.partition() or 0)
            if place in self._gone:
                continue
            error = answer.error()
            if error is not None:
                self._take_error(error, answer)
                continue
            self._ended.discard(place)
            self._damage.over(place)
            self._starts.pop(place, None)
            records.append(answer)
        if self._gone:
            records = [found for found in records if (found.topic(), found.partition()) not in self._gone]
        if self._came_back:
            # Gone and back in one call: nobody knows which records are old, so all is read from what is committed.
            self._came_back = False
            self._read_again()
        elif self._unstarted:
            self._start()
        return records

    def _read_again(self) -> None:
        """Read all partitions of this worker from what is committed."""
        self._ended.clear()
        self._starts.clear()
        self._unstarted = False
        self._assign_anew({})

    def _start(self) -> None:
        """Read some partitions from elsewhere, and all others on from where they are.

        The client does this only to all at once: a partition of which it gave an error cannot be sought in.
        """
        self._unstarted = False
        here = self._consumer.position([TopicPartition(*place) for place in self._assigned()])
        self._assign_anew({(place.topic, place.partition): place.offset for place in here} | self._starts)

    def _assign_anew(self, offsets: Mapping[Place, int]) -> None:
        """Read the partitions of this worker from these offsets, and from what is committed where there is none."""
        places = self._assigned()
        if places:
            self._consumer.assign([TopicPartition(*place, offsets.get(place, OFFSET_INVALID)) for place in places])
            # The client remembers who was paused.
            self._paused = True

    def _resume(self) -> None:
        """End the pause that `keep_alive` began."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._running())

    def _messages(self, records: Sequence[Any]) -> Iterator[Message]:
        for kafka_record in records:
            partition = self._partition(kafka_record.topic(), kafka_record.partition())
            if partition in self._held:
                self._held.keep(partition, kafka_record)
                continue
            fingerprint = record.unknown_fingerprint(kafka_record.value())
            if fingerprint is not None and fingerprint not in self._given_up:
                self._hold(partition, kafka_record, fingerprint)
                continue
            yield record.message(kafka_record, self._events[partition.source], partition)

    def _hold(self, partition: Partition, kafka_record: Any, fingerprint: bytes) -> None:
        self._consumer.pause([TopicPartition(partition.source, int(partition.name))])
        self._held.keep(partition, kafka_record)
        self._observer.unknown_schema()
        self._note(
            partition,
            "unknown_schema",
            f"has an event at offset {kafka_record.offset()} whose schema this runstream does not know "
            f"(fingerprint {fingerprint.hex()}): it waits {self._held.wait_s:.0f} s for a newer worker, "
            "then is put aside",
        )

    def _no_longer_held(self) -> list[Message]:
        """The messages of partitions that have waited long enough."""
        messages: list[Message] = []
        for partition in self._held.ripe():
            records = self._held.take(partition)
            fingerprint = record.unknown_fingerprint(records[0].value())
            assert fingerprint is not None, "that is why it was held"
            self._given_up.add(fingerprint)
            messages += self._messages(records)
            if partition not in self._held:
                self._consumer.resume([TopicPartition(partition.source, int(partition.name))])
        return messages

    def _take_error(self, error: KafkaError, kafka_record: Any) -> None:
        code = error.code()
        place: Place = (kafka_record.topic() or "the broker", kafka_record.partition())
        refused = refusal(error)
        if refused is not None:
            raise refused
        if code == KafkaError._PARTITION_EOF:
            self._ended.add(place)
        elif code in (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION):
            self._leave_out(place, kafka_record.offset(), error)
        elif code == KafkaError._AUTO_OFFSET_RESET:
            self._begin_again(place, kafka_record.offset())
        elif self._damage.trying(place) is None:  # there, the client only fails to read on from where it stopped
            self._note_once(place[0], "broker", f"answers {error.name()}: {error.str()}")

    def _begin_again(self, place: Place, offset: int | None) -> None:
        """There is no committed offset, or reading came to one that the partition does not hold: read what it has."""
        if place not in self._assigned() or self._damage.trying(place) not in (None, offset):
            return
        # The topic may be another one of the same name: positions of the old one mean nothing in it.
        self._let_go([TopicPartition(*place)], lost=True)
        self._read_from(place, OFFSET_BEGINNING)
        if offset is not None:
            text = f"no longer holds offset {offset}, where reading was to go on: it is read from its first one"
            self._note(self._partition(*place), "expired", text)

    def _leave_out(self, place: Place, batch: int, error: KafkaError) -> None:
        """Go on behind a damaged batch."""
        if place not in self._assigned():
            return
        if self._damage.is_new(place, batch):
            text = f"is damaged at the broker: the events from offset {batch} to the next whole one are lost"
            self._note(self._partition(*place), "damaged", f"{text} ({error.str()})")
        self._read_from(place, self._damage.next_try(place, batch))

    def _read_from(self, place: Place, offset: int) -> None:
        self._starts[place] = offset
        self._unstarted = True

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.assign(places)
        # Where reading was paused before, the client would stay paused.
        consumer.resume(places)
        self._came_back = any((place.topic, place.partition) in self._gone for place in places)
        self._observer.rebalanced(len(consumer.assignment()))

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._let_go(places, lost=False)

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._let_go(places, lost=True)

    def _let_go(self, places: list[TopicPartition], *, lost: bool) -> None:
        gone = [self._partition(place.topic, place.partition) for place in places]
        self._released(gone, lost)
        for partition in gone:
            self._held.take(partition)
            self._observer.lag(partition, None)
        keys = {(place.topic, place.partition) for place in places}
        self._gone |= keys
        self._ended -= keys
        for key in keys:
            self._damage.over(key)
            self._starts.pop(key, None)
        self._commits.forget(keys)
        self._early = [early for early in self._early if (early.topic(), early.partition()) not in keys]

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._ALL_BROKERS_DOWN):
            self._note_once("the broker", error.name(), f"is not reached: {error.str()}; it is tried again")

    def _assigned(self) -> set[Place]:
        return {(place.topic, place.partition) for place in self._consumer.assignment()}

    def _running(self) -> list[TopicPartition]:
        """The assignment without what waits for a schema."""
        return [TopicPartition(*place) for place in self._assigned() if self._partition(*place) not in self._held]

    def _partition(self, topic: str, number: int) -> Partition:
        found = self._partitions.get((topic, number))
        if found is None:
            found = self._partitions[topic, number] = Partition(topic, str(number))
        return found

    def _note(self, partition: Partition, kind: str, text: str) -> None:
        self._notices.append(Notice(partition, kind, text))

    def _note_once(self, what: str, kind: str, text: str) -> None:
        if (what, kind) not in self._said:
            self._said.add((what, kind))
            self._note(Partition(what, ""), kind, text)
