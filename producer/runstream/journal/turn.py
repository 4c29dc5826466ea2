"""Whose turn it is to write: the lock around the hot path."""

from __future__ import annotations

import math
from time import monotonic, sleep
from typing import Final

PAUSE_S: Final = 50e-6
"""Between two looks of whoever waits: a hundred rows' time. It lets whoever has the turn go on."""


class Turn:
    """A lock made of a list that holds one token: whoever has popped the token is alone. Not reentrant.

    That costs a fifth of what `threading.Lock` costs, whose methods parse their arguments; and a signal handler may
    raise anywhere, as Ctrl-C does, without leaving it locked for ever: the interpreter looks for signals right after it
    has called something, so what is raised around `take_now` and is no IndexError comes when the token is taken.
    """

    __slots__ = ("give_back", "take_now")

    def __init__(self) -> None:
        tokens: list[None] = [None]
        self.take_now = tokens.pop
        """Raises IndexError when someone else has it."""
        self.give_back = tokens.append
        """Called with None, by whoever has it."""

    def wait(self, timeout_s: float = math.inf) -> bool:
        """Take it within so many seconds; False when someone else kept it."""
        deadline = monotonic() + timeout_s
        while True:
            try:
                self.take_now()
                return True
            except IndexError:
                pass
            except BaseException:
                self.give_back(None)
                raise
            if monotonic() > deadline:
                return False
            sleep(PAUSE_S)

    def __enter__(self) -> None:
        self.wait()

    def __exit__(self, *_: object) -> None:
        self.give_back(None)
