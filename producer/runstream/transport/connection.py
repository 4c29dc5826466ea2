"""The client of the broker, one for all runs of a process: a thousand short runs connect once.

It is never destroyed as long as it works: that would wait for threads which a fork left behind, or take it from under a
thread that waits in it while the interpreter ends. A forked child makes its own.
"""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from runstream_schemas.kafka import KafkaSettings, client_config

from ..forks import no_fork
from ..timeouts import Deadline

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

DELIVERY_MS: Final = 30_000
"""A message that the broker has not taken by then goes to the spill. A broker that starts again takes 3 to 10 s."""
MISSING_TOPIC_MS: Final = 10_000
"""How long a topic that was just made may be unknown to a broker."""
QUEUE_KIB: Final = 32 * 1024
"""Memory for messages on their way, all runs of the process together."""
BATCH_BYTES: Final = 1_000_000
"""One batch a request, as large as a broker takes by default."""
LINGER_MS: Final = 1
"""Events of one shipment leave together; the shipper has lingered already."""
FIRST_ANSWER_S: Final = 1.0
"""How long the first message waits for the connection."""
RECONNECT_MS: Final = 20
"""First pause before a lost connection is made again, doubled each time up to a second."""
RENEWAL_S: Final = 5.0
"""Time between two clients when the broker refuses each for good: until somebody mends its rights, say."""


client_log = logging.getLogger("runstream.kafka_client")
"""What librdkafka itself says, for those who look for it: we say in our words what is wrong."""
client_log.addHandler(logging.NullHandler())
client_log.propagate = False


class Unusable(Exception):
    """The client cannot be made with these settings; the message says what to look at."""


def producer_config(url: str, settings: KafkaSettings) -> dict[str, str]:
    """The client's options; those of the user win."""
    return {
        **client_config(url, settings, "runstream-producer"),
        "enable.idempotence": "true",
        "compression.type": settings.compression,
        "linger.ms": str(LINGER_MS),
        "batch.size": str(BATCH_BYTES),
        "queue.buffering.max.kbytes": str(QUEUE_KIB),
        "message.timeout.ms": str(DELIVERY_MS),
        # Connections of a new client wait for each other half as long: 50 ms of a short run's end.
        "reconnect.backoff.ms": str(RECONNECT_MS),
        # A misspelt prefix would make topics that nobody reads, and no topic with what `topics create` gives it.
        "allow.auto.create.topics": "false",
        # A topic that is missing is told, and its messages are spilled, before all others wait for them.
        "topic.metadata.propagation.max.ms": str(MISSING_TOPIC_MS),
        # The same partition for a key as every other client of Kafka chooses.
        "partitioner": "murmur2_random",
        "log_level": "0",
        **settings.options,
    }


class Connection:
    """A client that is connected, or trying to. Safe to use from any thread."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """Raises Unusable."""
        from confluent_kafka import KafkaException, Producer

        from .complaints import says_more

        self._says_more = says_more
        import_module("confluent_kafka.admin")  # `list_topics` would, where nothing keeps forks away
        try:
            self.producer: Producer = Producer({**config, "error_cb": self._on_error, "logger": client_log})
        except (KafkaException, ValueError, TypeError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise Unusable(
                f"no client for Kafka can be made: check RUNSTREAM_KAFKA_OPTIONS and RUNSTREAM_KAFKA_CA ({reason})"
            ) from error
        self.config = config
        self.made_at = time.monotonic()
        self.trouble: KafkaError | None = None
        """What the client said last, until the broker takes a message."""
        self._met = False
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.producer))

    def meet(self, topics: Iterable[str]) -> dict[str, KafkaError | None]:
        """Wait for the first connection, a moment at most; what is wrong with each topic, None for nothing. Once only.

        A client that is given a message before it is connected sends it half a second later, and one that does not
        know the message's topic up to 0.1 s later.
        """
        from confluent_kafka import KafkaException

        found: dict[str, KafkaError | None] = {}
        if self._met:
            return found
        self._met = True
        deadline = Deadline(FIRST_ANSWER_S)
        try:
            for topic in topics:
                found[topic] = self.producer.list_topics(topic, deadline.left_s).topics[topic].error
        except (KafkaException, KeyError):
            pass  # the client itself tells why
        return found

    def release(self) -> None:
        """Let the client be destroyed once nobody uses it."""
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(self.producer))

    def _on_error(self, error: KafkaError) -> None:
        if self.trouble is None or self._says_more(error.code(), self.trouble.code()):
            self.trouble = error


_connections: dict[tuple[tuple[str, str], ...], Connection] = {}
os.register_at_fork(after_in_child=_connections.clear)


def connect(url: str, settings: KafkaSettings) -> Connection:
    """This process's client for these settings. Raises Unusable."""
    config = producer_config(url, settings)
    key = tuple(sorted(config.items()))
    with no_fork:
        found = _connections.get(key)
        if found is None:
            found = _connections[key] = Connection(config)
        return found


def renew(broken: Connection) -> None:
    """Have the next `connect` make another client: this one is refused for good. Not more often than RENEWAL_S."""
    with no_fork:
        if time.monotonic() - broken.made_at < RENEWAL_S:
            return
        for key, connection in list(_connections.items()):
            if connection is broken:
                del _connections[key]
                broken.release()
