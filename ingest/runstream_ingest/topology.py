"""Which cluster a store lies on, as the servers know it."""

from __future__ import annotations

import re

from clickhouse_connect.driver.client import Client

from runstream_schemas import shards
from runstream_schemas.cluster import Cluster, ClusterError
from runstream_schemas.layout import OneServer
from runstream_schemas.shards import ShardMap


def server_of(client: Client) -> OneServer:
    """The database of the client, which has everything in it."""
    return OneServer(client.database or "default")


def cluster_of(client: Client, name: str, wanted: ShardMap | None = None) -> Cluster:
    """The cluster of that name, for the database of the client, with the map of shards that is in force.

    The map stands in the landing tables, so that every worker has the same one. `wanted` decides while there are none;
    without it, the buckets are spread evenly. Raises ClusterError when the servers do not know the cluster, when they
    would store rows in the wrong place, or when they have another map than is wanted; or what the client raises.
    """
    count = _shards(client, name)
    standing = _standing_map(client)
    if standing is not None and wanted is not None and standing != wanted:
        raise ClusterError(
            f"the store sends runs to {standing.greatest} shards by another map than the setting store_shards names: "
            "move the buckets and switch the map (docs/cluster.md), or take the setting out to go on as it is"
        )
    used = standing or wanted or shards.even(count)
    if used.greatest > count:
        raise ClusterError(f"the shard map names shard {used.greatest}, and the cluster {name} has {count} shards")
    return Cluster(name, client.database or "default", used)


def _shards(client: Client, name: str) -> int:
    rows = client.query(
        "SELECT cluster, shard_num, shard_weight, internal_replication FROM system.clusters ORDER BY ALL"
    ).result_rows
    ours = [row[1:] for row in rows if row[0] == name]
    if not ours:
        known = ", ".join(dict.fromkeys(str(row[0]) for row in rows)) or "none"
        raise ClusterError(
            f"the server knows no cluster {name!r} (it knows: {known}): see remote_servers in its settings"
        )
    for number, weight, internal_replication in ours:
        if weight != 1:
            raise ClusterError(
                f"shard {number} of cluster {name} has the weight {weight}: give every shard the weight 1"
            )
        if not internal_replication:
            raise ClusterError(
                f"shard {number} of cluster {name} has no internal_replication: set it to true in remote_servers"
            )
    return len({number for number, _, _ in ours})


def _standing_map(client: Client) -> ShardMap | None:
    """The map in the definition of the landing table for metrics; None when there is no such table."""
    rows = client.query(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'landing_metric'"
    ).result_rows
    if not rows:
        return None
    found = re.search(r"\[([0-9, ]+)\]\[", rows[0][0])
    if found is None:
        raise ClusterError("the store's database was made for one server: name another database in the setting store")
    return ShardMap(tuple(int(position) + 1 for position in found[1].split(",")))
