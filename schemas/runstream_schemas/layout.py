"""Where a store's tables lie, as far as whoever writes into it must know: on one server; cluster.py has the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runstream_schemas.cluster import qualified
from runstream_schemas.tables import Migration


class Layout(Protocol):
    """The differences between a store on one server and one on a cluster."""

    @property
    def probe_database(self) -> str | None:
        """The database with a copy of each landing table that keeps nothing; None: a copy is made when it is needed."""

    def version_table(self, statement: str) -> Sequence[str]:
        """What must be there before the first migration, given the statement that creates the table of versions."""

    def migrations(self, originals: Sequence[Migration]) -> Sequence[Migration]:
        """The migrations with the statements of this layout."""

    def delete_from(self, table: str) -> str:
        """The beginning of a DELETE of rows of a table, wherever they are."""

    def on_every_shard(self, select: str) -> str:
        """A SELECT over tables, one that joins and aggregates within runs only, as one over the rows of all shards."""


@dataclass(frozen=True)
class OneServer:
    """Everything in one database."""

    database: str
    probe_database: None = None

    def version_table(self, statement: str) -> Sequence[str]:
        """The statement itself."""
        return (statement,)

    def migrations(self, originals: Sequence[Migration]) -> Sequence[Migration]:
        """The same, with the database before what views read.

        The engine adds it to the names of tables itself, but looks for a view with parameters in the database of
        whoever asks.
        """
        place = "`{}`".format(self.database.replace("`", "``"))
        return [
            Migration(one.number, one.name, tuple(qualified(each, place) for each in one.statements))
            for one in originals
        ]

    def delete_from(self, table: str) -> str:
        """As everybody writes it."""
        return f"DELETE FROM {table}"

    def on_every_shard(self, select: str) -> str:
        """As it is."""
        return select
