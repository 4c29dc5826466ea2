"""An inserting thread's connections to the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from runstream_ingest import dead_letters, isolate
from runstream_ingest.connect import Connect
from runstream_ingest.dead_letters import DeadLetter
from runstream_ingest.sink import Inserter
from runstream_schemas.avro import Schema


class StoreDestination:
    """A Destination on the store: an inserter, and a client of its own for the rare rest."""

    def __init__(self, inserter: Inserter, connect: Connect, probe_database: str | None = None) -> None:
        self.inserter = inserter
        self._connect = connect
        self._probe_database = probe_database
        self._client: Client | None = None

    @contextmanager
    def probe(self, schema: Schema) -> Iterator[isolate.Try]:
        """A probe of the landing table of a schema."""
        standing = self._probe_database
        with (
            isolate.standing_probe(self.inserter, schema, standing)
            if standing
            else isolate.probe(self._rest(), self.inserter, schema)
        ) as attempt:
            yield attempt

    def record(self, letters: Sequence[DeadLetter]) -> None:
        """Write rows of table dead_letter."""
        dead_letters.record(self._rest(), letters)

    def close(self) -> None:
        """Give the connections back."""
        self.inserter.close()
        if self._client is not None:
            self._client.close()

    def _rest(self) -> Client:
        if self._client is None:
            self._client = self._connect()
        return self._client
