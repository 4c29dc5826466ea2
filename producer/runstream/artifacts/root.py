"""The artifact root: bytes by content, in a local directory or anywhere that fsspec reaches.

The same bytes are stored once, and a name is visible only when all of its bytes are there. Written bytes are not
forced to the disk: like a journal, an artifact survives the process, and what the file system promises of a node's end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote
from uuid import uuid4

from runstream_schemas.settings import without_password

from ..forks import no_fork
from .manifest import Address
from .snapshot import clone_file

ATOMIC_PUT: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "memory"})
"""Object stores, where an upload is visible as a whole or not at all. Elsewhere a temporary name is needed."""

ABANDONED_S: Final = 86_400.0
"""An upload writes all the time; one that has not done so for a day belongs to a process that died."""

Check = Callable[[], None]
"""Raises when what was stored must not become visible."""


class RootError(Exception):
    """The root cannot be used from this process, whatever is tried; the message says what to do."""


class Root(Protocol):
    """Where artifacts go. Its methods raise anything when it cannot be reached; trying again later may help."""

    def put(self, source: Path, address: Address, check: Check, *, owned: bool) -> str:
        """Store a file's bytes unless they are there, and return their URI.

        `check` is called when the bytes have been read and before they count as stored. `owned` says that nobody
        else will ever write the source, so that it may be linked instead of copied.
        """

    def put_bytes(self, content: bytes, address: Address) -> str:
        """Store bytes unless they are there, and return their URI."""


def open_root(url: str) -> Root:
    """The root of a URL or of a plain path. Raises RootError when fsspec is needed and missing, or refuses it."""
    protocol, separator, rest = url.partition("://")
    if not separator:
        return LocalRoot(Path(url.removeprefix("file:")))
    if protocol in ("file", "local"):
        return LocalRoot(Path(unquote("/" + rest.lstrip("/"))))
    return FsspecRoot(url, protocol)


class LocalRoot:
    """A directory; needs nothing but the file system. What killed processes half wrote is removed when it is old."""

    def __init__(self, directory: Path, now: Callable[[], float] = time.time) -> None:
        self._directory = directory.absolute()
        for half in (self._directory / "tmp").glob("*"):
            try:
                if now() - half.stat().st_ctime > ABANDONED_S:
                    half.unlink()
            except OSError:
                pass  # another process removed it, or nobody may

    def put(self, source: Path, address: Address, check: Check, *, owned: bool) -> str:
        """See Root.put; the name appears by renaming."""

        def write(temporary: Path) -> None:
            if owned:
                try:
                    os.link(source, temporary)
                    return
                except OSError:
                    pass  # another file system, or one without hard links
            clone_file(source, temporary)
            check()

        return self._store(address, write)

    def put_bytes(self, content: bytes, address: Address) -> str:
        """See Root.put_bytes."""
        return self._store(address, lambda temporary: _write_new(temporary, content))

    def _store(self, address: Address, write: Callable[[Path], None]) -> str:
        final = self._directory / address.path
        if not (final.is_file() and final.stat().st_size == address.size):
            temporary = self._directory / "tmp" / uuid4().hex
            temporary.parent.mkdir(parents=True, exist_ok=True)
            final.parent.mkdir(parents=True, exist_ok=True)
            try:
                write(temporary)
                temporary.rename(final)
            finally:
                temporary.unlink(missing_ok=True)
        return final.as_uri()


class FsspecRoot:
    """Anything that fsspec reaches."""

    def __init__(self, url: str, protocol: str) -> None:
        try:
            with no_fork:
                import fsspec
        except ImportError:
            raise RootError(
                f"the artifact root {without_password(url)} needs fsspec: pip install 'runstream[artifacts]'"
            ) from None
        try:
            self._files: Any
            with no_fork:
                fsspec.get_filesystem_class(protocol)  # imports it; below it may wait for a server
            self._files, self._base = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise RootError(f"the artifact root {without_password(url)} cannot be used: {error}") from error
        self._shown_base = without_password(url).rstrip("/")
        self._atomic = protocol in ATOMIC_PUT

    def put(self, source: Path, address: Address, check: Check, *, owned: bool) -> str:
        """See Root.put. What may turn out to have changed goes through a temporary name even in an object store."""

        def write(path: str) -> None:
            self._files.put_file(str(source), path)
            check()

        return self._store(address, write, direct=self._atomic and owned)

    def put_bytes(self, content: bytes, address: Address) -> str:
        """See Root.put_bytes."""
        return self._store(address, lambda path: self._files.pipe_file(path, content), direct=self._atomic)

    def _store(self, address: Address, write: Callable[[str], object], *, direct: bool) -> str:
        base = self._base.rstrip("/")
        final = f"{base}/{address.path}"
        if not self._has(final, address.size):
            self._files.makedirs(final.rpartition("/")[0], exist_ok=True)
            if direct:
                write(final)
            else:
                temporary = f"{base}/tmp/{uuid4().hex}"
                self._files.makedirs(f"{base}/tmp", exist_ok=True)
                try:
                    write(temporary)
                    self._files.mv(temporary, final)
                except BaseException:
                    self._remove(temporary)
                    raise
        return f"{self._shown_base}/{address.path}"

    def _has(self, path: str, size: int) -> bool:
        try:
            return bool(self._files.info(path)["size"] == size)
        except FileNotFoundError:
            return False

    def _remove(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except Exception:
            pass  # the reason why it failed is raised; leftovers under tmp/ are never read


def _write_new(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
