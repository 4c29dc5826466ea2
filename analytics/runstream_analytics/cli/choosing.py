"""From the options of a command to a filter over runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from runstream_analytics.errors import UserError
from runstream_analytics.filters import All, AnyOf, BadFilter, Compare, Filter, Not, parse_filter
from runstream_analytics.references import BadReference, Field, Reference, Tag, parse_reference, parse_references
from runstream_analytics.render import text

STATES = ("running", "finished", "failed", "killed", "lost", "unknown")


def filter_from(
    experiment: str | None, states: Sequence[str] | None, tags: Sequence[str] | None, where: Sequence[str] | None
) -> Filter:
    """All that was asked for, together. Raises UserError."""
    parts: list[Filter] = []
    if experiment is not None:
        parts.append(Compare(Field("experiment"), "=", experiment, quoted=True))
    if states:
        wanted = [state.strip() for given in states for state in given.split(",")]
        unknown = sorted(set(wanted) - set(STATES))
        if unknown:
            raise UserError(f"there is no state {', '.join(unknown)}; states are {', '.join(STATES)}")
        parts.append(AnyOf(tuple(Compare(Field("state"), "=", state, quoted=True) for state in wanted)))
    for tag in tags or ():
        key, equals, value = tag.partition("=")
        if equals:
            parts.append(Compare(Tag(key), "=", value, quoted=True))
        else:
            # A run without the tag matches no condition on it: having any value at all is this one.
            parts.append(Not(Compare(Tag(key), "=", "\0", quoted=True)))
    try:
        parts.extend(parse_filter(given) for given in where or ())
    except BadFilter as error:
        raise UserError(f"--where: {error}\n{pointed(error.text, error.position)}") from error
    return All(tuple(parts))


def pointed(content: str, position: int) -> str:
    """The text with a caret under a position, counted from 0; wide characters take two cells."""
    before = text.printable(content[:position])
    return f"  {before}{text.printable(content[position:])}\n  {' ' * cell_len(before)}^"


def references_of(condition: Filter) -> list[Reference]:
    """What a filter looks at, in the order of writing, each once."""
    match condition:
        case Compare(reference):
            return [reference]
        case Not(of):
            return references_of(of)
        case All(of) | AnyOf(of):
            return list(dict.fromkeys(reference for part in of for reference in references_of(part)))


def reference_from(option: str, given: str) -> Reference:
    """One name from an option. Raises UserError."""
    try:
        return parse_reference(given)
    except BadReference as error:
        raise UserError(f"{option}: {error}") from error


def references_from(option: str, given: Sequence[str]) -> list[Reference]:
    """Names from an option that may be repeated and may hold several between commas. Raises UserError."""
    try:
        return [reference for names in given for reference in parse_references(names)]
    except BadReference as error:
        raise UserError(f"{option}: {error}") from error
