"""From whatever is given as tags to names and values that every event holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .plain import cut_text, key_text
from .secrets import redact_value

MAX_KEY_CHARACTERS: Final = 512
"""Tags are columns of tables that people read."""

MAX_VALUE_CHARACTERS: Final = 16 * 1024
"""In UTF-8 at most 64 KiB, as a param. A longer text is a document, and belongs into an artifact."""

RESERVED: Final = "runstream."
"""Tags that begin so are events of runstream's own, such as the deletion of a run."""


def as_tags(tags: Mapping[str, Any] | Iterable[str]) -> dict[str, str]:
    """Tags as names and values: of a mapping its own, of a list of names empty values.

    Everything becomes text; what is too long is cut with a mark, credentials are taken out. Raises what reading `tags`
    raises.
    """
    if isinstance(tags, str):
        pairs: Iterable[tuple[Any, Any]] = [(tags, "")]
    else:
        pairs = tags.items() if isinstance(tags, Mapping) else ((key, "") for key in tags)
    named = {}
    for key, value in pairs:
        name = cut_text(key_text(key), MAX_KEY_CHARACTERS)
        named[name] = cut_text(redact_value(name, key_text(value)), MAX_VALUE_CHARACTERS)
    return named
