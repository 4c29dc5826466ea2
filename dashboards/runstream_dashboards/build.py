"""Writes the files that Grafana loads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runstream_dashboards.every import files

DIRECTORY: Final = Path(__file__).parent.parent / "grafana" / "dashboards"
"""Of the repository's checkout."""


def build(directory: Path = DIRECTORY) -> list[Path]:
    """Write what is new or differs and remove what is no dashboard any more; the files that changed. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = files()
    changed = []
    for path in sorted(directory.glob("*.json")):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, text in wanted.items():
        path = directory / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed
