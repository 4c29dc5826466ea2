"""How evenly keys fall on partitions: a key is one rank of one run, and all of its messages are in one partition."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import UUID

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from runstream_schemas.kafka import message_key

from . import pipeline
from .report import Table, number

RANKS = (8, 64, 512, 10_000)
PARTITIONS = (6, 24, 96)


def skew_table(directory: Path) -> Table:
    """Ask the real client, with a real topic for each number of partitions."""
    from broker.kafka import Cluster

    assert pipeline.ROOT, "its import makes the tests' broker importable"
    rows = []
    with Cluster(directory) as cluster:
        admin = cluster.admin()
        for future in admin.create_topics([NewTopic(f"skew{n}", n, 1) for n in PARTITIONS]).values():
            future.result(30)
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, "partitioner": "murmur2_random"})
        for ranks in RANKS:
            cells = []
            for partitions in PARTITIONS:
                found: Counter[int] = Counter()
                for rank in range(ranks):
                    producer.produce(
                        f"skew{partitions}",
                        b"",
                        message_key(UUID(int=0x0193_5000 << 96 | ranks), rank),
                        on_delivery=lambda _, message, found=found: found.update([message.partition()]),
                    )
                    producer.poll(0)
                producer.flush(60)
                idle = partitions - len(found)
                busiest = max(found.values()) * partitions / ranks
                cells.append(f"{number(busiest)}, {idle} idle" if idle else number(busiest))
            rows.append((f"{ranks:,} ranks of one run", *cells))
    columns = ("", *(f"{partitions} partitions" for partitions in PARTITIONS))
    return Table("Partition skew: messages of the busiest partition, as a multiple of the mean", columns, rows)
