"""Which statements may run, judged by how the engine itself writes them out. Pure.

The engine's read-only mode is not enough: it still writes files with INTO OUTFILE, and reads files and the network
with file() and DESCRIBE url().
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runstream_analytics.serve.answer import Refused
from runstream_analytics.serve.names import (
    FORBIDDEN_FUNCTIONS,
    FORMATS_WITH_FILES,
    SHOWN_CREATE,
    SHOWS,
    SYSTEM_TABLES,
    TABLE_FUNCTIONS,
)
from runstream_analytics.serve.tokens import Token, tokens

READING: Final = ("SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN")
"""How a statement begins that only reads."""

KILL: Final = re.compile(r"KILL QUERY WHERE query_id = '([^'\\]*)'(?: (?:SYNC|ASYNC))?")


@dataclass(frozen=True)
class Statement:
    """A statement that may run."""

    text: str
    """Without its FORMAT and its own SETTINGS at the end."""
    format: str
    """The format that it names, or nothing."""
    settings: tuple[tuple[str, str], ...]
    """The settings that it names for itself."""
    explains: bool = False
    """Where its answer goes would become part of what is explained; the answer is small."""


def killed(canonical: str) -> str | None:
    """The query id of a statement that asks to end another one."""
    found = KILL.fullmatch(canonical)
    return found[1] if found else None


@dataclass(frozen=True)
class Known:
    """Names of the engine's functions, in lower case."""

    functions: Collection[str]
    table_functions: Collection[str]

    def called(self, name: str) -> bool:
        """Whether a call of this name may reach files or other machines."""
        in_from = name in self.table_functions and name not in TABLE_FUNCTIONS
        return in_from or name.startswith("ai") or self.meant(name)

    def meant(self, name: str) -> bool:
        """Whether the name alone may: a function can be handed to another one, as in `arrayMap(file, …)`."""
        return name in FORBIDDEN_FUNCTIONS or (name.startswith("ai") and name in self.functions)


def judged(canonical: str, parameters: Mapping[str, str], known: Known) -> Statement:
    """What may run. Raises Refused."""
    words = tokens(canonical)
    _check_kind(words)
    for at, word in enumerate(words):
        if word.kind in ("word", "quoted"):
            before, after = words[max(at - 1, 0)], words[at + 1 : at + 3]
            _check_functions(word, before, after, known)
            _check_tables(word, after)
            _check_clauses(word, after)
        elif word.kind == "parameter":
            _check_parameter(word, parameters, known)
    return _taken_apart(canonical, words)


def checked_format(form: str) -> str:
    """The name of a format that may be used. Raises Refused."""
    if not form.isascii() or not form.isalnum():
        raise Refused(73, f"Unknown format {form}", "UNKNOWN_FORMAT")
    if form.lower() in FORMATS_WITH_FILES:
        raise Refused(497, f"The format {form} would read a file", "ACCESS_DENIED")
    return form


def checked_database(database: str) -> str:
    """The name of a database in which tables may be meant without naming it. Raises Refused."""
    if database.lower() == "system":
        raise Refused(497, "Name the database in the statement instead, as in system.tables", "ACCESS_DENIED")
    return database


def _check_kind(words: Sequence[Token]) -> None:
    said = [word.text.upper() if word.kind == "word" else "" for word in words[:3]] + ["", "", ""]
    while said[0] == "" and words and words[0].text == "(":
        words, said = words[1:], [*said[1:], ""]
    if said[0] not in READING:
        raise Refused(164, f"Only reading is allowed here, and {said[0] or 'this'} does more", "READONLY")
    if said[0] == "SHOW" and (said[1] not in SHOWS or (said[1] == "CREATE" and said[2] not in SHOWN_CREATE)):
        raise Refused(497, f"SHOW {said[1]} is not answered here", "ACCESS_DENIED")


def _check_functions(word: Token, before: Token, after: Sequence[Token], known: Known) -> None:
    name = word.text.lower()
    called = bool(after) and after[0].text == "(" and after[0].kind == "sign" and known.called(name)
    # A column of the name says whose it is, or is just being named.
    column = before.text == "." or (before.kind == "word" and before.text == "AS")
    if called or (known.meant(name) and not column):
        text = f"The function {word.text} may reach files or other machines; a column of the name is written t.{name}"
        raise Refused(497, text, "ACCESS_DENIED")


def _check_tables(word: Token, after: Sequence[Token]) -> None:
    if len(after) < 2 or after[0].text != "." or after[0].kind != "sign":
        return
    if word.text.lower() == "system" and after[1].text.lower() not in SYSTEM_TABLES:
        raise Refused(497, f"The table system.{after[1].text} is not shown here", "ACCESS_DENIED")
    if word.text.lower() == "default":
        # The engine takes the names of tables in it for those of files.
        raise Refused(497, "The database default is not used here; that of runs is runstream", "ACCESS_DENIED")


def _check_clauses(word: Token, after: Sequence[Token]) -> None:
    pair = (word.text, after[0].text) if after and word.kind == after[0].kind == "word" else ("", "")
    if pair == ("INTO", "OUTFILE"):
        raise Refused(497, "INTO OUTFILE would write a file where the server runs", "ACCESS_DENIED")
    if pair == ("PARALLEL", "WITH"):
        raise Refused(48, "PARALLEL WITH is not supported here", "NOT_IMPLEMENTED")


def _check_parameter(word: Token, parameters: Mapping[str, str], known: Known) -> None:
    """A parameter that is a name could name what no statement may."""
    name, _, kind = word.text.strip("{}").partition(":")
    value = parameters.get(name.strip(), "").strip('`" ').lower()
    if kind.strip().lower() == "identifier" and (value.startswith(("system", "default")) or known.meant(value)):
        raise Refused(497, f"The parameter {name.strip()} may not name {value}", "ACCESS_DENIED")


def _taken_apart(canonical: str, words: Sequence[Token]) -> Statement:
    settings: list[tuple[str, str]] = []
    form, end = _format_at_end(words, len(words))
    end = _settings_at_end(canonical, words, end, settings)
    if not form:  # both orders are written
        form, end = _format_at_end(words, end)
        end = _settings_at_end(canonical, words, end, settings)
    for at, word in enumerate(words[:end]):
        # The engine looks at those of a subquery less closely, and some hold expressions.
        if word.kind == "word" and word.text == "SETTINGS" and at + 2 < end and words[at + 2].text == "=":
            raise Refused(452, "SETTINGS may stand only at the end here", "SETTING_CONSTRAINT_VIOLATION")
    text = canonical[: words[end].start] if end < len(words) else canonical
    return Statement(text.strip(), form, tuple(settings), explains=words[0].text == "EXPLAIN")


def _format_at_end(words: Sequence[Token], end: int) -> tuple[str, int]:
    """The format named at the end, and where its clause begins; else nothing and `end`."""
    if end < 3 or not _is(words[end - 2], "FORMAT") or words[end - 1].kind != "word" or words[end - 3].text == ".":
        return "", end
    return words[end - 1].text, end - 2


def _settings_at_end(canonical: str, words: Sequence[Token], end: int, settings: list[tuple[str, str]]) -> int:
    """Where a SETTINGS clause at the end begins, its settings added; else `end`."""
    at = next((n for n in range(end - 1, 0, -1) if _is(words[n], "SETTINGS")), None)
    if at is None or at + 3 >= end or words[at + 1].kind != "word" or words[at + 2].text != "=":
        return end
    n = at + 1
    while n < end:
        if n + 2 >= end or words[n + 1].text != "=":
            return end
        stop = next((m for m in range(n + 2, end) if words[m].text == "," and words[m].depth == words[n].depth), end)
        first = words[n + 2]
        until = words[stop].start if stop < len(words) else len(canonical)
        raw = canonical[first.start : until].strip()
        settings.append((words[n].text, first.text if first.kind == "string" and stop == n + 3 else raw))
        n = stop + 1
    return at


def _is(word: Token, keyword: str) -> bool:
    return word.kind == "word" and word.text == keyword and word.depth == 0
