"""Fixtures: a broker for the whole session, and names of its own for each test."""

import os
import uuid
from collections.abc import Iterator

import pytest

from broker import container, jars
from broker.container import Container
from broker.kafka import Cluster
from broker.reachable import Reachable


def require_broker() -> None:
    """Skip where no broker can be had; RUNSTREAM_TEST_BROKER=required makes that a failure."""
    why = jars.missing()
    if why and os.environ.get("RUNSTREAM_TEST_BROKER") == "required":
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reachable]:
    """One broker that many tests share; none of them may stop it. In a container where there is no Java."""
    if jars.missing() and not container.missing():
        with Container() as started:
            yield started
        return
    require_broker()
    with Cluster(tmp_path_factory.mktemp("broker") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker that the test may kill."""
    require_broker()
    with Cluster(tmp_path_factory.mktemp("broker") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers that replicate and may be killed."""
    require_broker()
    with Cluster(tmp_path_factory.mktemp("brokers") / "cluster", size=3) as cluster:
        yield cluster


@pytest.fixture
def prefix() -> str:
    """A topic prefix of the test's own."""
    return f"t{uuid.uuid4().hex[:10]}"
