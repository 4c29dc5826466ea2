"""What is still to be uploaded, in files: any process can complete it, also after the one that logged it is gone.

    <staging>/<id>/item.json    what it is and where its bytes are
    <staging>/<id>/content      the snapshot, a file or a directory
    <staging>/<id>/lock         held by whoever completes it

An item appears by renaming a folder that begins with a dot, so an item that is there is whole.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

from .description import Description, Record
from .lock import locked
from .snapshot import fingerprint, snapshot

ITEM_FILE: Final = "item.json"
CONTENT: Final = "content"
ITEM_FORMAT: Final = "runstream.staged.1"
ABANDONED_S: Final = 3600.0
"""An item that did not appear within this time and is not locked belongs to a process that died in its snapshot."""

Kind = Literal["snapshot", "immutable", "record"]


class StagingError(Exception):
    """A staged item cannot be read; the message names the file."""


@dataclass(frozen=True)
class Item:
    """One artifact that was logged and is not yet recorded."""

    kind: Kind
    """snapshot: content lies in staging. immutable: content lies at `source`. record: nothing to upload."""
    description: Description
    root_url: str
    source: str
    """Where an immutable artifact lies; empty otherwise."""
    fingerprint: dict[str, list[int]]
    """Of an immutable artifact when it was logged; see snapshot.fingerprint."""
    record: Record
    """What to record when nothing is to be uploaded; empty otherwise."""
    directory: Path | None = None
    """Its place in staging; None when staging cannot be written, then it lives as long as the process."""

    @property
    def content(self) -> Path:
        """The file or directory to be uploaded."""
        if self.kind == "immutable":
            return Path(self.source)
        assert self.directory is not None, "a snapshot lies in staging"
        return self.directory / CONTENT

    def remove(self) -> None:
        """Forget it: it is recorded. Once the description is gone, what else is left is rubbish. Raises nothing."""
        if self.directory is not None:
            rubbish = self.directory.with_name(f".{self.directory.name}")
            try:
                self.directory.rename(rubbish)
            except OSError:
                return  # another process did it, or it will be recorded again, which changes nothing
            shutil.rmtree(rubbish, ignore_errors=True)


def stage_snapshot(staging: Path, description: Description, root_url: str, source: Path) -> Item:
    """Keep the source's bytes as they are now. Raises SourceError and, when staging cannot be written, OSError.

    Staging and what lies beside it, journals and the store, are no part of a working directory that is kept.
    """
    item = _item("snapshot", description, root_url)
    ours = (staging, staging.parent)
    return _stage(staging, item, lambda folder: snapshot(source, folder / CONTENT, ours))


def stage_immutable(staging: Path, description: Description, root_url: str, source: Path) -> Item:
    """Keep a reference to a source that will not change. Raises SourceError when it cannot be read."""
    item = _item("immutable", description, root_url, source=str(source), facts=fingerprint(source))
    return _stage_if_possible(staging, item)


def stage_record(staging: Path, record: Record, description: Description) -> Item:
    """Keep a record that needs no upload until it is recorded. Raises nothing."""
    return _stage_if_possible(staging, _item("record", description, "", record=record))


def pending(staging: Path) -> list[Path]:
    """The folders of all staged items, oldest first; none when there is no staging. Raises OSError."""
    try:
        folders = [path for path in staging.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
    return sorted(folders)


def load(directory: Path) -> Item | None:
    """Read an item; None when it is no longer there. Raises StagingError for a damaged one."""
    path = directory / ITEM_FILE
    try:
        parsed: Any = json.loads(path.read_bytes())
        if parsed.pop("format") != ITEM_FORMAT:
            raise ValueError(f"format {ITEM_FORMAT} is missing")
        return Item(**parsed | {"description": Description(**parsed["description"]), "directory": directory})
    except FileNotFoundError:
        if directory.is_dir():
            raise StagingError(f"{path} is missing") from None
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StagingError(f"cannot read {path}: {error}") from error


def remove_abandoned(staging: Path, now: Callable[[], float] = time.time) -> None:
    """Remove what processes that died in a snapshot or while tidying left behind. Raises nothing."""
    try:
        folders = [path for path in staging.iterdir() if path.name.startswith(".")]
    except OSError:
        return
    for folder in folders:
        try:
            if now() - folder.stat().st_mtime > ABANDONED_S:
                with locked(folder) as mine:
                    if mine:
                        shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass


def _item(
    kind: Kind,
    description: Description,
    root_url: str,
    *,
    source: str = "",
    facts: dict[str, list[int]] | None = None,
    record: Record | None = None,
) -> Item:
    return Item(kind, description, root_url, source, facts or {}, record or {})


def _stage_if_possible(staging: Path, item: Item) -> Item:
    try:
        return _stage(staging, item, lambda _: None)
    except OSError:
        return item


def _stage(staging: Path, item: Item, fill: Callable[[Path], None]) -> Item:
    name = f"{item.description.time}-{uuid4().hex}"
    growing, final = staging / f".{name}", staging / name
    try:
        growing.mkdir(mode=0o700, parents=True)  # it holds the root as it was given, perhaps with a password
        with locked(growing):
            fill(growing)
            content = {key: value for key, value in vars(item).items() if key != "directory"}
            content |= {"format": ITEM_FORMAT, "description": asdict(item.description)}
            (growing / ITEM_FILE).write_text(json.dumps(content))
            growing.rename(final)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise
    return Item(**vars(item) | {"directory": final})
