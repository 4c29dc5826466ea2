"""Names by content: a file is named by the SHA-256 of its bytes, a directory by that of its manifest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from .snapshot import SourceError

MANIFEST_FORMAT: Final = "runstream.manifest.1"
MANIFEST_SUFFIX: Final = ".manifest.json"
"""Ends the name of a manifest at the root, so that a URI tells a directory from a file."""


@dataclass(frozen=True)
class Address:
    """Where some bytes lie at a root."""

    sha256: str
    size: int
    suffix: str = ""

    @property
    def path(self) -> str:
        """Relative to the root; 256 folders, since listing one with millions of entries is slow everywhere."""
        return f"sha256/{self.sha256[:2]}/{self.sha256}{self.suffix}"


@dataclass(frozen=True)
class Entry:
    """One file of a directory."""

    path: str
    """Relative to the directory, with slashes."""
    size: int
    sha256: str


def address_of_file(file: Path) -> Address:
    """Read the file and name it. Raises SourceError when it cannot be read."""
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            return Address(digest, content.tell())
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}") from error


def manifest(entries: Iterable[Entry]) -> bytes:
    """The manifest of a directory, JSON sorted by path: equal directories have equal manifests."""
    files = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    return orjson.dumps({"format": MANIFEST_FORMAT, "files": files}, option=orjson.OPT_INDENT_2)


def address_of_manifest(content: bytes) -> Address:
    """Name a manifest."""
    return Address(hashlib.sha256(content).hexdigest(), len(content), MANIFEST_SUFFIX)


def read_manifest(content: bytes) -> list[Entry]:
    """The files of a directory. Raises ValueError for anything that is no manifest."""
    parsed: Any = orjson.loads(content)
    if not isinstance(parsed, dict) or parsed.get("format") != MANIFEST_FORMAT:
        raise ValueError(f"this is no manifest: format {MANIFEST_FORMAT} is missing")
    return [Entry(file["path"], file["size"], file["sha256"]) for file in parsed["files"]]


def printable_path(path: str) -> str:
    """A file's path as JSON can hold it, with escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
