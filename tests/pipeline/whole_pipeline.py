"""A whole pipeline in a test's hand: training processes, topics, workers, a store, and the commands."""

import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import kafka_tasks
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from kafka_worker import QUICK, RunningWorker, ask, committed, until
from server import glance
from trainers import Outcome, Trainer
from worker_process import environment

from broker.kafka import Cluster
from runstream_schemas import avro

COMMANDS: Final = "from runstream_analytics.cli.app import main; main()"
HASTY: Final = "message.timeout.ms=1500,topic.metadata.propagation.max.ms=1500"
"""Options of a producer that gives a message up, and into the spill, as soon as a test wants it."""
RECOVERY_S: Final = 80.0
"""A broker that was killed takes 3 to 10 s to come back, and many more on a busy machine."""


class Pipeline:
    """One prefix on a broker, one store, one machine that trains. Use as a context manager, which kills what runs."""

    def __init__(self, cluster: Cluster, prefix: str, directory: Path, store: str, *, partitions: int = 2) -> None:
        self.cluster, self.prefix, self.store = cluster, prefix, store
        self.directory = directory
        self.training_dir = directory / "training"
        self.partitions = partitions
        self.trainers: list[Trainer] = []
        self._stack = ExitStack()
        kafka_tasks.make_topics(cluster.url, prefix, partitions=partitions, replicas=cluster.size)

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def trainer(self, *, url: str = "", options: str = "", like: Trainer | None = None, **more: Any) -> Trainer:
        """One more process that logs; `like` names the one whose run and rank it resumes."""
        if like is not None:
            more |= {"run_id": like.run_id, "rank": like.rank, "first_step": like.life.begun}
        own = {"RUNSTREAM_DIR": str(self.training_dir), "RUNSTREAM_URL": url or self.cluster.url}
        own |= {"RUNSTREAM_TOPIC_PREFIX": self.prefix, "RUNSTREAM_KAFKA_OPTIONS": options}
        diary = self.directory / f"diary{len(self.trainers)}"
        made = Trainer(diary, own, **{"run_id": str(uuid.uuid4()), **more})
        self.trainers.append(made)
        self._stack.callback(made.kill)
        return made

    def worker(self, *, url: str = "", store: str = "", options: str = "", **more: str) -> RunningWorker:
        """One more worker."""
        own = {"RUNSTREAM_STORE": store or self.store, "RUNSTREAM_INGEST_BATCH_AGE_S": "0.1"}
        own["RUNSTREAM_KAFKA_OPTIONS"] = ",".join(filter(None, (QUICK, options)))
        environ = kafka_tasks.worker_environment(self.directory, url or self.cluster.url, self.prefix, **own, **more)
        return self._stack.enter_context(RunningWorker(environ))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`runstream …` on the machine that trains."""
        own = {"RUNSTREAM_STORE": self.store, "RUNSTREAM_URL": self.cluster.url, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", COMMANDS, *arguments, "--dir", str(self.training_dir)],
            capture_output=True,
            text=True,
            env={**environment(), **own, "RUNSTREAM_TOPIC_PREFIX": self.prefix},
            timeout=100,
            check=False,
        )

    def ask(self, query: str) -> list[Any]:
        return ask(self.store, self.directory, query)

    def wait_until_seen(self, *trainers: Trainer) -> None:
        """Until what these (default: all) log from now on is in the store."""
        meant = trainers or self.trainers
        for trainer in meant:
            trainer.wait_until_it_logs()
        lives = [trainer.life for trainer in meant]

        def seen() -> bool:
            rows = glance(self.store, "SELECT attempt, max(step) FROM point GROUP BY attempt")
            newest = dict(tuple(map(int, row)) for row in rows)
            return all(newest.get(life.attempt, -1) >= life.begun for life in lives)

        until(seen, RECOVERY_S)

    def stop_training(self) -> list[Outcome]:
        """Have all finish that still log."""
        running = [trainer for trainer in self.trainers if trainer.runs]
        for trainer in running:
            trainer.ask_to_finish()
        outcomes = [trainer.outcome() for trainer in running]
        longest = max(outcome.longest_log_s for outcome in outcomes)
        print(f"longest log() {longest * 1e3:.2f} ms, longest finish() {max(o.finish_s for o in outcomes):.2f} s")
        return outcomes

    def wait_until_stored(self) -> None:
        """Until the workers have committed all that the topics hold."""
        ends = self._ends()

        def behind() -> dict[Any, Any]:
            places = committed(self.cluster, self.prefix)
            return {place: (places.get(place), end) for place, end in ends.items() if places.get(place, -1) < end}

        try:
            until(lambda: not behind(), RECOVERY_S)
        except AssertionError as error:
            raise AssertionError(f"committed and end, by topic and partition: {behind()}") from error

    def _ends(self) -> dict[tuple[str, int], int]:
        places = {
            TopicPartition(avro.topic(event, self.prefix), number): OffsetSpec.latest()
            for event in avro.EVENT_NAMES
            for number in range(self.partitions)
        }
        admin = self.cluster.admin()  # kept until it has answered: without it, nobody does
        try:
            found = {place: answer.result(20).offset for place, answer in admin.list_offsets(places).items()}
        except KafkaException as error:
            raise AssertionError(f"the broker does not tell its offsets: {error}") from error
        return {
            (place.topic.removeprefix(f"{self.prefix}."), place.partition): end for place, end in found.items() if end
        }

    def spilled(self) -> list[Path]:
        """Segments in the spills of the machine that trains."""
        return list((self.training_dir / "spill").rglob("*.avro"))

    def left_behind(self) -> list[Path]:
        """The same, and journals."""
        return [*self.spilled(), *(self.training_dir / "journal").glob("*.journal")]
