"""Bringing a store to the tables and views of this version."""

from __future__ import annotations

from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from runstream_ingest.topology import server_of
from runstream_schemas.layout import Layout
from runstream_schemas.tables import Migration

VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS schema_version
(
    number UInt32,
    name String,
    applied DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY number
"""


class NewerStore(RuntimeError):
    """The store was migrated by a later version of runstream, whose tables this one does not know."""

    def __init__(self, store: int, code: int) -> None:
        super().__init__(
            f"the store has version {store}, this runstream knows up to {code}: upgrade it (pip install -U runstream)"
        )


def applied(client: Client) -> set[int]:
    """The numbers of the migrations that the store has had."""
    exists = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'"
    if not client.query(exists).result_rows[0][0]:
        return set()
    return {int(row[0]) for row in client.query("SELECT DISTINCT number FROM schema_version").result_rows}


def migrate(client: Client, migrations: Sequence[Migration], layout: Layout | None = None) -> list[Migration]:
    """Apply what is missing, in order; the migrations that were applied. The layout is that of one server by default.

    Every statement is idempotent and a migration is recorded after its last one, so being killed anywhere, or migrating
    twice at once, is harmless. A node that joins a cluster has no versions: migrating through it brings it all.
    Raises NewerStore, or what the client raises.
    """
    layout = layout or server_of(client)
    present = applied(client)
    newest = max(migration.number for migration in migrations)
    if present and max(present) > newest:
        raise NewerStore(max(present), newest)
    missing = layout.migrations([migration for migration in migrations if migration.number not in present])
    if missing:
        for statement in layout.version_table(VERSION_TABLE):
            client.command(statement)
    for migration in missing:
        for statement in migration.statements:
            client.command(statement)
        client.command(f"INSERT INTO schema_version (number, name) VALUES ({migration.number}, '{migration.name}')")
    return list(missing)
