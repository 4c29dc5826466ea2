"""Committing positions to a broker in the background: an answer that does not come must not stop the worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runstream_ingest.clock import Clock
from runstream_ingest.observer import Observer

AGAIN_S: Final = 1.0
"""Positions that the broker did not take are sent again after it: soon enough for whoever watches the group's lag."""

Place = tuple[str, int]
"""A partition as the broker names it: topic and number."""


class Commits:
    """What was sent and what came of it. All methods run in the thread that polls."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self._sent: dict[Place, int] = {}
        self._refused: dict[Place, int] = {}
        self._again_at = clock.monotonic()

    def send(self, consumer: Consumer, positions: Mapping[Place, int]) -> None:
        """Commit positions; the answer comes to `answered`."""
        self._sent.update(positions)
        for place in positions:
            self._refused.pop(place, None)
        offsets = [TopicPartition(*place, offset) for place, offset in positions.items()]
        try:
            consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self.answered(error.args[0], offsets)

    def answered(self, error: KafkaError | None, places: Collection[TopicPartition]) -> None:
        """Remember what was not taken, unless a later position was sent since."""
        for place in places:
            key = (place.topic, place.partition)
            if (error is not None or place.error is not None) and self._sent.get(key) == place.offset:
                self._refused[key] = place.offset
        failed = error or next((place.error for place in places if place.error is not None), None)
        self._observer.commit_answered(None if failed is None else failed.name())

    def send_again(self, consumer: Consumer) -> None:
        """Send what was not taken, from time to time: a partition that is idle now would keep its old position."""
        now = self._clock.monotonic()
        if self._refused and now >= self._again_at:
            self._again_at = now + AGAIN_S
            self.send(consumer, dict(self._refused))

    def forget(self, places: Collection[Place]) -> None:
        """Partitions are another worker's now."""
        for place in places:
            self._sent.pop(place, None)
            self._refused.pop(place, None)
