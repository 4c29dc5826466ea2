"""One statement while it runs: its answer comes as pieces through a pipe, in any format, no faster than it is read.

The engine writes to the pipe as if it were a file (INTO OUTFILE), in a thread of its own. A reader that is slow makes
the engine wait; one that is gone ends the statement.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, NamedTuple

from runstream_analytics.serve.engine import Engine, EngineError, Session, run
from runstream_analytics.serve.guard import Statement

PIPE_BYTES: Final = 1024 * 1024
"""The largest that Linux lets everybody have: with the usual 64 KiB the two sides wake each other much more often."""

_SET_PIPE_SIZE: Final = 1031
"""F_SETPIPE_SZ, which the fcntl module does not name."""

KILL_AGAIN_S: Final = 0.2
"""A statement that was just about to begin is not found by the first attempt to end it."""


class Cost(NamedTuple):
    """What a statement has done."""

    rows: int
    """In its result."""
    bytes: int
    elapsed_s: float


_CANCELLED: Final = b"Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)"


class Run:
    """A statement that runs from `begin` on. Used in one event loop."""

    def __init__(self, engine: Engine, threads: ThreadPoolExecutor, killers: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._threads = threads
        self._killers = killers
        self._lock = threading.Lock()
        self._mark = ""
        self._cancelled = False
        self._reader = -1
        self._done: asyncio.Future[Cost] | None = None

    def begin(self, session: Session, statement: Statement, form: str, parameters: Mapping[str, str]) -> None:
        """Start it; its answer comes in this format."""
        self._reader, writer = os.pipe()
        with suppress(OSError):
            # A user who has many pipes gets small ones.
            fcntl.fcntl(self._reader, _SET_PIPE_SIZE, PIPE_BYTES)
        os.set_blocking(self._reader, False)
        loop = asyncio.get_running_loop()
        self._done = loop.run_in_executor(self._threads, self._work, writer, session, statement, form, parameters)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The answer; it ends where the statement ends or fails, which `cost` tells."""
        while True:
            try:
                piece = os.read(self._reader, PIPE_BYTES)
            except BlockingIOError:
                await _readable(self._reader)
                continue
            if not piece:
                return
            yield piece

    async def cost(self) -> Cost:
        """What it took, once all pieces are read. Raises EngineError."""
        assert self._done is not None, "begun"
        return await asyncio.shield(self._done)

    async def end(self) -> None:
        """End it if it still runs, and wait until it has."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
        if self._done is None:
            return
        with self._lock:
            self._cancelled = True
        loop = asyncio.get_running_loop()
        while not self._done.done():
            await loop.run_in_executor(self._killers, self._kill)
            await asyncio.wait([self._done], timeout=KILL_AGAIN_S)
        if not self._done.cancelled():
            self._done.exception()  # whoever ends it does not care

    async def kill(self) -> None:
        """End it as an error for whoever reads it."""
        await asyncio.get_running_loop().run_in_executor(self._killers, self._kill)

    def _work(
        self, writer: int, session: Session, statement: Statement, form: str, parameters: Mapping[str, str]
    ) -> Cost:
        try:
            with self._engine.pool.lent(session) as connection:
                with self._lock:
                    if self._cancelled:
                        raise EngineError(_CANCELLED)
                    self._mark = connection.mark
                try:
                    result = _write(writer, connection.chdb, statement, form, parameters)
                finally:
                    with self._lock:
                        self._mark = ""
            return Cost(result.rows_read(), result.bytes_read(), result.elapsed())
        finally:
            os.close(writer)

    def _kill(self) -> None:
        # Under the lock, so that it does not hit the connection's next statement.
        with self._lock:
            if self._mark:
                self._engine.kill(self._mark)


def _write(writer: int, connection: Any, statement: Statement, form: str, parameters: Mapping[str, str]) -> Any:
    """Write the answer into a pipe, all of it. Raises EngineError."""
    if statement.explains:
        result = run(connection, statement.text, form, parameters)
        with open(writer, "wb", closefd=False) as file, suppress(BrokenPipeError):
            file.write(result.bytes())
        return result
    # The engine opens the pipe once more by this name. Our end stays open until the statement has ended, so the reader
    # sees no end before.
    target = f"INTO OUTFILE '/proc/self/fd/{writer}' APPEND FORMAT {form}"
    return run(connection, f"{statement.text} {target}", "TabSeparated", parameters)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
