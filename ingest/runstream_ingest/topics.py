"""The topics: what they must be like, what they are like, and making the one from the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from runstream_ingest.sources.source import LogFailed
from runstream_schemas.kafka import DEAD_LETTER, KafkaSettings, brokers, client_config
from runstream_schemas.limits import MAX_EVENT_BYTES

ANSWER_S: Final = 10.0
"""A broker that does not answer within it is down, or not reached from here."""

MESSAGE_BYTES: Final = 1024 * 1024
"""Greatest message of a topic: an event, its key, and what a record batch adds."""

DEAD_LETTER_MESSAGE_BYTES: Final = 2 * MESSAGE_BYTES
"""A dead letter is an event with the reason beside it."""

REPLICAS_THAT_SURVIVE: Final = 3
"""From so many replicas on, a write waits for a second one, and one broker may be lost."""


class BrokerFailed(LogFailed):
    """The broker is not reached, or refuses; the message says what to do."""


class TopicsUnfit(LogFailed):
    """Topics are missing or too small for events; the message says how to mend it."""


@dataclass(frozen=True)
class Topic:
    """A topic as it is or as it is wanted."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)

    def as_object(self) -> dict[str, Any]:
        """For a script."""
        return asdict(self)


def wanted(settings: KafkaSettings, *, partitions: int, replicas: int, retention_hours: int) -> list[Topic]:
    """The topics of all events, and that of the dead letters, which keeps the newest record of each key for ever."""
    in_sync = {"min.insync.replicas": str(2 if replicas >= REPLICAS_THAT_SURVIVE else 1)}
    events = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_hours * 3_600_000),
        "max.message.bytes": str(MESSAGE_BYTES),
        "compression.type": "producer",
        **in_sync,
    }
    dead = {"cleanup.policy": "compact", "max.message.bytes": str(DEAD_LETTER_MESSAGE_BYTES), **in_sync}
    return [
        *(Topic(name, partitions, replicas, events) for name in settings.event_topics),
        Topic(settings.topic(DEAD_LETTER), 1, replicas, dead),
    ]


@dataclass(frozen=True)
class Change:
    """One thing to be done about a topic."""

    topic: Topic
    """As it is wanted."""
    kind: str
    """create, partitions, configure, or refused."""
    text: str
    """For people."""


def changes(want: Sequence[Topic], have: Mapping[str, Topic]) -> list[Change]:
    """What is to be done, in the order of the topics. Nothing is ever made smaller by it."""
    found = []
    for topic in want:
        present = have.get(topic.name)
        if present is None:
            text = f"create with {topic.partitions} partitions and {topic.replicas} replicas"
            found.append(Change(topic, "create", text))
            continue
        if present.partitions > topic.partitions:
            text = f"has {present.partitions} partitions, and they cannot be fewer: keep them, or make another topic"
            found.append(Change(topic, "refused", text))
        elif present.partitions < topic.partitions:
            text = f"{present.partitions} → {topic.partitions} partitions; ranks that are running may change theirs"
            found.append(Change(topic, "partitions", text))
        if present.replicas != topic.replicas:
            text = f"has {present.replicas} replicas, not {topic.replicas}: use kafka-reassign-partitions"
            found.append(Change(topic, "refused", text))
        different = {name: value for name, value in topic.config.items() if present.config.get(name) != value}
        for name, value in _shrinking(different, present):
            text = f"{name} is {present.config[name]}, and {value} would lose what is there: change it yourself"
            found.append(Change(topic, "refused", text))
            del different[name]
        if different:
            text = ", ".join(f"{name}: {present.config.get(name)} → {value}" for name, value in different.items())
            change = Topic(topic.name, topic.partitions, topic.replicas, different)
            found.append(Change(change, "configure", text))
    return found


def unfit(settings: KafkaSettings, have: Mapping[str, Topic]) -> list[str]:
    """What keeps events from being written to these topics, for people; empty when nothing does."""
    names = (*settings.event_topics, settings.topic(DEAD_LETTER))
    missing = [name for name in names if name not in have]
    found = [f"missing topics: {', '.join(missing)}"] if missing else []
    for name in (name for name in names if name in have):
        limit = int(have[name].config.get("max.message.bytes", MESSAGE_BYTES))
        if limit < MAX_EVENT_BYTES:
            found.append(f"topic {name} takes messages up to {limit} bytes, and an event may have {MAX_EVENT_BYTES}")
    return found


class TopicAdmin:
    """The topics at the broker. Methods raise BrokerFailed."""

    def __init__(self, url: str, settings: KafkaSettings) -> None:
        self._where = brokers(url)
        self._settings = settings
        self._trouble: KafkaError | None = None
        _check_files(settings)
        config: dict[str, Any] = client_config(url, settings, "runstream-topics")
        # What is wrong is said in our words.
        config |= {"log_level": 0, "error_cb": self._on_error, **settings.options}
        try:
            self._admin = AdminClient(config)
        except KafkaException as error:
            why = error.args[0].str()
            hint = next((hint for word, hint in _OPTION_HINTS.items() if word in why), "")
            raise BrokerFailed(f"cannot use the broker {self._where}: {why}{hint}") from error

    def present(self) -> dict[str, Topic]:
        """The topics of this prefix by name, with their configuration."""
        try:
            names = {*self._settings.event_topics, self._settings.topic(DEAD_LETTER)}
            found = self._admin.list_topics(timeout=ANSWER_S).topics
            here = [name for name in names if name in found and found[name].error is None]
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in here]
            configs: dict[str, Any] = {}
            if resources:
                answers = self._admin.describe_configs(resources, request_timeout=ANSWER_S)
                configs = {resource.name: _known(future) for resource, future in answers.items()}
        except KafkaException as error:
            raise self._failed(error) from error
        topics = {}
        for name in here:
            partitions = found[name].partitions
            replicas = min((len(partition.replicas) for partition in partitions.values()), default=0)
            config = {key: entry.value for key, entry in configs[name].items() if entry.value is not None}
            topics[name] = Topic(name, len(partitions), replicas, config)
        return topics

    def apply(self, change: Change) -> None:
        """Do what a change says."""
        topic = change.topic
        try:
            futures: Mapping[Any, Any]
            if change.kind == "create":
                made = NewTopic(topic.name, topic.partitions, topic.replicas, config=dict(topic.config))
                futures = self._admin.create_topics([made], operation_timeout=ANSWER_S)
            elif change.kind == "partitions":
                futures = self._admin.create_partitions([NewPartitions(topic.name, topic.partitions)])
            else:
                entries = [
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in topic.config.items()
                ]
                resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
                futures = self._admin.incremental_alter_configs([resource])
            for future in futures.values():
                future.result(ANSWER_S)
        except KafkaException as error:
            raise self._failed(error, topic.name) from error

    def check(self) -> None:
        """Raise TopicsUnfit when events cannot be read or written as things are."""
        problems = unfit(self._settings, self.present())
        if problems:
            raise TopicsUnfit(
                f"{'; '.join(problems)}. `runstream topics create` mends it; topics that are there and not seen need a "
                "grant of READ (for a worker) or WRITE to this user"
            )

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._trouble = error

    def _failed(self, error: KafkaException, topic: str = "") -> BrokerFailed:
        self._admin.poll(0)  # brings what the client has to say besides
        why: KafkaError = self._trouble or error.args[0]
        hint = _HINTS.get(why.code(), "")
        about = f"topic {topic} at " if topic else ""
        return BrokerFailed(f"{about}the broker {self._where}: {why.str()}{hint}")


def _check_files(settings: KafkaSettings) -> None:
    """The client's own message names neither the file nor the setting."""
    for name, path in (("ca", settings.ca), ("certificate", settings.certificate), ("key", settings.key)):
        try:
            if path:
                Path(path).read_bytes()
        except OSError as error:
            raise BrokerFailed(f"the setting kafka_{name} names {path}: {error.strerror or error}") from error


def _known(future: Future[dict[str, Any]]) -> dict[str, Any]:
    """A topic's configuration, empty when this user may use the topic and not look at that."""
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return {}
        raise


_NOT_REACHED: Final = (
    "; is it running, does RUNSTREAM_URL name it, and is RUNSTREAM_KAFKA_SECURITY what that port speaks?"
)

_HINTS: Final[Mapping[int, str]] = {
    KafkaError._TRANSPORT: _NOT_REACHED,
    KafkaError._TIMED_OUT: _NOT_REACHED,
    KafkaError._AUTHENTICATION: "; check RUNSTREAM_KAFKA_USERNAME, RUNSTREAM_KAFKA_PASSWORD and …_SASL_MECHANISM",
    KafkaError._SSL: "; check RUNSTREAM_KAFKA_CA, and whether the port speaks TLS",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "; this user needs CREATE, DESCRIBE and ALTER on the topics",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "; this user needs CREATE on the cluster or on the topics",
    KafkaError.INVALID_REPLICATION_FACTOR: "; use --replication with at most the number of brokers",
}

_OPTION_HINTS: Final[Mapping[str, str]] = {
    "sasl.password": "; set RUNSTREAM_KAFKA_PASSWORD",
    "No such configuration property": "; check RUNSTREAM_KAFKA_OPTIONS",
}
"""By what the client says when it refuses its configuration."""


def _shrinking(different: Mapping[str, str], present: Topic) -> list[tuple[str, str]]:
    """Those new values that would remove messages or refuse those that were taken."""
    found = []
    for name in ("retention.ms", "max.message.bytes"):
        if name in different and name in present.config:
            new, old = int(different[name]), int(present.config[name])
            if 0 <= new < old or (old < 0 <= new):
                found.append((name, different[name]))
    return found
