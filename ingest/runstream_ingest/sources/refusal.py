"""What a broker answers that no retry can mend, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError

from runstream_ingest.sources.source import LogFailed


class BrokerRefuses(LogFailed):
    """The broker does not let this worker read; the message says what to grant or to change."""


_ADVICE: Final[Mapping[int, str]] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not read the topics: grant it READ on them",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not join the consumer group: grant it READ on the group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not use the cluster",
    KafkaError.FENCED_INSTANCE_ID: "another worker has the same setting instance: give each its own",
    KafkaError._FATAL: "this worker cannot go on as a member of its group",
}


def refusal(error: KafkaError) -> BrokerRefuses | None:
    """What to raise for an error; None when trying again may help."""
    if error.code() not in _ADVICE and not error.fatal():
        return None
    if "Static consumer fenced" in error.str():  # wrapped into a fatal error that has another code
        return BrokerRefuses(_ADVICE[KafkaError.FENCED_INSTANCE_ID])
    return BrokerRefuses(f"{_ADVICE.get(error.code(), _ADVICE[KafkaError._FATAL])} ({error.str()})")
