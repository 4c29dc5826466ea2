"""Fixtures; a test module takes them with `pytest_plugins = "http_front.fixture"`."""

from collections.abc import Iterator

import pytest

from http_front.control import RunningFront, running


@pytest.fixture(scope="session")
def front_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFront]:
    with running(tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture
def front(front_process: RunningFront) -> Iterator[RunningFront]:
    """A server that behaves until it is told otherwise."""
    front_process.clear()
    yield front_process
    front_process.clear()
