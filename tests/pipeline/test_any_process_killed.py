"""SIGKILL of any one process at any moment: nothing that was acknowledged is lost, and nothing is shown twice."""

import os
import random
import time
from pathlib import Path

import pytest
from oracle import assert_a_replay_shows_the_same, assert_all_is_there
from server import Server
from whole_pipeline import Pipeline

from broker.kafka import Cluster

VICTIMS = ("trainer", "worker", "broker", "server")
SEED = int(os.environ.get("RUNSTREAM_TEST_SEED", "7"))
ROUNDS = int(os.environ.get("RUNSTREAM_TEST_ROUNDS", "1"))
"""How often each is killed: more rounds, and other seeds, show more."""
KILL_FOR_S = float(os.environ.get("RUNSTREAM_TEST_KILL_S", "60"))
EVERY_S = 2.0


def test_any_one_process_may_be_killed_at_any_moment(
    own_broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    dice = random.Random(SEED)
    (node,) = own_broker.nodes
    with Pipeline(own_broker, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        pipeline.trainer()
        trainer = pipeline.trainer(calls_per_s=1000)
        pipeline.wait_until_seen()
        for victim in dice.sample(VICTIMS * ROUNDS, len(VICTIMS) * ROUNDS):
            time.sleep(dice.random())
            print(f"kill {victim}")
            if victim == "trainer":
                trainer.kill()
                assert pipeline.command("sync").returncode == 0
                trainer = pipeline.trainer(like=trainer, calls_per_s=1000)
            elif victim == "worker":
                worker.process.kill()
                worker = pipeline.worker()
            elif victim == "broker":
                own_broker.kill(node)
                own_broker.start(node)
            else:
                server.kill()
                time.sleep(dice.random())
                server.start()
            pipeline.wait_until_seen(*(trainer for trainer in pipeline.trainers if trainer.runs))
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)
        assert_a_replay_shows_the_same(pipeline, server.store("replayed"))
        assert pipeline.left_behind() == []


@pytest.mark.timeout(120 + KILL_FOR_S)
def test_a_worker_that_is_killed_again_and_again_beside_another_leaves_everything_stored_once(
    broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(broker, prefix, tmp_path, server.store(), partitions=4) as pipeline:
        steady, victim = pipeline.worker(), pipeline.worker()
        for _ in range(3):
            pipeline.trainer(calls_per_s=1000)
        pipeline.wait_until_seen()
        until = time.monotonic() + KILL_FOR_S
        killed = 0
        while time.monotonic() < until:
            time.sleep(EVERY_S)
            victim.process.kill()
            victim = pipeline.worker()
            killed += 1
        pipeline.wait_until_seen()
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert [worker.stop() for worker in (steady, victim)] == [0, 0]
        print(f"killed {killed} times")
        assert_all_is_there(pipeline)
