"""How much of what is captured is kept, so that a run event stays below what a broker takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MAX_NAMES_BYTES: Final = 64 * 1024
"""UTF-8 bytes of each list: untracked files, arguments of the command. Beside a diff of 256 KiB all of them fit."""


def keep_first(texts: Sequence[str], max_bytes: int = MAX_NAMES_BYTES) -> list[str]:
    """The first texts that fit into `max_bytes` of UTF-8, and a mark that counts the others."""
    size = 0
    for number, text in enumerate(texts):
        size += len(text.encode("utf-8", "replace"))
        if size > max_bytes:
            return [*texts[:number], f"… and {len(texts) - number} more"]
    return list(texts)


def cut_to_bytes(text: str, max_bytes: int, mark: str) -> str:
    """The text, or as much of its beginning as fits into `max_bytes` of UTF-8 together with the mark behind it."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    return encoded[: max_bytes - len(mark.encode())].decode("utf-8", "ignore") + mark
