"""Moving buckets of runs between the shards of a cluster, as SQL.

The rows are copied aside, into tables that nothing reads, and then put in place at once, so that readers see a run on
two shards only while the rows of the old one are being deleted. Rows are known by what they say, so every step may be
repeated. Workers must be stopped meanwhile: what they wrote between copying and switching would be left behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from runstream_schemas.cluster import Cluster, created
from runstream_schemas.shards import Move, in_buckets
from runstream_schemas.tables import migrations


def aside(cluster: Cluster) -> tuple[str, ...]:
    """On the node that takes over: an empty table for every table that has rows of runs."""
    database = _aside(cluster)
    return (
        f"CREATE DATABASE IF NOT EXISTS {database}",
        *(f"CREATE TABLE {database}.{name} AS {cluster.shard_database}.{name}\n{engine}" for name, engine in _tables()),
    )


def copy(cluster: Cluster, move: Move) -> tuple[str, ...]:
    """On that node: copy the rows of the buckets from their shard."""
    return tuple(
        f"INSERT INTO {_aside(cluster)}.{name}\n"
        f"SELECT * FROM cluster('{cluster.name}', {cluster.shard_database}, {name})\n"
        f"WHERE _shard_num = {move.source} AND {in_buckets(move.buckets)}"
        for name, _ in _tables()
    )


def attach(cluster: Cluster) -> tuple[str, ...]:
    """On that node: put the copied rows in place, without copying again; its replicas follow."""
    return tuple(
        f"ALTER TABLE {cluster.shard_database}.{name} ATTACH PARTITION ALL FROM {_aside(cluster)}.{name}"
        for name, _ in _tables()
    )


def forget(cluster: Cluster, buckets: Iterable[int]) -> tuple[str, ...]:
    """On a node of the shard that gives them away: delete the rows of the buckets; its replicas follow."""
    condition = in_buckets(buckets)
    return tuple(
        f"DELETE FROM {cluster.shard_database}.{name} WHERE {condition} SETTINGS lightweight_deletes_sync = 2"
        for name, _ in _tables()
    )


def tidy(cluster: Cluster) -> tuple[str, ...]:
    """On the node that took over: drop what was copied aside."""
    return (f"DROP DATABASE {_aside(cluster)}",)


def _aside(cluster: Cluster) -> str:
    return f"{cluster.database}_move"


def _tables() -> list[tuple[str, str]]:
    """Every table with rows of runs, with its engine and keys as on a single server."""
    found = []
    for migration in migrations():
        for statement in migration.statements:
            kind, name = created(statement)
            engine = statement.find("\nENGINE = ") + 1
            if kind == "TABLE" and "run_id UUID" in statement and "MergeTree" in statement:
                found.append((name, statement[engine:]))
    return found
