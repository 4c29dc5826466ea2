"""The embedded engine as the only node of a cluster, in a process of its own: what it can run of a clustered store.

It has no queue for ON CLUSTER, and its in-memory keeper forgets: statements are run here on this node only, and data
goes into tables that are not replicated. As a program (`python cluster_process.py DIRECTORY`) it makes the replicated
ones too, without data, and prints their names and engines.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import clickhouse_connect

sys.path.insert(0, str(Path(__file__).parent.parent))

import support_events
from runstream_ingest import isolate
from runstream_ingest.findings import renew
from runstream_ingest.free import free_deleted
from runstream_ingest.migrate import VERSION_TABLE, migrate
from runstream_ingest.sink import EmbeddedInserter
from runstream_ingest.topology import cluster_of
from runstream_schemas import avro
from runstream_schemas.cluster import CLIENT_SETTINGS, Cluster, ClusterError
from runstream_schemas.layout import OneServer
from runstream_schemas.shards import ShardMap, even
from runstream_schemas.tables import migrations

READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}

CLUSTERS = {"alone": 1, "twice": 2}
"""Clusters of the engine by their number of shards, each of which is the engine itself."""

_clients: dict[str, Any] = {}


def open_engine(root: Path) -> None:
    """Open the engine as a node of CLUSTERS."""
    replica = "<replica><host>127.0.0.1</host><port>9000</port></replica>"
    shard = f"<shard><internal_replication>true</internal_replication>{replica}</shard>"
    servers = "".join(f"<{name}>{shard * count}</{name}>" for name, count in CLUSTERS.items())
    servers += f"<heavy>{shard}{shard.replace('<shard>', '<shard><weight>2</weight>')}</heavy>"
    servers += f"<careless><shard>{replica}</shard></careless>"
    config = root / "config.xml"
    config.write_text(
        "<clickhouse><tcp_port>9000</tcp_port><zookeeper><implementation>testkeeper</implementation></zookeeper>"
        f"<macros><shard>01</shard><replica>a</replica></macros><remote_servers>{servers}</remote_servers></clickhouse>"
    )
    _clients[""] = clickhouse_connect.get_client(interface="chdb", path=f"{root / 'store'}?config-file={config}")


def open_single(database: str) -> None:
    """A store as on a single server."""
    _clients[""].command(f"CREATE DATABASE {database}")
    _client(database)
    for migration in OneServer(database).migrations(migrations()):
        for statement in migration.statements:
            _clients[database].command(statement)


def open_cluster(cluster: Cluster) -> None:
    """A store as on a cluster, its tables not replicated."""
    for statement in statements_of(cluster):
        _clients[""].command(not_replicated(on_this_node(statement)))
    for database in (cluster.database, cluster.probe_database):
        _client(database)


def statements_of(cluster: Cluster) -> list[str]:
    """All statements of a clustered store, in order."""
    made = [each for migration in cluster.migrations(migrations()) for each in migration.statements]
    return [*cluster.version_table(VERSION_TABLE), *made]


def on_this_node(statement: str) -> str:
    """A statement for a whole cluster, for this node alone."""
    return re.sub(r" ON CLUSTER '\w+'", "", statement, count=1)


def not_replicated(statement: str) -> str:
    """A statement with the engines of a single server."""
    return re.sub(r"ENGINE = Replicated(\w+)\('[^']+', '\{replica\}'(?:, )?", r"ENGINE = \1(", statement)


class OneNode:
    """A client that runs what is meant for the whole cluster on this node, without replication."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def command(self, statement: str, **options: Any) -> Any:
        return self._client.command(not_replicated(on_this_node(statement)), **options)


def prepare(database: str, name: str, wanted: ShardMap | None = None) -> tuple[Cluster, int]:
    """Open a store as the worker does; its place, and how many migrations were applied.

    Raises ValueError with the message of a ClusterError.
    """
    if database not in _clients:
        _clients[""].command(f"CREATE DATABASE IF NOT EXISTS {database}")
        _client(database)
    node: Any = OneNode(_clients[database])
    try:
        cluster = cluster_of(node, name, wanted)
    except ClusterError as error:
        raise ValueError(str(error)) from None
    return cluster, len(migrate(node, migrations(), cluster))


def free(cluster: Cluster) -> int:
    """Free the space of deleted runs, and see it done."""
    node: Any = OneNode(_clients[cluster.database])
    runs = free_deleted(node, cluster)
    while query("", "SELECT count() FROM system.mutations WHERE NOT is_done", {}) != [(0,)]:
        time.sleep(0.01)
    return runs


def culprits(cluster: Cluster, records: Sequence[dict[str, Any]]) -> list[int]:
    """The places of the metric events that the store refuses."""
    schema = avro.current("metric")
    datums = [schema.encode_datum(record) for record in records]
    client = clickhouse_connect.get_client(interface="chdb", path=_clients[""].path, database=cluster.database)
    with isolate.standing_probe(EmbeddedInserter(client), schema, cluster.probe_database) as attempt:
        return sorted(isolate.culprits(datums, attempt, 10))


def insert(database: str, event: str, records: Sequence[dict[str, Any]]) -> None:
    """Insert events through their landing table; raises ValueError with the engine's message."""
    try:
        support_events.insert(_clients[database], event, records)
    except Exception as error:  # the engine's own class holds what cannot be pickled
        raise ValueError(str(error)) from None


def query(database: str, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    result = _clients[database].query(sql, parameters=parameters, settings=READ_SETTINGS)
    return [tuple(row) for row in result.result_rows]


def renew_findings(database: str) -> None:
    """Bring the views that read findings up to date."""
    renew(_clients[database], 0)


def command(database: str, sql: str) -> None:
    """Run a statement."""
    _clients[database].command(sql)


def parsed(statement: str) -> str:
    """A statement as the engine formats it; it must be able to read that again."""
    once: str = _clients[""].query("SELECT formatQuery({s:String})", parameters={"s": statement}).result_rows[0][0]
    again: str = _clients[""].query("SELECT formatQuery({s:String})", parameters={"s": once}).result_rows[0][0]
    assert once == again
    return once


def shard_of(shards: ShardMap, run_ids: Sequence[str]) -> list[int]:
    """The shard of each run, by the map's sharding key in the engine."""
    rows = _clients[""].query(
        f"SELECT {shards.sharding_key} + 1 FROM (SELECT arrayJoin({{ids:Array(UUID)}}) AS run_id)",
        parameters={"ids": list(run_ids)},
    )
    return [int(row[0]) for row in rows.result_rows]


def _client(database: str) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=_clients[""].path, database=database)
    for name, value in CLIENT_SETTINGS.items():
        client.command(f"SET {name} = '{value}'")
    _clients[database] = client


def _replicated_tables() -> list[tuple[Any, ...]]:
    cluster = Cluster("alone", "replicated", even(1))
    for statement in statements_of(cluster):
        _clients[""].command(on_this_node(statement))
    tables = "SELECT database, name, engine FROM system.tables WHERE startsWith(database, 'replicated')"
    return query("", tables, {})


if __name__ == "__main__":
    open_engine(Path(sys.argv[1]))
    print(json.dumps(_replicated_tables()), flush=True)
    # With an in-memory keeper the engine may wait for ever for its replicated tables to stop.
    os._exit(0)
