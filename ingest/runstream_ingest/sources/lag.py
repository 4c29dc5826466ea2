"""How many messages wait in each partition, told from time to time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from confluent_kafka import Consumer, KafkaException

from runstream_ingest.clock import Clock
from runstream_ingest.sources.commits import Place

EVERY_S: Final = 5.0


class Lag:
    """Asks the client what it knows; it learns the ends of partitions with every fetch."""

    def __init__(self, clock: Clock, tell: Callable[[Place, int], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._told_at = clock.monotonic()

    def tell(self, consumer: Consumer, ended: Collection[Place]) -> None:
        """Tell it if it is time; `ended` are the partitions that have been read to their end."""
        now = self._clock.monotonic()
        if now - self._told_at < EVERY_S:
            return
        self._told_at = now
        try:
            for place in consumer.position(consumer.assignment()):
                _, high = consumer.get_watermark_offsets(place, cached=True)
                key = (place.topic, place.partition)
                at = high if key in ended else place.offset
                if at >= 0 and high >= 0:
                    self._tell(key, max(high - at, 0))
        except KafkaException:
            pass  # a partition that has just gone: its lag is another worker's
