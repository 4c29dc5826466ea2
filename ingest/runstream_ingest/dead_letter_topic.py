"""The topic of refused events: each with its value as it came, its key and headers, and why it was refused.

The key is the origin, so an event that is read and refused again replaces itself, and a record without a value takes it
away; compaction then forgets both.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from runstream_ingest.dead_letters import DeadLetter
from runstream_ingest.sources.source import LogFailed, Message
from runstream_ingest.topics import DEAD_LETTER_MESSAGE_BYTES
from runstream_schemas import avro
from runstream_schemas.kafka import DEAD_LETTER, KafkaSettings, client_config
from runstream_schemas.limits import MAX_EVENT_BYTES

ANSWER_S: Final = 30.0
"""Time for the broker to acknowledge dead letters before the attempt counts as failed, and is made again."""

SENDING: Final = {
    # A letter that is sent twice replaces itself, so there is no need for an idempotent producer, which would say of a
    # missing right only that it has failed.
    "acks": "all",
    "message.timeout.ms": f"{1000 * ANSWER_S:.0f}",
    "message.max.bytes": str(DEAD_LETTER_MESSAGE_BYTES),
}

DESCRIPTION_HEADER: Final = "runstream.dead_letter"
KEY_HEADER: Final = "runstream.key"
WORKER_HEADER: Final = "runstream.worker"

MAX_HEADER_BYTES: Final = 256 * 1024
"""Key and headers beyond it are left out, the last first: with the value they must fit into a message of the topic."""

Headers = list[tuple[str, str | bytes | None]]


class DeadLettersFail(LogFailed):
    """The topic does not take, or give, dead letters; nothing of them is committed then."""


class DeadLetterTopic:
    """The dead letters at a broker. Methods raise DeadLettersFail."""

    def __init__(self, url: str, settings: KafkaSettings) -> None:
        self._config: dict[str, Any] = {
            **client_config(url, settings, "runstream-dead-letters"),
            "log_level": "0",
            **settings.options,
        }
        self._topic = settings.topic(DEAD_LETTER)
        # The client wants a group, although nothing is committed.
        self._group = f"{self._topic}.reader"
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._places: dict[str, tuple[int, int]] = {}

    def put(self, letters: Sequence[tuple[DeadLetter, Message]]) -> None:
        """Keep events; the brokers have them when this returns."""
        self._send([(_key(letter), _value(message), _headers(letter, message)) for letter, message in letters])

    def letters(self) -> Iterator[DeadLetter]:
        """All events kept, in the order of their origin."""
        found: dict[str, DeadLetter] = {}
        for record in self._records():
            key = (record.key() or b"").decode(errors="replace")
            found.pop(key, None)
            headers = dict(record.headers() or ())
            if record.value() is not None and DESCRIPTION_HEADER in headers:
                try:
                    found[key] = DeadLetter(**orjson.loads(headers[DESCRIPTION_HEADER]))
                except (ValueError, TypeError):
                    continue  # not ours
                self._places[found[key].id] = (record.partition(), record.offset())
        yield from sorted(
            found.values(), key=lambda letter: (letter.source, len(letter.name), letter.name, letter.offset)
        )

    def datum(self, letter: DeadLetter) -> bytes:
        """The original bytes, without the header of a schema that they begin with. Assumes that `letters` gave it."""
        partition, offset = self._places[letter.id]
        try:
            consumer = self._reader()
            consumer.assign([TopicPartition(self._topic, partition, offset)])
            found = consumer.consume(1, ANSWER_S)
        except KafkaException as error:
            raise self._unread(error.args[0]) from error
        value = found[0].value() if found and found[0].error() is None and found[0].offset() == offset else None
        if value is None:
            raise DeadLettersFail(f"topic {self._topic} does not give dead letter {letter.id} again")
        whole: bytes = value
        return whole.removeprefix(avro.MARKER + bytes.fromhex(letter.fingerprint))

    def remove(self, letter: DeadLetter) -> None:
        """Forget an event that is stored now."""
        self._send([(_key(letter), None, [])])

    def _send(self, records: Sequence[tuple[bytes, bytes | None, Headers]]) -> None:
        failed: list[KafkaError] = []

        def report(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                failed.append(error)

        try:
            if self._producer is None:
                self._producer = Producer({**SENDING, **self._config})
            producer = self._producer  # another thread may give it up meanwhile
            for key, value, headers in records:
                producer.produce(self._topic, value, key, headers=headers, on_delivery=report)
                producer.poll(0)
            waiting = producer.flush(2 * ANSWER_S)
        except (KafkaException, BufferError) as error:
            self._producer = None  # a fatal error of it stays for ever
            raise DeadLettersFail(f"topic {self._topic} takes no dead letters: {error}") from error
        if failed or waiting:
            self._producer = None
            why = failed[0].str() if failed else "no answer"
            unauthorized = failed and failed[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
            hint = f"; grant this user WRITE on {self._topic}" if unauthorized else ""
            raise DeadLettersFail(f"topic {self._topic} takes no dead letters: {why}{hint}")

    def _reader(self) -> Consumer:
        if self._consumer is None:
            reading = {"group.id": self._group, "enable.auto.commit": False, "enable.partition.eof": True}
            # The broker tells the end of a partition when it has waited so long for more.
            reading |= {"fetch.wait.max.ms": 10}
            self._consumer = Consumer({**self._config, **reading})
        return self._consumer

    def _records(self) -> Iterator[Any]:
        """All records, to the end of each partition."""
        try:
            consumer = self._reader()
            known = consumer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic]
            if known.error is not None:
                raise self._unread(known.error)
            left = set(known.partitions)
            consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in left])
            until = time.monotonic() + ANSWER_S
            while left:
                records = consumer.consume(500, 0.2)
                if records:
                    until = time.monotonic() + ANSWER_S
                elif time.monotonic() > until:
                    raise DeadLettersFail(f"topic {self._topic} cannot be read: the broker does not answer")
                for record in records:
                    error = record.error()
                    if error is None:
                        yield record
                    elif error.code() == KafkaError._PARTITION_EOF:
                        left.discard(record.partition())
                    else:
                        raise self._unread(error)
        except KafkaException as raised:
            raise self._unread(raised.args[0]) from raised

    def _unread(self, error: KafkaError) -> DeadLettersFail:
        missing = {
            KafkaError.GROUP_AUTHORIZATION_FAILED: f"; grant this user DESCRIBE on the group {self._group}",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: "; grant this user READ on it",
        }
        return DeadLettersFail(f"topic {self._topic} cannot be read: {error.str()}{missing.get(error.code(), '')}")


def _key(letter: DeadLetter) -> bytes:
    return f"{letter.source}-{letter.name}-{letter.offset}".encode()


def _value(message: Message) -> bytes:
    """The value as it came. What is larger than any event is cut: all of it lies at its origin until it expires."""
    whole = message.datum if message.defect else message.schema.header + message.datum
    return whole[: MAX_EVENT_BYTES + avro.HEADER_BYTES]


def _headers(letter: DeadLetter, message: Message) -> Headers:
    origin = message.origin
    headers: Headers = []
    if origin is not None:
        room = MAX_HEADER_BYTES
        for name, value in [*([(KEY_HEADER, origin.key)] if origin.key is not None else []), *origin.headers]:
            room -= len(name.encode()) + len(value or b"")
            if room >= 0:
                headers.append((name, value))
    about = orjson.dumps(asdict(letter))
    return [*headers, (DESCRIPTION_HEADER, about), (WORKER_HEADER, socket.gethostname().encode())]
