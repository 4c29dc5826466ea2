"""How a process that serves the embedded store makes itself known: a file beside the store, `<store>.serve.json`.

Commands that would wait for the store ask that process instead. The file alone proves nothing, since a killed process
leaves it behind: the process that it names must hold the store's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import orjson

from runstream_ingest import lock

FRESH_PATH: Final = "/runstream/fresh"
"""Answered once everything that was in the log when it was asked for is loaded."""


@dataclass(frozen=True)
class Announcement:
    """A process that serves the store."""

    pid: int
    url: str
    """Where it listens, as this machine reaches it: http://127.0.0.1:8123."""
    token: str
    """The password of every user; empty when nobody is asked."""
    loads: str
    """The event log that it loads."""

    def store_url(self, database: str) -> str:
        """Where it is, as a setting `store`."""
        scheme, _, place = self.url.partition("://")
        account = f"default:{quote(self.token, safe='')}@" if self.token else ""
        return f"{scheme}://{account}{place}/{database}"


def path(store_dir: Path) -> Path:
    """The file of a store."""
    return store_dir.with_name(store_dir.name + ".serve.json")


@contextmanager
def announced(store_dir: Path, announcement: Announcement) -> Iterator[None]:
    """Make this process known while it serves; only this user can read the file. Raises OSError."""
    file = path(store_dir)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    content = {"pid": announcement.pid, "url": announcement.url, "token": announcement.token}
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(orjson.dumps({**content, "loads": announcement.loads}) + b"\n")
    new.replace(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def serving(store_dir: Path) -> Announcement | None:
    """The process that serves a store now; None when there is none, or when it is another user's."""
    try:
        content = orjson.loads(path(store_dir).read_bytes())
        found = Announcement(
            int(content["pid"]), str(content["url"]), str(content["token"]), str(content.get("loads", ""))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.pid == lock.holder(store_dir) else None
