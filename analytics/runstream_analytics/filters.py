"""The filter language of `--where`: conditions on names joined by and, or, not and parentheses.

    lr > 0.01 and state = finished
    val/accuracy:max >= 0.9 and not (config.model ~ conv or tag.kind = baseline)

    filter     = condition { ("and" | "or") condition }        "and" binds tighter
    condition  = "not" condition | "(" filter ")" | name operator value
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"        (~ contains, whatever the case)
    name       = word | `any characters`        read by references.parse_reference
    value      = word | 'any characters' | "any characters"

A backslash before a quote or a backslash inside quotes stands for that character. A run without the named thing never
matches a condition on it, nor the condition's negation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from runstream_analytics.references import BACKQUOTED, BadReference, Reference, parse_reference, unescaped

OPERATORS: Final = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")

MAX_NESTING: Final = 50
"""Levels of parentheses and nots: more than anybody writes, less than the interpreter's stack."""

_TOKEN: Final = re.compile(
    rf"""\s*(?P<whole>
        (?P<operator>!=|<=|>=|!~|=|<|>|~)
      | (?P<bracket>[()])
      | '(?P<single>(?:[^'\\]|\\.)*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | `(?P<back>{BACKQUOTED})`
      | (?P<word>[^\s()=!<>~'"`]+)
    )""",
    re.VERBOSE | re.DOTALL,
)


class BadFilter(ValueError):
    """The text is no filter; the message says what is wrong at the position, counted from 0."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


@dataclass(frozen=True)
class Compare:
    """A name compared with a value."""

    reference: Reference
    operator: str
    value: str
    quoted: bool
    """Quoted values are text even when they look like numbers."""


@dataclass(frozen=True)
class Not:
    """The opposite of a filter."""

    of: Filter


@dataclass(frozen=True)
class All:
    """Every one of some filters; of none: everything."""

    of: tuple[Filter, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of some filters."""

    of: tuple[Filter, ...]


Filter = Compare | Not | All | AnyOf


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse_filter(text: str) -> Filter:
    """Read a filter. Raises BadFilter."""
    return _Parser(text).parse()


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            what = "this quote has no end" if text[start] in "'\"`" else f"{text[start]!r} is no operator"
            raise BadFilter(what, text, start)
        kind = next(name for name, content in match.groupdict().items() if content is not None and name != "whole")
        content = unescaped(match[kind]) if kind in ("single", "double", "back") else match[kind]
        tokens.append(_Token(kind, content, match.start("whole")))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def parse(self) -> Filter:
        if not self._tokens:
            raise BadFilter("the filter is empty; write for example lr > 0.01", self._text, 0)
        found = self._either(0)
        if self._next < len(self._tokens):
            raise self._unexpected("and, or, or the end")
        return found

    def _either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._keyword("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _both(self, depth: int) -> Filter:
        parts = [self._condition(depth)]
        while self._keyword("and"):
            parts.append(self._condition(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _condition(self, depth: int) -> Filter:
        if depth > MAX_NESTING:
            raise self._bad(f"more than {MAX_NESTING} levels of parentheses and nots")
        if self._keyword("not"):
            return Not(self._condition(depth + 1))
        if self._bracket("("):
            found = self._either(depth + 1)
            if not self._bracket(")"):
                raise self._unexpected("a closing parenthesis")
            return found
        return self._compare()

    def _compare(self) -> Compare:
        name = self._take(("word", "back"), "a name")
        operator = self._take(("operator",), f"one of {' '.join(OPERATORS)}")
        value = self._take(("word", "single", "double"), "a value")
        try:
            reference = parse_reference(name.text)
        except BadReference as error:
            raise BadFilter(str(error), self._text, name.position) from error
        return Compare(reference, operator.text, value.text, quoted=value.kind != "word")

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "word" and token.text.lower() == word
        self._next += found
        return found

    def _bracket(self, bracket: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "bracket" and token.text == bracket
        self._next += found
        return found

    def _take(self, kinds: tuple[str, ...], wanted: str) -> _Token:
        token = self._peek()
        if token is None or token.kind not in kinds:
            raise self._unexpected(wanted)
        self._next += 1
        return token

    def _unexpected(self, wanted: str) -> BadFilter:
        return self._bad(f"expected {wanted}" + (", but the filter ends" if self._peek() is None else ""))

    def _bad(self, message: str) -> BadFilter:
        """What is wrong at the next token, or at the end."""
        token = self._peek()
        return BadFilter(message, self._text, len(self._text.rstrip()) if token is None else token.position)
