"""Networks that swallow, forget, cut, delay or slow down what is sent, or let nobody in: everything arrives, once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka_worker import until
from oracle import assert_all_is_there
from proxy import Proxy
from server import Server
from whole_pipeline import HASTY, RECOVERY_S, Pipeline

from broker.fixtures import require_broker
from broker.kafka import Cluster, free_ports

SLOW_BYTES_PER_S = 50_000
LATE_S = 0.02
QUICK_TIMEOUT = "socket.timeout.ms=2500"
"""How long a client waits for an answer before it takes a connection for dead; by default a minute."""


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, int, int]]:
    """A broker with a second listener, the port of the proxy that it says it is reached by, and the listener's own."""
    require_broker()
    (port,) = free_ports(1)
    extra = {
        "listeners": "PLAINTEXT://127.0.0.1:{port},FAR://127.0.0.1:{secure_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},FAR://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    with Cluster(tmp_path_factory.mktemp("proxied") / "cluster", extra=extra) as cluster:
        yield cluster, port, cluster.secure_ports[0]


@pytest.fixture
def to_broker(proxied: tuple[Cluster, int, int]) -> Iterator[Proxy]:
    """The network between the broker and whoever is far away."""
    with Proxy(*proxied[1:]) as proxy:
        yield proxy


@pytest.fixture
def cluster(proxied: tuple[Cluster, int, int]) -> Cluster:
    return proxied[0]


def test_whatever_the_network_does_between_a_trainer_and_the_broker_everything_arrives(
    cluster: Cluster, to_broker: Proxy, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(cluster, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        far = f"kafka://127.0.0.1:{to_broker.port}"
        patient = pipeline.trainer(url=far, options=QUICK_TIMEOUT, calls_per_s=3000)
        pipeline.trainer(url=far, options=f"{HASTY},{QUICK_TIMEOUT}")
        pipeline.wait_until_seen()
        to_broker.swallow()
        until(pipeline.spilled)
        to_broker.heal()
        pipeline.wait_until_seen()
        to_broker.forget()
        pipeline.wait_until_seen()
        to_broker.cut()
        pipeline.wait_until_seen()
        to_broker.slow(SLOW_BYTES_PER_S, LATE_S)
        lasted = patient.life.begun
        until(lambda: patient.life.begun > lasted + 5000)
        to_broker.heal()
        pipeline.wait_until_seen()
        until(lambda: not pipeline.spilled())
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)
        assert pipeline.left_behind() == []


def test_a_network_that_answers_nobody_who_wants_to_connect_holds_up_no_trainer_and_loses_nothing(
    cluster: Cluster, to_broker: Proxy, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(cluster, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        far = f"kafka://127.0.0.1:{to_broker.port}"
        before = pipeline.trainer(url=far, options=HASTY)
        pipeline.wait_until_seen()
        to_broker.drop()
        short = pipeline.trainer(url=far, finish_s=0.5)
        patient = pipeline.trainer(url=far, options=HASTY)
        for trainer in (short, patient):
            trainer.wait_until_it_logs()
        lasted = short.life.begun
        until(lambda: short.life.begun > lasted + 500)
        short.ask_to_finish()
        ended = short.outcome()
        assert not ended.delivered and "does not answer" in ended.said and "runstream sync" in ended.said
        until(lambda: len({segment.parents[1] for segment in pipeline.spilled()}) == 2)
        to_broker.heal()
        pipeline.wait_until_seen(before, patient)
        until(lambda: not pipeline.spilled(), RECOVERY_S)
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        done = pipeline.command("sync")
        assert done.returncode == 0, done.stderr
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)
        assert pipeline.left_behind() == []


def test_whatever_the_network_does_between_a_worker_and_the_broker_everything_is_stored(
    cluster: Cluster, to_broker: Proxy, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(cluster, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker(url=f"kafka://127.0.0.1:{to_broker.port}", options=QUICK_TIMEOUT)
        trainers = [pipeline.trainer(calls_per_s=2000) for _ in range(2)]
        pipeline.wait_until_seen()
        spoil(to_broker, lambda: trainers[0].life.begun, pipeline)
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)


def test_whatever_the_network_does_between_a_worker_and_the_store_everything_is_stored(
    cluster: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    (port,) = free_ports(1)
    with Proxy(port, server.port) as to_store, Pipeline(cluster, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker(store=server.store(port=port))
        trainers = [pipeline.trainer(calls_per_s=2000) for _ in range(2)]
        pipeline.wait_until_seen()
        spoil(to_store, lambda: trainers[0].life.begun, pipeline)
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)


def spoil(proxy: Proxy, logged: Callable[[], int], pipeline: Pipeline) -> None:
    """A black hole that lasts some seconds of training and heals, a reset, and a slow link."""
    for trouble in (proxy.swallow, proxy.cut, lambda: proxy.slow(SLOW_BYTES_PER_S, LATE_S)):
        begun = logged()
        trouble()
        until(lambda begun=begun: logged() > begun + 3000)
        proxy.heal()
        pipeline.wait_until_seen()
