"""The two streams of a command: results on stdout, messages on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson

from runstream_analytics.reader import Listener

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.status import Status

PIPE_COLUMNS: Final = 100_000
"""Nothing is cut for a reader that is no terminal."""

_JSON: Final = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
"""Times of the store are UTC and say so."""

SPINNER_AFTER_S: Final = 0.5
"""What is done by then needs no spinner."""


def stdout_is_terminal() -> bool:
    """Whether a person sees stdout."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> Console:
    """A console without markup, so that no name can style or break the output."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Not even where a shell exports COLUMNS: what a pipe gets is never cut.
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def show(*renderables: RenderableType) -> None:
    """Print results."""
    out = console()
    for renderable in renderables:
        out.print(renderable)


def show_json(objects: Sequence[dict[str, Any]]) -> None:
    """Print a list of objects; what JSON cannot say, such as NaN, becomes null."""
    text = orjson.dumps(list(objects), default=str, option=_JSON)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def tell(message: str) -> None:
    """Print a message for the person, not for a script."""
    sys.stderr.write(message + "\n")


@contextmanager
def patience(doing: str) -> Iterator[Listener]:
    """A listener with a spinner on a terminal's stderr when it takes long; warnings are printed at the end."""
    warnings: list[str] = []
    spinner = _Spinner(doing)

    def waiting(pid: int | None) -> None:
        spinner.say(f"waiting for {f'process {pid}' if pid else 'another process'}, which holds the store")

    try:
        yield Listener(waiting, spinner.say, warnings.append)
    finally:
        spinner.stop()
        for warning in warnings:
            tell(f"warning: {warning}")


class _Spinner:
    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._timer: threading.Timer | None = None
        if sys.stderr.isatty():
            self._timer = threading.Timer(SPINNER_AFTER_S, self._start)
            self._timer.daemon = True
            self._timer.start()

    def say(self, doing: str) -> None:
        with self._lock:
            self._doing = doing
            if self._status is not None:
                self._status.update(doing)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._timer = None
            if self._status is not None:
                self._status.stop()

    def _start(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._status = console(stderr=True).status(self._doing)
                self._status.start()
