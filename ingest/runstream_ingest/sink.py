"""Sending a batch to the store: one INSERT, whatever carries it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Final, Protocol

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from runstream_ingest import ocf
from runstream_schemas.avro import Schema

INSERT_SETTINGS: Final = {
    # The batch is made here; a second one in the server would only add delay and hide which insert failed.
    "async_insert": "0",
    # Merging duplicates inside one insert costs more than it saves: batches hold hardly any.
    "optimize_on_insert": "0",
    # One part per table and insert: fewer parts, and each table gets the batch as a whole.
    "min_insert_block_size_rows": "1000000000",
    "min_insert_block_size_bytes": "0",
    "max_insert_block_size": "1000000000",
    # The views of one insert side by side: a lone batch, as a command loads it, is stored a fifth faster.
    "parallel_view_processing": "1",
    # A repeated batch must be written again: what an earlier attempt left half-written is completed by it.
    "deduplicate_insert": "disable",
}


class Inserter(Protocol):
    """One connection that inserts; used by one thread at a time."""

    def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
        """Insert datums of one schema. Raises what the client raises; some views may have written by then."""

    def close(self) -> None:
        """Give the connection back."""


SETTING_CONSTRAINT_VIOLATION: Final = 452
"""ClickHouse's code for a setting that may not be changed."""


class HttpInserter:
    """Inserts through clickhouse-connect over HTTP, streaming the batch.

    It is not compressed: LZ4 saves 2 to 28 % of a batch and costs more than sending that over a network of 1 Gbit/s.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
        """Insert datums of one schema."""
        pieces = _in_chunks(ocf.wrap(datums, schema.text, os.urandom(ocf.SYNC_BYTES)))
        try:
            summary = self._client.raw_insert(table, insert_block=pieces, fmt="Avro", settings=INSERT_SETTINGS)
        except ProgrammingError as error:
            # Before anything is sent, the client refuses settings that the user's profile on the server fixes.
            needed = ", ".join(INSERT_SETTINGS)
            raise DatabaseError(
                f"{error}: let the user of the store change {needed}", code=SETTING_CONSTRAINT_VIOLATION
            ) from error
        if not summary.query_id():
            # A login page, for example: every answer of ClickHouse carries the id of its query.
            raise OperationalError("something else than ClickHouse answered, perhaps a proxy")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class EmbeddedInserter:
    """Inserts into the engine in this process from a file in memory.

    The client's own raw_insert would go through the temporary directory, that is, the disk, and leave its file behind
    when the process is killed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def insert(self, table: str, schema: Schema, datums: Sequence[bytes]) -> None:
        """Insert datums of one schema."""
        descriptor = os.memfd_create("runstream-batch")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines(ocf.wrap(datums, schema.text, os.urandom(ocf.SYNC_BYTES)))
            settings = ", ".join(f"{name} = '{value}'" for name, value in INSERT_SETTINGS.items())
            self._client.command(
                f"INSERT INTO {table} FROM INFILE '/proc/self/fd/{descriptor}' SETTINGS {settings} FORMAT Avro"
            )
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


_CHUNK_BYTES: Final = 256 * 1024


def _in_chunks(pieces: Sequence[bytes]) -> Generator[bytes, None, None]:
    """Join small pieces: an HTTP chunk per varint would cost more than the insert."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK_BYTES:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)
