"""Writes the files that Grafana loads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runstream_dashboards.every import files

DIRECTORY: Final = Path(__file__).parent.parent / "grafana"
"""Of the repository's checkout."""

OURS: Final = ("dashboards/runstream-*.json", "alerting/runstream.yml")
"""What is removed when it is written no more; other files stay."""


def build(directory: Path = DIRECTORY) -> list[Path]:
    """Write what is new or differs and remove what is no longer ours; the files that changed. Raises OSError."""
    wanted = {directory / name: text for name, text in files().items()}
    changed = []
    for path in sorted(path for pattern in OURS for path in directory.glob(pattern)):
        if path not in wanted:
            path.unlink()
            changed.append(path)
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed
