"""From a staged item to the record of an artifact that is at the root."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .description import Record
from .lock import locked
from .manifest import Entry, address_of_file, address_of_manifest, manifest, printable_path
from .root import Root, open_root
from .snapshot import SourceError, files_below, fingerprint
from .staging import Item, StagingError, load, pending, remove_abandoned

Emit = Callable[[Record], bool]
"""Records the event; True once the record survives this process. False or an exception: it is tried again later."""


@dataclass(frozen=True)
class Completed:
    """What `complete_pending` did with one staged artifact."""

    name: str
    run_id: str
    outcome: str
    """stored, referenced, failed (for good, and recorded so), in use (by another process), or left (try again)."""
    error: str


def complete(item: Item, root: Callable[[str], Root]) -> Record:
    """Bring an item's bytes to its root and return the record to be emitted; may be repeated.

    A source that is gone or has changed gives a record with state failed. Raises whatever the root raises when it
    cannot be reached, and RootError when this process can never reach it.
    """
    if item.kind == "record":
        return item.record
    try:
        uri, size, sha256 = _upload(item, root(item.root_url))
    except SourceError as error:
        return item.description.record(state="failed", error=str(error))
    return item.description.record(state="stored", uri=uri, size=size, sha256=sha256)


def complete_pending(
    staging_dir: Path,
    root_url: str | None,
    emit: Emit,
    *,
    now: Callable[[], float] = time.time,
) -> list[Completed]:
    """Complete what processes left in staging. Raises nothing; each artifact is tried once and stands in the result.

    `root_url` replaces the root that each was meant for; None keeps it. Several processes may do this at once, and
    while trainers are uploading: an artifact that is recorded twice has the same identity and content.
    """
    roots: dict[str, Root] = {}

    def root(url: str) -> Root:
        wanted = root_url or url
        if wanted not in roots:
            roots[wanted] = open_root(wanted)
        return roots[wanted]

    remove_abandoned(staging_dir, now)
    try:
        folders = pending(staging_dir)
    except OSError as error:
        return [Completed("", "", "left", f"cannot read {staging_dir}: {error.strerror}")]
    results = (_complete_folder(folder, root, emit) for folder in folders)
    return [result for result in results if result is not None]


def _complete_folder(folder: Path, root: Callable[[str], Root], emit: Emit) -> Completed | None:
    """None when it is no longer there."""
    name, run_id = folder.name, ""
    try:
        with locked(folder) as mine:
            item = load(folder)
            if item is None:
                return None
            name, run_id = item.description.name, item.description.run_id
            if not mine:
                return Completed(name, run_id, "in use", "")
            record = complete(item, root)
            if not emit(record):
                return Completed(name, run_id, "left", "the event log does not take the record")
            item.remove()
            return Completed(name, run_id, record["state"], record["error"])
    except StagingError as error:
        return Completed(name, run_id, "left", str(error))
    except Exception as error:
        return Completed(name, run_id, "left", f"{type(error).__name__}: {error}")


def _upload(item: Item, root: Root) -> tuple[str, int, str]:
    """URI, size in all and SHA-256."""

    def check() -> None:
        if item.kind == "immutable" and fingerprint(item.content) != item.fingerprint:
            raise SourceError(f"{item.source} was logged as immutable and has changed before it was uploaded")

    owned = item.kind == "snapshot"
    if not item.content.is_dir():
        address = address_of_file(item.content)
        uri = root.put(item.content, address, check, owned=owned)
        check()
        return uri, address.size, address.sha256
    entries = []
    for path, file in files_below(item.content):
        address = address_of_file(file)
        root.put(file, address, check, owned=owned)
        entries.append(Entry(printable_path(path), address.size, address.sha256))
    check()
    content = manifest(entries)
    address = address_of_manifest(content)
    return root.put_bytes(content, address), sum(entry.size for entry in entries), address.sha256
