"""A worker on topics of a real broker: what arrives is what a log directory would have brought."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kafka_tasks
from ingest_support import history

from broker.kafka import Cluster


def test_topics_show_in_every_view_what_a_log_directory_shows(
    broker: Cluster, prefix: str, tmp_path: Path, model: dict[str, list[str]], in_engine: Callable[..., Any]
) -> None:
    kafka_tasks.make_topics(broker.url, prefix, partitions=3)
    kafka_tasks.produce(broker.url, prefix, history())
    result = kafka_tasks.drain(kafka_tasks.worker_environment(tmp_path, broker.url, prefix))
    assert result.returncode == 0, result.stderr
    # The worker has looked at every run before it ended.
    assert in_engine(kafka_tasks.due, tmp_path) == []
    assert in_engine(kafka_tasks.seen, tmp_path) == model
