"""What an artifact is, beside its bytes: the fields of the artifact event that the caller decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from ..json_values import ListValue
from ..plain import cut_text, key_text, plain, valid_text
from ..secrets import redact_text
from ..values import clean_step

MAX_NAME_CHARACTERS: Final = 1024
"""Characters of a name, a type, an alias, an error; more is a mistake."""

MAX_URI_CHARACTERS: Final = 8192
"""Characters of a URI: presigned ones are long."""

MAX_ALIASES: Final = 64
"""Aliases of one artifact: names for people, who do not use more."""

MAX_METADATA_BYTES: Final = 64 * 1024
"""JSON bytes of the metadata: a larger document belongs into an artifact of its own."""

Record = dict[str, Any]
"""A record of the artifact event, every field of artifact.avsc in it."""


@dataclass(frozen=True)
class Identity:
    """Whose artifact it is."""

    run_id: str
    rank: int
    attempt: int


@dataclass(frozen=True)
class Description:
    """Everything in the event that does not depend on the bytes."""

    run_id: str
    rank: int
    attempt: int
    time: int
    """Moment of log_artifact in µs since the epoch."""
    name: str
    type: str
    step: int | None
    metadata: str
    """A JSON object."""
    aliases: list[str]

    def record(
        self, *, state: str, uri: str = "", size: int | None = None, sha256: str = "", error: str = ""
    ) -> Record:
        """The event: this, and what became of the bytes."""
        told = {"uri": valid_text(uri), "size": size, "sha256": sha256, "state": state, "error": short_text(error)}
        return asdict(self) | told


def describe(
    identity: Identity,
    *,
    time: int,
    name: object,
    type: object,
    step: object,
    metadata: object,
    aliases: object,
) -> Description:
    """Build a description from whatever a caller gives. Raises nothing: a bad step is left out, the rest becomes text.

    Metadata is made plain, credentials in it are redacted, and it is replaced by a mark when it is too large.
    """
    return Description(
        run_id=identity.run_id,
        rank=identity.rank,
        attempt=identity.attempt,
        time=time,
        name=short_text(name) or "artifact",
        type="file" if type is None else short_text(type) or "file",
        step=None if step is None else clean_step(step),
        metadata=_metadata_json(metadata),
        aliases=list(dict.fromkeys(short_text(alias) for alias in _listed(aliases)[:MAX_ALIASES])),
    )


def short_text(value: object, limit: int = MAX_NAME_CHARACTERS) -> str:
    """The value as text that any store takes, cut with a mark, credentials out."""
    return cut_text(redact_text(key_text(value)), limit)


def _listed(aliases: object) -> list[object]:
    if aliases is None or isinstance(aliases, str):
        return [aliases] if aliases else []
    try:
        return list(aliases) if isinstance(aliases, Iterable) else [aliases]
    except Exception:
        return []  # they cannot be read, which is no reason to lose the artifact


def _metadata_json(metadata: object) -> str:
    content = plain(metadata if metadata is not None else {})
    if not isinstance(content, Mapping):
        content = {"value": metadata}
    built = ListValue().build([content], (), secret=False)[0]
    try:
        text = orjson.dumps(built)
    except TypeError as error:  # orjson refuses integers beyond 64 bits
        text = orjson.dumps({"runstream.unreadable": str(error)})
    if len(text) > MAX_METADATA_BYTES:
        text = orjson.dumps({"runstream.cut": f"metadata of {len(text)} bytes; {MAX_METADATA_BYTES} are kept at most"})
    return text.decode()
