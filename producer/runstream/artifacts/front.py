"""What `Run.log_artifact` calls: snapshot in the caller's thread, everything else in the background."""

from __future__ import annotations

import os
import re
import time as clocks
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ..values import shown
from .completion import Emit
from .description import MAX_URI_CHARACTERS, Description, Identity, describe, short_text
from .snapshot import SourceError
from .staging import Item, stage_immutable, stage_record, stage_snapshot
from .uploader import Uploader, Warn

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_URI_AS_PATH: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")
"""What `Path("s3://bucket/key")` makes of a URI."""

_fronts: weakref.WeakSet[Artifacts] = weakref.WeakSet()


def _after_fork() -> None:
    for front in list(_fronts):
        front.after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Artifacts:
    """The artifacts of one run in this process. No method raises or stops training; safe from any thread."""

    def __init__(
        self,
        staging_dir: Path,
        root_url: str,
        emit: Emit,
        warn: Warn,
        identity: Callable[[], Identity],
    ) -> None:
        """Nothing is opened or created before the first artifact.

        Args:
            staging_dir: Where snapshots wait for their upload.
            root_url: The artifact root, a path or any URL of fsspec.
            emit: Records an artifact event, in the background; returns True once it survives this process.
            warn: Tells the user, from any thread: the kind of trouble, and the message.
            identity: Run, rank and attempt at this moment; a forked child's attempt is another.
        """
        self._staging_dir = staging_dir
        self._root_url = root_url
        self._warn = warn
        self._identity = identity
        self._uploader = Uploader(emit, warn)
        _fronts.add(self)

    def log(
        self,
        path_or_uri: str | os.PathLike[str],
        *,
        time: int,
        name: str | None = None,
        type: str = "file",
        step: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        aliases: Iterable[str] | str = (),
        immutable: bool = False,
    ) -> None:
        """Keep a file or directory as it is now, or record an existing URI; see Run.log_artifact.

        `time` is the artifact's moment in µs. What cannot be read or kept is recorded as failed, and the user told.
        """
        text = os.fspath(path_or_uri) if isinstance(path_or_uri, (str, os.PathLike)) else ""
        shown_name = name if name is not None else _last_part(text)
        description = describe(
            self._identity(), time=time, name=shown_name, type=type, step=step, metadata=metadata, aliases=aliases
        )
        if not isinstance(text, str) or not text:
            item = self._failed(description, f"{shown(path_or_uri)} is neither a path nor a URI")
        elif _URI.match(text):
            uri = short_text(text, MAX_URI_CHARACTERS)
            item = stage_record(self._staging_dir, description.record(state="referenced", uri=uri), description)
        else:
            item = self._stage(description, text, immutable=immutable)
        self._uploader.submit(item)

    def drain(self, timeout: float) -> int:
        """Wait at most so many seconds until everything is recorded; returns how many are left in staging."""
        return self._uploader.drain(clocks.monotonic() + timeout)

    def close(self) -> None:
        """Begin no further upload; what is left in staging is completed by `complete_pending`."""
        self._uploader.close()

    @property
    def outcomes(self) -> dict[str, int]:
        """Artifacts by what became of them: stored, referenced, failed."""
        return self._uploader.outcomes

    def after_fork(self) -> None:
        """In a forked child: leave the parent's artifacts to the parent."""
        self._uploader.after_fork()

    def _stage(self, description: Description, path: str, *, immutable: bool) -> Item:
        stage = stage_immutable if immutable else stage_snapshot
        try:
            return stage(self._staging_dir, description, self._root_url, Path(path).absolute())
        except (SourceError, ValueError) as error:  # ValueError: a path with a zero byte
            hint = "; give a URI as text, a Path drops one of its slashes" if _URI_AS_PATH.match(path) else ""
            return self._failed(description, f"{error}{hint}")
        except OSError as error:
            return self._failed(description, f"no snapshot of {path}: {error.strerror} in {self._staging_dir}")

    def _failed(self, description: Description, error: str) -> Item:
        return stage_record(self._staging_dir, description.record(state="failed", error=error), description)


def _last_part(text: object) -> str:
    parts = [part for part in str(text).split("?")[0].split("/") if part not in ("", ".", "..")]
    return parts[-1] if parts else "artifact"
