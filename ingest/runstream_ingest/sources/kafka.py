"""The topics of a broker as a source: one member of a consumer group.

A partition that another worker takes over is first announced to whoever listens, so that what is stored is committed
and the rest dropped. A partition that cannot go on by itself is explained by a notice; nothing is jumped over in
silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from runstream_ingest.clock import Clock
from runstream_ingest.observer import Observer
from runstream_ingest.sources import record
from runstream_ingest.sources.source import LogFailed, Message, Notice, Partition, Positions, Released

CONSUME_MESSAGES: Final = 500
"""More at once is slower, and a larger number waits longer for its last message."""

LAG_EVERY_S: Final = 5.0

Make = Callable[[Mapping[str, Any]], Consumer]
"""Makes the consumer from the callbacks that are added to its configuration."""

FATAL: Final[Mapping[int, str]] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not read the topics: grant it READ on them",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not join the consumer group: grant it READ on the group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not use the cluster",
}
"""Errors that no retry can mend, with what to do."""


class BrokerRefuses(LogFailed):
    """The broker does not let this worker read; the message says what to grant."""


@dataclass
class _Held:
    """A partition that waits for a version of runstream that knows the schema of its next message."""

    since: float
    records: list[Any] = field(default_factory=list)


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
        self._unknown_schema_wait_s = unknown_schema_wait_s
        self._released: Released = lambda partitions, lost: None
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._held: dict[Partition, _Held] = {}
        self._given_up: set[bytes] = set()
        self._early: list[Any] = []
        self._gone: set[tuple[str, int]] = set()
        self._again: list[TopicPartition] = []
        self._paused = False
        self._notices: list[Notice] = []
        self._said: set[tuple[str, str]] = set()
        self._lag_at = clock.monotonic()
        self._ask = CONSUME_MESSAGES
        self._consumer = make({"error_cb": self._on_error, "on_commit": self._on_commit})
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def listen(self, released: Released) -> None:
        """Announce partitions before they go to another worker."""
        self._released = released

    def poll(self, max_bytes: int, timeout_s: float) -> list[Message]:
        """Events of all partitions that are not waiting for a schema. Raises BrokerRefuses or KafkaException."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._running())
        records = self._early or self._consume(self._ask, timeout_s)
        self._early = []
        messages = [*self._no_longer_held(), *self._messages(records)]
        if records:
            # With messages of a megabyte a full round would hold half a gigabyte.
            size = sum(len(message.datum) for message in messages) // len(records) + 1
            self._ask = max(1, min(CONSUME_MESSAGES, max_bytes // size))
        self._tell_lag()
        return messages

    def wait_for_events(self, timeout_s: float) -> bool:
        """Whether there is something to poll, without taking it."""
        if not self._early:
            self._early = self._consume(self._ask, timeout_s)
        return bool(self._early or self._held)

    def caught_up(self) -> bool:
        """Whether every partition of this worker has been read to its end, as far as that is known."""
        places = self._consumer.assignment()
        if not places or self._early or self._held:
            return False
        for place in self._consumer.position(places):
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            if high < 0 or max(place.offset, 0) < high:
                return False
        return True

    def rewind(self) -> None:
        """Read on from what is committed: what was given away since did not arrive."""
        places = self._consumer.assignment()
        self._early, self._held = [], {}
        self._consumer.incremental_unassign(places)
        self._consumer.incremental_assign([TopicPartition(place.topic, place.partition) for place in places])

    def commit(self, positions: Positions) -> None:
        """Commit in the background: an answer that does not come must not stop the worker."""
        offsets = [TopicPartition(part.source, int(part.name), offset) for part, offset in positions.items()]
        self._consumer.commit(offsets=offsets, asynchronous=True)

    def keep_alive(self) -> None:
        """Fetch nothing more, and stay a member of the group."""
        # Partitions that a rebalance brings arrive running, so all are paused each time.
        self._consumer.pause(self._consumer.assignment())
        self._paused = True
        self._early += self._consume(CONSUME_MESSAGES, 0)

    def notices(self) -> list[Notice]:
        """What is new to say since the last call."""
        found, self._notices = self._notices, []
        return found

    def close(self) -> None:
        """Leave the group, after the commits on the way."""
        self._consumer.close()

    def _consume(self, count: int, timeout_s: float) -> list[Any]:
        """Records, without those of partitions that were taken away while they were fetched."""
        self._gone.clear()
        records = self._consumer.consume(count, timeout_s)
        if self._gone:
            records = [found for found in records if (found.topic(), found.partition()) not in self._gone]
        if self._again:
            # Gone and back in one call: nobody knows which records are old, so it is read from what is committed.
            self._consumer.incremental_unassign(self._again)
            self._consumer.incremental_assign([TopicPartition(place.topic, place.partition) for place in self._again])
            self._again = []
        return records

    def _messages(self, records: Sequence[Any]) -> Iterator[Message]:
        for kafka_record in records:
            error = kafka_record.error()
            if error is not None:
                self._take_error(error, kafka_record)
                continue
            partition = self._partition(kafka_record.topic(), kafka_record.partition())
            if partition in self._held:
                self._held[partition].records.append(kafka_record)
                continue
            fingerprint = record.unknown_fingerprint(kafka_record.value())
            if fingerprint is not None and fingerprint not in self._given_up:
                self._hold(partition, kafka_record, fingerprint)
                continue
            yield record.message(kafka_record, self._events[partition.source], partition)

    def _hold(self, partition: Partition, kafka_record: Any, fingerprint: bytes) -> None:
        self._consumer.pause([TopicPartition(partition.source, int(partition.name))])
        self._held[partition] = _Held(self._clock.monotonic(), [kafka_record])
        self._observer.unknown_schema()
        self._note(
            partition,
            "unknown_schema",
            f"has an event at offset {kafka_record.offset()} whose schema this runstream does not know "
            f"(fingerprint {fingerprint.hex()}): it waits {self._unknown_schema_wait_s:.0f} s for a newer worker, "
            "then is put aside",
        )

    def _no_longer_held(self) -> list[Message]:
        """The messages of partitions that have waited long enough."""
        now = self._clock.monotonic()
        ripe = [part for part, held in self._held.items() if now - held.since >= self._unknown_schema_wait_s]
        messages: list[Message] = []
        for partition in ripe:
            records = self._held.pop(partition).records
            fingerprint = record.unknown_fingerprint(records[0].value())
            assert fingerprint is not None, "that is why it was held"
            self._given_up.add(fingerprint)
            messages += self._messages(records)
            if partition not in self._held:
                self._consumer.resume([TopicPartition(partition.source, int(partition.name))])
        return messages

    def _take_error(self, error: KafkaError, kafka_record: Any) -> None:
        code = error.code()
        if code in FATAL:
            raise BrokerRefuses(f"{FATAL[code]} ({error.str()})")
        if code == KafkaError._AUTO_OFFSET_RESET:
            self._begin_again(kafka_record.topic(), kafka_record.partition(), kafka_record.offset())
            return
        topic = kafka_record.topic() or "the broker"
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._note_once(topic, "vanished", "does not exist at the broker (any more); run `runstream topics create`")
        else:
            self._note_once(topic, "broker", f"answers {error.name()}: {error.str()}")

    def _begin_again(self, topic: str, number: int, offset: int | None) -> None:
        """There is no committed offset yet, or it lies outside of what the partition holds: read what there is."""
        place = TopicPartition(topic, number, OFFSET_BEGINNING)
        self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])
        if offset is not None:
            text = f"no longer holds offset {offset}, where reading was to go on: it is read from its first one"
            self._note(self._partition(topic, number), "expired", text)

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        self._again += [place for place in places if (place.topic, place.partition) in self._gone]
        self._observer.rebalanced(len(consumer.assignment()))

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._let_go(places, lost=False)

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._let_go(places, lost=True)

    def _let_go(self, places: list[TopicPartition], *, lost: bool) -> None:
        gone = [self._partition(place.topic, place.partition) for place in places]
        self._released(gone, lost)
        for partition in gone:
            self._held.pop(partition, None)
            self._observer.lag(partition, None)
        keys = {(place.topic, place.partition) for place in places}
        self._gone |= keys
        self._early = [early for early in self._early if (early.topic(), early.partition()) not in keys]

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError._ALL_BROKERS_DOWN):
            self._note_once("the broker", error.name(), f"is not reached: {error.str()}; it is tried again")

    def _on_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Whatever it was: the same positions, or later ones, are committed by the next one, here or elsewhere."""
        failed = error or next((place.error for place in places if place.error is not None), None)
        self._observer.commit_answered(None if failed is None else failed.name())

    def _running(self) -> list[TopicPartition]:
        """The assignment without what waits for a schema."""
        held = {(part.source, int(part.name)) for part in self._held}
        return [place for place in self._consumer.assignment() if (place.topic, place.partition) not in held]

    def _tell_lag(self) -> None:
        now = self._clock.monotonic()
        if now - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = now
        try:
            for place in self._consumer.position(self._consumer.assignment()):
                _, high = self._consumer.get_watermark_offsets(place, cached=True)
                if place.offset >= 0 and high >= 0:
                    self._observer.lag(self._partition(place.topic, place.partition), max(high - place.offset, 0))
        except KafkaException:
            pass  # a partition that has just gone: its lag is another worker's

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
