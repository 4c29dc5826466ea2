import os

import pytest


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sampling in the middle of a test, and no settings from outside."""
    for name in list(os.environ):
        if name.startswith(("RUNSTREAM_", "SLURM_", "LOCAL_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNSTREAM_SYSTEM_PERIOD_S", "0")
    monkeypatch.setenv("RUNSTREAM_JOURNAL_BYTES", "8000000")


@pytest.fixture
def own_topics(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """Settings of this process that lead to the test's own topics, with short waits."""
    import topics

    monkeypatch.setenv("RUNSTREAM_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("RUNSTREAM_KAFKA_OPTIONS", topics.QUICK)
