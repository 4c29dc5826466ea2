"""Brokers that die and come back under load, from `log()` to SQL."""

from pathlib import Path

from confluent_kafka import KafkaException
from kafka_worker import until
from oracle import assert_all_is_there
from server import Server
from whole_pipeline import HASTY, Pipeline

from broker.kafka import Cluster, Node


def test_a_broker_that_dies_under_load_and_comes_back_soon_or_late_costs_nothing(
    own_broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    (node,) = own_broker.nodes
    with Pipeline(own_broker, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        pipeline.trainer()
        pipeline.trainer(calls_per_s=2000)
        pipeline.wait_until_seen()
        own_broker.kill(node)
        own_broker.start(node)
        pipeline.wait_until_seen()
        assert not pipeline.spilled(), "a restart takes less than the delivery timeout"
        pipeline.trainer(options=HASTY)
        pipeline.wait_until_seen()
        own_broker.kill(node)
        until(pipeline.spilled)
        own_broker.start(node)
        pipeline.wait_until_seen()
        until(lambda: not pipeline.spilled())
        outcomes = pipeline.stop_training()
        assert all(outcome.delivered for outcome in outcomes)
        assert [("what the broker does not take" in outcome.said) for outcome in outcomes] == [False, False, True]
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)
        assert pipeline.left_behind() == []


def test_a_cluster_that_loses_the_leader_of_a_topic_and_the_coordinator_of_the_group_loses_no_event(
    three_brokers: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(three_brokers, prefix, tmp_path, server.store(), partitions=1) as pipeline:
        worker = pipeline.worker()
        for _ in range(2):
            pipeline.trainer()
        pipeline.wait_until_seen()
        for topic in (f"{prefix}.metric", "__consumer_offsets"):
            victim = leader_of(three_brokers, topic)
            three_brokers.kill(victim)
            pipeline.wait_until_seen()
            three_brokers.start(victim)
            until(lambda topic=topic: in_sync(three_brokers, topic) == 3)
        pipeline.wait_until_seen()
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)
        assert pipeline.left_behind() == []


def leader_of(cluster: Cluster, topic: str) -> Node:
    until(lambda: in_sync(cluster, topic) > 0)
    return cluster.leader_of(topic)


def in_sync(cluster: Cluster, topic: str) -> int:
    """Replicas of a topic's first partition that have all of it; 0 while nobody tells."""
    try:
        return len(cluster.admin().list_topics(topic, timeout=5).topics[topic].partitions[0].isrs)
    except (KafkaException, KeyError):
        return 0
