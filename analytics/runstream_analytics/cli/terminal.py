"""The two streams of a command: results on stdout, messages on stderr."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson

from runstream_analytics.reader import Listener
from runstream_analytics.render import text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.status import Status

_JSON: Final = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
"""Times of the store are UTC and say so."""

SPINNER_AFTER_S: Final = 0.5
"""What is done by then needs no spinner."""

WAITING_TOLD_AFTER_S: Final = 2.0
"""A script's log should say why nothing happens, but not for every short wait for the store."""


def prepare_streams() -> None:
    """Write nowhere where a shell has closed a stream (>&-), and a ? for what a terminal's encoding lacks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def forget_output() -> None:
    """Drop what could not be written: Python would try again at exit, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stdout_is_terminal() -> bool:
    """Whether a person sees stdout."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> Console:
    """A console without markup, so that no name can style or break the output."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Not even where a shell exports COLUMNS: what a pipe gets is never cut.
    width = None if stream.isatty() else text.UNBOUNDED
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def tells_colors_apart(out: Console) -> bool:
    """Whether lines of a chart can differ by colour alone; with 16 colours, two of them would be alike."""
    return out.color_system in ("256", "truecolor") and not out.no_color


def show(*renderables: RenderableType) -> None:
    """Print results."""
    out = console()
    for renderable in renderables:
        out.print(renderable)


def show_json(objects: Sequence[dict[str, Any]]) -> None:
    """Print a list of objects; what JSON cannot say, such as NaN, becomes null."""
    content = orjson.dumps(list(objects), default=str, option=_JSON)
    sys.stdout.buffer.write(content + b"\n")
    sys.stdout.buffer.flush()


def tell(message: str) -> None:
    """Print a message for the person, not for a script; what names bring along cannot steer the terminal."""
    sys.stderr.write("\n".join(text.printable(line) for line in message.split("\n")) + "\n")


@contextmanager
def patience(doing: str) -> Iterator[Listener]:
    """A listener for what may take long: a spinner on a terminal, a line about a wait elsewhere.

    Warnings are printed at the end.
    """
    warnings: list[str] = []
    teller = _Spinner(doing) if sys.stderr.isatty() else _Waits()

    def waiting(pid: int | None) -> None:
        teller.waits(f"waiting for {f'process {pid}' if pid else 'another process'}, which holds the store")

    try:
        yield Listener(waiting, teller.says, warnings.append)
    finally:
        teller.stop()
        for warning in warnings:
            tell(f"warning: {warning}")


class _Waits:
    """Where nobody watches: says why it waits when that takes long."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def waits(self, why: str) -> None:
        self._timer = _later(WAITING_TOLD_AFTER_S, lambda: tell(why))

    def says(self, doing: str) -> None:
        """Whatever goes on, the wait is over."""
        self.stop()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Spinner:
    """Turns on a terminal once it takes long."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._ended = False
        self._timer = _later(SPINNER_AFTER_S, self._start)

    def waits(self, why: str) -> None:
        self.says(why)

    def says(self, doing: str) -> None:
        with self._lock:
            self._doing = doing
            if self._status is not None:
                self._status.update(doing)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._status is not None:
                self._status.stop()

    def _start(self) -> None:
        with self._lock:
            if not self._ended:
                self._status = console(stderr=True).status(self._doing)
                self._status.start()


def _later(seconds: float, do: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()
    return timer
