"""From `log()` in training processes, over a broker and workers, to SQL: all of it is there, once."""

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kafka_tasks
from ingest_support import load_and_read, segment_path, write_segment
from oracle import assert_all_is_there, messages, shown
from server import Server
from whole_pipeline import Pipeline

from broker.kafka import Cluster
from runstream_schemas import avro

RUNS, RANKS = 3, 2
TRAINING_S = 3


def test_several_runs_of_several_ranks_arrive_in_full_and_every_view_is_as_with_a_log_directory(
    broker: Cluster, prefix: str, tmp_path: Path, server: Server, in_engine: Callable[..., Any]
) -> None:
    with Pipeline(broker, prefix, tmp_path, server.store(), partitions=3) as pipeline:
        workers = [pipeline.worker() for _ in range(2)]
        for _ in range(RUNS):
            run_id = str(uuid.uuid4())
            for rank in range(RANKS):
                pipeline.trainer(run_id=run_id, rank=rank, world_size=RANKS)
        pipeline.wait_until_seen()
        time.sleep(TRAINING_S)
        assert all(outcome.delivered and not outcome.said for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert [worker.stop() for worker in workers] == [0, 0]
        assert_all_is_there(pipeline)
        assert pipeline.left_behind() == []
        everything = shown(pipeline.store, tmp_path)
        embedded = tmp_path / "embedded"
        embedded.mkdir()
        drained = kafka_tasks.drain(
            kafka_tasks.worker_environment(embedded, broker.url, prefix, RUNSTREAM_INGEST_GROUP=f"{prefix}.embedded")
        )
        assert drained.returncode == 0, drained.stderr
        assert in_engine(load_and_read, embedded) == everything
        log = tmp_path / "log"
        for event in avro.EVENT_NAMES:
            datums = [value[avro.HEADER_BYTES :] for value in messages(pipeline, event)]
            write_segment(segment_path(log, event), datums, event)
        assert in_engine(load_and_read, tmp_path / "from_log", log) == everything
