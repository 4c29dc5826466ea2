"""Asks an embedded store, in the process that owns it: an engine opens one store in its life."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

MOST_QUERY_BYTES = 4 * 1024 * 1024
"""As the data source's user may send."""

_connection: Any = None


@dataclass(frozen=True)
class Answer:
    """Rows with the names and types of their columns."""

    names: list[str]
    types: list[str]
    rows: list[list[Any]]


class Engine:
    """A store that is open in another process."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.known: dict[str, list[str]] = {}

    def ask(self, sql: str) -> Answer:
        """Raises RuntimeError with the engine's message."""
        return self._pool.submit(_ask, sql).result(timeout=110)


@contextmanager
def opened(store: Path) -> Iterator[Engine]:
    """The store in that directory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_open, str(store)).result(timeout=60)
        yield Engine(pool)


def command(directory: Path, *words: str) -> None:
    """Run `runstream` to its end."""
    code = "from runstream_analytics.cli.app import main; main()"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _open(store: str) -> None:
    global _connection
    import chdb

    _connection = chdb.connect(store)
    _connection.query("USE runstream")
    # As the data source's user has it, see deploy/clickhouse/users.d.
    _connection.query(
        "SET output_format_json_quote_denormals = 1, output_format_json_quote_64bit_integers = 0, "
        f"max_query_size = {MOST_QUERY_BYTES}, readonly = 1"
    )


def _ask(sql: str) -> Answer:
    try:
        found = json.loads(str(_connection.query(sql, "JSONCompact")) or '{"meta": [], "data": []}')
    except Exception as error:
        raise RuntimeError(str(error)[:2000]) from None
    return Answer(
        [column["name"] for column in found["meta"]], [column["type"] for column in found["meta"]], found["data"]
    )
