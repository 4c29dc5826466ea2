"""From the URL of an event log to its transport."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from ..journal.place import is_network
from ..journal.ring import Ring
from .base import Transport
from .log_directory import LogDirectory


def open_transport(url: str, ring: Ring, *, fsync: str) -> Transport:
    """The transport for the attempt whose journal `ring` is. Connects to nothing yet.

    `fsync` is auto, always or never. Raises ValueError for an event log that this version cannot write.
    """
    if not url.startswith("file:"):
        raise ValueError(f"cannot write to the event log {url.split('://', maxsplit=1)[0]}: use file:/path")
    root = Path(unquote(url.removeprefix("file:")))
    force = fsync == "always" or (fsync == "auto" and is_network(root))
    return LogDirectory(root, run_id=ring.run_id, rank=ring.rank, attempt=ring.attempt, fsync=force)
