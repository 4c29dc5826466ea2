"""The client of the broker, one for all runs of a process: a thousand short runs connect once.

It is never destroyed as long as it works: that would wait for threads which a fork left behind, or take it from under a
thread that waits in it while the interpreter ends. A forked child makes its own.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from runstream_schemas.kafka import KafkaSettings, client_config

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
LINGER_MS: Final = 5
"""Events of one shipment leave together; the shipper has lingered already."""
FIRST_ANSWER_S: Final = 1.0
"""How long the first message waits for the connection."""
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

    def meet(self, topic: str) -> KafkaError | None:
        """Wait for the first connection, a moment at most; what is wrong with the topic. Once only.

        A client that is given a message before it is connected sends it half a second later.
        """
        from confluent_kafka import KafkaException

        if self._met:
            return None
        self._met = True
        try:
            error: KafkaError | None = self.producer.list_topics(topic, FIRST_ANSWER_S).topics[topic].error
        except (KafkaException, KeyError):
            return None  # the client itself tells why
        return error

    def release(self) -> None:
        """Let the client be destroyed once nobody uses it."""
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(self.producer))

    def _on_error(self, error: KafkaError) -> None:
        from .complaints import is_settings

        # What follows from wrong settings, such as that no broker is up, says less than they do.
        if self.trouble is None or is_settings(error.code()) or not is_settings(self.trouble.code()):
            self.trouble = error


_connections: dict[tuple[tuple[str, str], ...], Connection] = {}
_guard = threading.Lock()
# No fork meanwhile: the child would find a module half imported, or a client half made.
os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release)
os.register_at_fork(after_in_child=_connections.clear)


def connect(url: str, settings: KafkaSettings) -> Connection:
    """This process's client for these settings. Raises Unusable."""
    config = producer_config(url, settings)
    key = tuple(sorted(config.items()))
    with _guard:
        found = _connections.get(key)
        if found is None:
            found = _connections[key] = Connection(config)
        return found


def renew(broken: Connection) -> None:
    """Have the next `connect` make another client: this one is refused for good. Not more often than RENEWAL_S."""
    with _guard:
        if time.monotonic() - broken.made_at < RENEWAL_S:
            return
        for key, connection in list(_connections.items()):
            if connection is broken:
                del _connections[key]
                broken.release()
