"""Events that the store refuses, kept with everything needed to look at them and to send them again.

Those of a log directory lie in the dead-letter directory, two files each: `<event>/<id>.datum` with the original bytes
and `<event>/<id>.json` with where they came from and why they were refused. (Those of topics lie in a topic, see
dead_letter_topic.py.) The id follows from origin and content, so reading a file again makes no second copy. They are
put there first, to stay; then comes the row in table dead_letter, for the ledger.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from clickhouse_connect.driver.client import Client

from runstream_ingest import shape
from runstream_ingest.sources.record import unknown_fingerprint
from runstream_ingest.sources.source import Message
from runstream_schemas import avro
from runstream_schemas.avro import Schema
from runstream_schemas.layout import Layout
from runstream_schemas.settings import Settings

MAX_ERROR_CHARACTERS: Final = 2000
"""The store quotes values in its errors; their beginning is enough."""


@dataclass(frozen=True)
class DeadLetter:
    """One refused event."""

    id: str
    event: str
    fingerprint: str
    """Of its schema, hex; empty when nobody can tell which it was."""
    source: str
    """Log directory or topic it came from."""
    name: str
    """File in the log directory, or partition."""
    offset: int
    error_code: int
    """The store's code; 0 when the worker found it out itself."""
    error: str
    run_id: str
    rank: int
    attempt: int
    seq: int
    points: int

    @property
    def origin(self) -> str:
        """Where it came from, for people."""
        return f"{self.source}/{self.name}@{self.offset}"


def dead_letter(message: Message, error_code: int, error: str) -> DeadLetter:
    """Describe a refused message."""
    fingerprint, datum = message.schema.fingerprint, message.datum
    if message.defect:
        fingerprint = unknown_fingerprint(datum) or b""
        # Versions of an event add fields at its end, so who sent it can be read all the same.
        datum = datum[avro.HEADER_BYTES :] if fingerprint else datum
    who = shape.identity(message.schema, datum)
    place = f"{message.partition.source}\0{message.partition.name}\0{message.offset}\0".encode()
    return DeadLetter(
        id=hashlib.sha256(place + message.datum).hexdigest()[:24],
        event=message.schema.event,
        fingerprint=fingerprint.hex(),
        source=message.partition.source,
        name=message.partition.name,
        offset=message.offset,
        error_code=error_code,
        error=error[:MAX_ERROR_CHARACTERS],
        run_id=str(who.run_id),
        rank=who.rank,
        attempt=who.attempt,
        seq=who.seq,
        points=shape.declared_points(message.schema, message.datum),
    )


class DeadLetters(Protocol):
    """Where refused events are kept. Methods raise when they cannot be, and nothing is lost then."""

    def put(self, letters: Sequence[tuple[DeadLetter, Message]]) -> None:
        """Keep events; they are safe when this returns."""

    def letters(self) -> Iterator[DeadLetter]:
        """All events kept."""

    def datum(self, letter: DeadLetter) -> bytes:
        """The original bytes of one that `letters` gave."""

    def remove(self, letter: DeadLetter) -> None:
        """Forget an event that is stored now."""


class DeadLetterDirectory:
    """The directory of refused events. Its methods raise OSError when the disk does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, letters: Sequence[tuple[DeadLetter, Message]]) -> None:
        """Keep events; durable when this returns."""
        for letter, message in letters:
            folder = self.root / letter.event
            folder.mkdir(parents=True, exist_ok=True)
            self._write(folder / f"{letter.id}.datum", message.datum)
            self._write(folder / f"{letter.id}.json", orjson.dumps(asdict(letter), option=orjson.OPT_INDENT_2))

    def letters(self) -> Iterator[DeadLetter]:
        """All events kept, by event and id; files that are not ours are passed over."""
        for path in sorted(self.root.glob("*/*.json")):
            try:
                yield DeadLetter(**orjson.loads(path.read_bytes()))
            except (ValueError, TypeError, FileNotFoundError):
                continue

    def datum(self, letter: DeadLetter) -> bytes:
        """The original bytes."""
        return (self.root / letter.event / f"{letter.id}.datum").read_bytes()

    def remove(self, letter: DeadLetter) -> None:
        """Forget an event that is stored now, the description first: of a half-removed one nobody need know."""
        for suffix in ("json", "datum"):
            (self.root / letter.event / f"{letter.id}.{suffix}").unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        partial = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        # The name must survive a power failure as well as the bytes.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def record(client: Client, letters: Sequence[DeadLetter]) -> None:
    """Write the rows of table dead_letter. Raises what the client raises."""
    columns = ("run_id", "rank", "attempt", "seq", "event", "points", "error_code", "error", "origin")
    rows: list[list[Any]] = [[getattr(letter, column) for column in columns] for letter in letters]
    client.insert("dead_letter", rows, column_names=columns)


def schema_of(letter: DeadLetter) -> Schema | None:
    """The schema of a refused event, None when this version does not know it."""
    return next((known for known in avro.known().values() if known.fingerprint.hex() == letter.fingerprint), None)


def forget(client: Client, letters: Sequence[DeadLetter], layout: Layout) -> None:
    """Remove the rows of table dead_letter, so that replayed points count once. Raises what the client raises."""
    client.command(
        f"{layout.delete_from('dead_letter')} WHERE origin IN {{origins:Array(String)}}",
        parameters={"origins": [letter.origin for letter in letters]},
        # By one replica: on a cluster, a delete that waited for one that is down would hold up all that come later.
        settings={"lightweight_deletes_sync": 1},
    )


def dead_letters_of(settings: Settings) -> DeadLetters:
    """Where the refused events of an event log are."""
    if settings.log_dir is not None:
        return DeadLetterDirectory(settings.dead_letter_dir)
    # Imported here because the client of the broker takes long to load.
    from runstream_ingest.dead_letter_topic import DeadLetterTopic

    return DeadLetterTopic(settings.url, settings.kafka)
