"""The store on a ClickHouse cluster: what each statement of a migration becomes there. Pure: text to text.

Every node has three databases:

- `<database>` is what people read and the worker writes, under the names of a single server: Distributed tables where
  something is inserted, and views that ask every shard and put the answers together.
- `<database>_shard` holds the rows of the shard in Replicated tables, with all views as on a single server. Everything
  of a run lies on one shard, so that what a view says of a run is right there.
- `<database>_probe` holds copies of the landing tables and of all views behind them that keep nothing: refused batches
  are tried there, on whichever node answers.

Names in the texts are qualified: a shard runs a query of another node in that user's default database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from runstream_schemas.shards import ShardMap
from runstream_schemas.tables import Migration, migrations

CLIENT_SETTINGS: Final[Mapping[str, str]] = {
    # An insert is answered when every shard has the rows, not when they are queued on one node's disk.
    "distributed_foreground_insert": "1",
    # ... and on every shard the majority of its replicas.
    "insert_quorum": "auto",
    # Below the client's own timeout, so that the server says what is missing.
    "insert_quorum_timeout": "60000",
    "distributed_ddl_task_timeout": "90",
    # Replicated tables otherwise drop a block that they have seen before: a row recorded again after it was deleted.
    "deduplicate_insert": "disable",
}
"""Settings of every connection to a cluster; seconds for the last timeout, milliseconds for the first."""

INTERNAL_VIEWS: Final = frozenset(
    {
        *("series_cut", "amended_series", "amended_summary", "packed_point", "facts"),
        *("attempt_life", "series_width", "series_sample", "loss_names", "loss_curve"),
    }
)
"""Views that only other views read."""

OVER_RUNS: Final = frozenset({"chart", "chart_band", "chart_by_rank", "chart_lines", "chart_ranks"})
"""Views that put runs together: computed once, from what the views below them bring from all shards."""

PER_RUN_PART: Final = {"chart_plan": "FROM series FINAL"}
"""Views that put runs together from a table. The innermost SELECT with this text has one row per run: shards run it."""

ONE_SHARD: Final = frozenset({"log_position", "schema_version"})
"""Small tables that know no run: they lie on the first shard."""


class ClusterError(ValueError):
    """The store's place on a cluster is not as it must be; the message says what to change."""


@dataclass(frozen=True)
class Cluster:
    """A cluster and the store's place on it."""

    name: str
    """As in `system.clusters`."""
    database: str
    shards: ShardMap

    def __post_init__(self) -> None:
        # Both stand in paths and quotes of other programs as well: the plainest names only.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.database):
            raise ClusterError(f"the database {self.database!r} of a clustered store: use letters, digits and _")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name):
            raise ClusterError(f"the cluster {self.name!r}: use letters, digits, _, . and -")

    @property
    def shard_database(self) -> str:
        """Where the rows are, on each node those of its shard."""
        return f"{self.database}_shard"

    @property
    def probe_database(self) -> str:
        """Where batches are tried without keeping anything."""
        return f"{self.database}_probe"

    def delete_from(self, table: str) -> str:
        """The beginning of a DELETE of rows of a table, wherever they are."""
        return f"DELETE FROM {self.shard_database}.{table} ON CLUSTER '{self.name}'"

    def on_every_shard(self, select: str) -> str:
        """A SELECT over tables and views of single shards, as one over all: the rows of all shards together."""
        return f"SELECT * FROM {self._ask(qualified(select, self.shard_database))}"

    def version_table(self, statement: str) -> tuple[str, ...]:
        """What must be there before the first migration: the databases, and the table that the statement creates."""
        databases = (self.database, self.shard_database, self.probe_database)
        return (
            *(f"CREATE DATABASE IF NOT EXISTS {name} ON CLUSTER '{self.name}'" for name in databases),
            *self.statements(statement),
        )

    def migrations(self, originals: Sequence[Migration]) -> tuple[Migration, ...]:
        """The same migrations, for this cluster. Raises ClusterError for a statement that has no form on a cluster."""
        return tuple(
            Migration(one.number, one.name, tuple(made for each in one.statements for made in self.statements(each)))
            for one in originals
        )

    def statements(self, statement: str) -> tuple[str, ...]:
        """What one statement becomes: in the database of the shard, in that of probes, and in the one above them."""
        kind, name = created(statement)
        local = self._placed(statement, self.shard_database)
        if kind == "VIEW":
            return (local,) if name in INTERNAL_VIEWS else (local, self._view_above(statement, name))
        if kind == "MATERIALIZED VIEW":
            return local, self._placed(statement, self.probe_database)
        replicated = _ENGINE.sub(lambda found: self._replicated(name, found), local)
        if name in _WRITTEN_AS_ROWS:
            return replicated, self._distributed("CREATE TABLE IF NOT EXISTS", name)
        probe = _STORAGE.sub("ENGINE = Null", self._placed(statement, self.probe_database))
        if name.startswith("landing_"):
            return replicated, probe, self._distributed("CREATE TABLE IF NOT EXISTS", name)
        return replicated, probe

    @cached_property
    def use_shards(self) -> tuple[str, ...]:
        """Statements that make the landing tables send new rows by this cluster's map, whatever it was before."""
        sharded = sorted(name for name in known_names() if name.startswith("landing_") or name in _ROWS_OF_RUNS)
        return tuple(self._distributed("CREATE OR REPLACE TABLE", name) for name in sharded)

    def _placed(self, statement: str, database: str) -> str:
        place = f" {database}.\\g<name> ON CLUSTER '{self.name}'"
        return _CREATE.sub(rf"\g<head>{place}", qualified(statement, database), count=1)

    def _replicated(self, table: str, engine: re.Match[str]) -> str:
        # Named by the table, not by its uuid: a node that joins later gets another uuid, and must find the same rows.
        arguments = [f"'/clickhouse/tables/{{shard}}/{self.shard_database}/{table}'", "'{replica}'"]
        if engine["arguments"]:
            arguments.append(engine["arguments"])
        return f"ENGINE = Replicated{engine['name']}({', '.join(arguments)})"

    def _distributed(self, create: str, table: str) -> str:
        # AS copies the constraints too: a batch is refused before any shard has written a part of it.
        key = "0" if table in ONE_SHARD else self.shards.sharding_key
        return (
            f"{create} {self.database}.{table} ON CLUSTER '{self.name}' AS {self.shard_database}.{table}\n"
            f"ENGINE = Distributed('{self.name}', '{self.shard_database}', '{table}', {key})"
        )

    def _view_above(self, statement: str, name: str) -> str:
        if name in OVER_RUNS:
            return self._placed(statement, self.database)
        if name in PER_RUN_PART:
            begin, end = _innermost(statement, PER_RUN_PART[name])
            asked = self._ask(qualified(statement[begin:end], self.shard_database))
            return self._placed(f"{statement[: begin - 1]}{asked}{statement[end + 1 :]}", self.database)
        parameters = dict.fromkeys(_PARAMETER.findall(statement))
        call = f"({', '.join(f'{each} = {{{each}:{kind}}}' for each, kind in parameters)})" if parameters else ""
        asked = self._ask(f"SELECT * FROM {self.shard_database}.{name}{call}")
        return f"CREATE OR REPLACE VIEW {self.database}.{name} ON CLUSTER '{self.name}' AS\nSELECT * FROM {asked}"

    def _ask(self, select: str) -> str:
        return f"cluster('{self.name}', view({select.strip()}))"


def created(statement: str) -> tuple[str, str]:
    """What a statement creates: TABLE, MATERIALIZED VIEW or VIEW, and its name.

    Raises ClusterError for any other statement: it needs a form on a cluster first.
    """
    found = _CREATE.search(statement)
    if found is None:
        raise ClusterError(f"no form on a cluster is known for: {statement.strip()[:80]}")
    return found["kind"], found["name"]


@cache
def known_names() -> frozenset[str]:
    """The names of all tables and views."""
    return frozenset(created(each)[1] for migration in migrations() for each in migration.statements)


def qualified(statement: str, database: str) -> str:
    """Put the database before every table and view that is read or written into; aliases and columns stay.

    `database` is its name as SQL writes it.
    """
    names = known_names()
    return _READ.sub(
        lambda found: (
            f"{found['verb']}{found['space']}{database}.{found['name']}" if found["name"] in names else found[0]
        ),
        statement,
    )


_ROWS_OF_RUNS: Final = frozenset({"dead_letter", "run_finding", "summary_finding"})
_WRITTEN_AS_ROWS: Final = ONE_SHARD | _ROWS_OF_RUNS
"""Tables that the worker writes itself, not by a landing table."""

_CREATE: Final = re.compile(
    r"^(?P<head>CREATE (?:OR REPLACE )?(?P<kind>TABLE|MATERIALIZED VIEW|VIEW)(?: IF NOT EXISTS)?) (?P<name>\w+)", re.M
)
_ENGINE: Final = re.compile(r"^ENGINE = (?P<name>\w*MergeTree)(?:\((?P<arguments>[^)]*)\))?", re.M)
_STORAGE: Final = re.compile(r"^ENGINE = .*", re.M | re.S)
_PARAMETER: Final = re.compile(r"\{(\w+):([^{}]+)\}")
_READ: Final = re.compile(r"\b(?P<verb>FROM|JOIN|TO)(?P<space>\s+)(?P<name>\w+)\b(?!\.)")


def _innermost(statement: str, text: str) -> tuple[int, int]:
    """Begin and end of what stands in the innermost parentheses around a text."""
    place = statement.index(text)
    begin = _unmatched(statement, range(place - 1, -1, -1), "(", ")") + 1
    return begin, _unmatched(statement, range(place, len(statement)), ")", "(")


def _unmatched(statement: str, places: range, wanted: str, other: str) -> int:
    depth = 0
    for place in places:
        if statement[place] == wanted and depth == 0:
            return place
        depth += (statement[place] == other) - (statement[place] == wanted)
    raise ClusterError("the SELECT over runs stands in no parentheses")
