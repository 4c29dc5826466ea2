"""The words of a statement that the engine itself has written out on one line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
    (?P<string>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<parameter>\{\s*\w+\s*:[^{}]*\})
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\d\w*(?:\.\w*)?)
  | (?P<sign>\S)
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


class Token(NamedTuple):
    """One word or sign."""

    kind: str
    """string, quoted (a name), parameter, word, number or sign."""
    text: str
    """What it says: names and strings without quotes and escapes."""
    start: int
    depth: int
    """How many brackets it stands in."""


def tokens(text: str) -> list[Token]:
    """All tokens of a statement in the engine's own writing."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    depth = 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        said = found[0]
        if said in (")", "]", "}"):
            depth -= 1
        plain = _unquoted(said) if kind in ("string", "quoted") else said
        yield Token(kind, plain, found.start(), depth)
        if said in ("(", "[", "{"):
            depth += 1


def _unquoted(text: str) -> str:
    quote, inner = text[0], text[1:-1].replace(text[0] * 2, text[0])
    assert quote in "'`\"", "only called with something in quotes"
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), inner, flags=re.DOTALL)
