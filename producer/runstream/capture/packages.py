"""The installed distributions, from the names of their metadata directories.

Reading each distribution's metadata takes a millisecond or two, a second for a common environment, in which the
interpreter is busy and training waits; the names of the directories say as much.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from .bounds import keep_first

MAX_PACKAGES_BYTES: Final = 128 * 1024
"""About 4,000 distributions; the largest images hold 1,000."""

_METADATA: Final = re.compile(
    r"(?P<name>.+?)(?:-(?P<version>[^-]*\d[^-]*))?(?:-py[\d.]+)?\.(?:dist|egg)-info", re.IGNORECASE
)


def capture_packages(search_path: Iterable[str]) -> list[str]:
    """The distributions on an import path such as `sys.path`, as sorted `name==version`. Never raises.

    Names are normalized (PEP 503). Of two distributions of one name the first on the path counts, as for imports.
    """
    found: dict[str, str] = {}
    for directory in search_path:
        for entry in _entries(directory or "."):
            match = _METADATA.fullmatch(entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                found.setdefault(name, match["version"] or _version(Path(directory) / entry))
    return keep_first(sorted(f"{name}=={version}" for name, version in found.items()), MAX_PACKAGES_BYTES)


def packages_hash(packages: Sequence[str]) -> str:
    """SHA-256 in hex of the packages joined by newlines."""
    return hashlib.sha256("\n".join(packages).encode("utf-8", "replace")).hexdigest()


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - names only, of directories with thousands of entries
    except OSError:
        return []


def _version(metadata: Path) -> str:
    """The version of a development install in the old form, whose directory does not name it."""
    try:
        text = (metadata / "PKG-INFO").read_text(errors="replace")
    except OSError:
        return ""
    match = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return match[1] if match else ""
