"""A consumer that does what a test tells it: rebalances come in the middle of a call, as they do at a broker."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, TopicPartition
from scripted import FakeClock

from runstream_ingest.observer import Observer
from runstream_ingest.sources.kafka import KafkaTopics

TOPIC = "t.metric"
Call = Callable[["ScriptedConsumer"], Sequence[Any]]
"""What happens within one call of consume, and what it gives."""


class Record:
    """A record of a partition, or an error."""

    def __init__(
        self, partition: int, offset: int | None, value: bytes | None = b"", error: KafkaError | None = None
    ) -> None:
        self._topic, self._partition, self._offset, self._value, self._error = TOPIC, partition, offset, value, error

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int | None:
        return self._offset

    def value(self) -> bytes | None:
        return self._value

    def error(self) -> KafkaError | None:
        return self._error

    def key(self) -> bytes | None:
        return None

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)


class ScriptedConsumer:
    """As much of confluent_kafka.Consumer as the source uses."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = list(calls)
        self.assigned: dict[int, int] = {}
        """Partition → where reading begins; a negative number stands for what is committed."""
        self.positions: dict[int, int] = {}
        """Behind the last record that was given, for partitions that gave one."""
        self.paused: set[int] = set()
        self.commits: list[dict[int, int]] = []
        self.callbacks: dict[str, Any] = {}

    def made_with(self, callbacks: Mapping[str, Any]) -> "ScriptedConsumer":
        self.callbacks.update(callbacks)
        return self

    def subscribe(self, topics: Sequence[str], **callbacks: Any) -> None:
        self.callbacks.update(callbacks)

    def consume(self, count: int, timeout_s: float) -> Sequence[Any]:
        return self.calls.pop(0)(self) if self.calls else []

    def assign_in_group(self, *partitions: int) -> None:
        self.callbacks["on_assign"](self, [TopicPartition(TOPIC, number) for number in partitions])

    def take_away(self, *, lost: bool = False) -> None:
        """A rebalance takes everything first."""
        self.callbacks["on_lost" if lost else "on_revoke"](self, self.assignment())
        self.assigned.clear()

    def answer_commit(self, code: int | None, index: int = -1) -> None:
        places = [TopicPartition(TOPIC, number, offset) for number, offset in self.commits[index].items()]
        self.callbacks["on_commit"](None if code is None else KafkaError(code), places)

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned = {place.partition: place.offset for place in places}

    def position(self, places: Sequence[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, place.partition, self.positions.get(place.partition, -1001)) for place in places]

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC, number) for number in self.assigned]

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self.paused |= {place.partition for place in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        self.paused -= {place.partition for place in places}

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        self.commits.append({place.partition: place.offset for place in offsets})

    def close(self) -> None:
        self.take_away()


def source_of(consumer: ScriptedConsumer, clock: FakeClock, observer: Observer | None = None) -> KafkaTopics:
    return KafkaTopics(
        consumer.made_with,  # type: ignore[arg-type]  # it is a consumer in all that matters
        {TOPIC: "metric"},
        clock=clock,
        observer=observer or Observer(),
        unknown_schema_wait_s=300.0,
    )
