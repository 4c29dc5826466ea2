"""SQL that a person wrote, answered in a format of theirs."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_analytics.errors import UserError
from runstream_analytics.reader import Reader, read_only
from runstream_schemas.exit_codes import ExitCode

_READONLY_REFUSED: Final = 164
_UNKNOWN_TABLE: Final = 60

_JSON_SETTINGS: Final = {"output_format_json_array_of_rows": 1}
"""JSONEachRow as one list of objects."""


_QUOTED: Final = re.compile(
    r"""'(?:\\.|''|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
"""Strings, names in quotes and comments, in which no word is SQL's own."""

_FILE_CLAUSE: Final = re.compile(r"\bINTO\s+OUTFILE\b", re.IGNORECASE)
"""Where an answer goes is for the command line to say; the engine would write files even read-only."""

_FORMAT_CLAUSE: Final = re.compile(r"\bFORMAT\s+\w+\s*(?=$|SETTINGS\b)", re.IGNORECASE)
"""How an answer looks is for the command line to say too."""


@dataclass(frozen=True)
class Answer:
    """A result as a table."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def answer_table(reader: Reader, query: str, *, write: bool = False) -> Answer:
    """The answer as rows; empty for a statement that has none. Raises UserError."""
    content = _run(reader, query, "JSONCompact", {"output_format_json_quote_denormals": 1}, write)
    if not content.strip():
        return Answer((), (), ())
    answer = orjson.loads(content)
    columns = answer["meta"]
    return Answer(
        tuple(column["name"] for column in columns),
        tuple(column["type"] for column in columns),
        tuple(tuple(row) for row in answer["data"]),
    )


def answer_json(reader: Reader, query: str, *, write: bool = False) -> bytes:
    """The answer as a JSON list of objects. Raises UserError."""
    return _run(reader, query, "JSONEachRow", _JSON_SETTINGS, write) or b"[]\n"


def answer_csv(reader: Reader, query: str, *, write: bool = False) -> bytes:
    """The answer as CSV with a line of names. Raises UserError."""
    return _run(reader, query, "CSVWithNames", {}, write)


def _run(reader: Reader, query: str, form: str, settings: dict[str, int], write: bool) -> bytes:
    text = query.strip().rstrip(";").strip()
    if not text:
        raise UserError("the query is empty")
    found = _FORMAT_CLAUSE.search(_words(text)) or _FILE_CLAUSE.search(_words(_formatted(reader, text)))
    if found:
        raise UserError(f"{found[0].strip()} is not for the query to say: use --format or --json, and > for a file")
    try:
        # The engine tells reading from writing. Its setting cannot be undone: a client for this query alone.
        with closing(reader.connect()) as client:
            return bytes(client.raw_query(text, fmt=form, settings={**settings, **read_only(client)}))
    except ClickHouseError as error:
        if not write:
            raise _explained(error) from error
        if reader.served_by:
            raise UserError(
                f"process {reader.served_by} (`runstream serve`) holds the store and only reads; stop it to change the "
                f"store, or mend the SQL: {error}",
                ExitCode.STORE_BUSY,
            ) from error
    try:
        with closing(reader.connect()) as client:
            client.command(text)
    except ClickHouseError as error:
        raise _explained(error) from error
    return b""


def _words(text: str) -> str:
    return _QUOTED.sub("''", text)


def _formatted(reader: Reader, text: str) -> str:
    """As the engine understands it, comments gone; as it is written where the engine cannot read it.

    Comments between two words, strings between two dollars: only its own parser knows them all.
    """
    formatted = reader.rows("SELECT formatQuerySingleLineOrNull({text:String})", {"text": text})[0][0]
    return text if formatted is None else str(formatted)


def _explained(error: ClickHouseError) -> UserError:
    code = getattr(error, "code", None)
    if code == _READONLY_REFUSED:
        return UserError("this SQL writes, and the store is only read here; add --write if you mean it")
    hint = "; SHOW TABLES lists the tables and views" if code == _UNKNOWN_TABLE else ""
    return UserError(f"{error}{hint}")
