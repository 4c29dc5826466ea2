"""Finding the messages that the store refuses, without writing anything.

A probe is a copy of a landing table and of every view behind it, with targets that keep nothing (ENGINE = Null). A
batch that failed with a data error is bisected against it: what fails alone is a culprit. One server gets a probe when
it is needed; on a cluster every node has one, because each request may reach another node.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from runstream_ingest.errors import ErrorClass, classify
from runstream_ingest.sink import Inserter
from runstream_schemas.avro import Schema, landing_table

Try = Callable[[Sequence[bytes]], None]
"""Inserts datums into the probe; raises what the store answers."""


class TooManyCulprits(RuntimeError):
    """So much is bad that looking further would only delay the alarm."""


def culprits(datums: Sequence[bytes], attempt: Try, limit: int) -> dict[int, Exception]:
    """The refused datums by index, with the error of each.

    Raises TooManyCulprits above `limit`, and any error that is not a data error as it is.
    """
    found: dict[int, Exception] = {}
    stack = [(0, len(datums))]
    while stack:
        begin, end = stack.pop()
        try:
            attempt(datums[begin:end])
        except Exception as error:
            if classify(error) is not ErrorClass.DATA:
                raise
            if end - begin == 1:
                found[begin] = error
                if len(found) > limit:
                    raise TooManyCulprits(f"more than {limit} of {len(datums)} messages are refused") from error
            else:
                middle = (begin + end) // 2
                stack += [(middle, end), (begin, middle)]
    return found


@contextmanager
def probe(client: Client, inserter: Inserter, schema: Schema) -> Iterator[Try]:
    """The probe of a schema's landing table, dropped afterwards."""
    # A name of its own for each probe, because workers share a server.
    prefix = f"probe_{uuid.uuid4().hex[:12]}_"
    created: list[tuple[str, str]] = []
    landing = landing_table(schema.event)
    try:
        _copy(client, landing, prefix, created)
        yield lambda datums: inserter.insert(prefix + landing, schema, datums)
    finally:
        for kind, name in reversed(created):
            client.command(f"DROP {kind} IF EXISTS {name}")


@contextmanager
def standing_probe(inserter: Inserter, schema: Schema, database: str) -> Iterator[Try]:
    """The probe of a schema's landing table in a database of probes, which stays."""
    yield lambda datums: inserter.insert(f"{database}.{landing_table(schema.event)}", schema, datums)


def drop_stale(client: Client) -> None:
    """Drop the probes and half-replaced views of a process that was killed. Only where nobody else can use them."""
    query = (
        "SELECT name, engine FROM system.tables "
        "WHERE database = currentDatabase() AND match(name, '^(probe|_tmp_replace)_')"
    )
    # Views first: a table that is read by a view may not be dropped everywhere.
    for name, engine in sorted(client.query(query).result_rows, key=lambda row: row[1] != "MaterializedView"):
        client.command(f"DROP {'VIEW' if engine == 'MaterializedView' else 'TABLE'} IF EXISTS {name}")


def _copy(client: Client, table: str, prefix: str, created: list[tuple[str, str]]) -> None:
    """Copy a table as Null, then the views that read from it, and so on behind their targets."""
    client.command(f"CREATE TABLE {prefix}{table} AS {table} ENGINE = Null")
    created.append(("TABLE", prefix + table))
    for view, select, target in _views_on(client, table):
        if ("TABLE", prefix + target) not in created:
            _copy(client, target, prefix, created)
        client.command(
            f"CREATE MATERIALIZED VIEW {prefix}{view} TO {prefix}{target} AS {_read_from(select, table, prefix)}"
        )
        created.append(("VIEW", prefix + view))


def _views_on(client: Client, table: str) -> list[tuple[str, str, str]]:
    """Name, SELECT and target of the materialized views that inserts into a table trigger."""
    rows = client.query(
        "SELECT name, as_select, create_table_query FROM system.tables WHERE database = currentDatabase() "
        "AND engine = 'MaterializedView' AND NOT startsWith(name, 'probe_') ORDER BY name"
    ).result_rows
    found = []
    for name, select, create in rows:
        target = re.search(r"\sTO\s+(?:\S+?\.)?`?([A-Za-z0-9_]+)`?[\s(]", create)
        if target is not None and _source_pattern(table).search(select):
            found.append((name, select, target.group(1)))
    return found


def _read_from(select: str, table: str, prefix: str) -> str:
    return _source_pattern(table).sub(lambda match: match.group(1) + prefix + table, select)


def _source_pattern(table: str) -> re.Pattern[str]:
    return re.compile(rf"(\bFROM\s+)(?:`?[A-Za-z0-9_]+`?\.)?`?{table}`?(?![A-Za-z0-9_.`])")
