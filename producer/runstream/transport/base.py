"""The port to the event log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..batches import Message


class TransportDown(Exception):
    """The event log takes nothing now; what was offered was not taken and is offered again."""


def tell_down(warn: Callable[[str, str], None], trouble: object) -> None:
    """Warn that nothing is taken: said once, whichever part of the producer meets it first."""
    warn("transport", f"{trouble}; training goes on, and what is logged waits in the journal")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is safe on this machine's disk and not at the event log yet."""

    points: int
    where: Path


class Transport(Protocol):
    """Takes shipments and tells which have arrived. Owned by one thread; the properties may be read by any.

    A shipment may arrive more than once, in part or as a whole: identity makes that harmless.
    """

    @property
    def full(self) -> bool:
        """Enough is on the way; acknowledgements make room."""

    @property
    def backlog(self) -> Backlog | None:
        """What `acknowledged` still has to bring to the event log although its shipments count as safe."""

    @property
    def trouble(self) -> str:
        """Why nothing arrives, for people; empty when it does, or nobody knows."""

    def send(self, number: int, messages: Sequence[Message]) -> None:
        """Take over a shipment; numbers come in order. Raises TransportDown when none of it counts as taken."""

    def acknowledged(self, timeout_s: float) -> int:
        """All shipments below this number need the journal no more; waits up to the timeout for a change."""

    def seal(self) -> None:
        """Nothing is sent any more: let go of files that only take what is sent. Raises nothing."""

    def leave_to_parent(self) -> None:
        """In a forked child: let go of locks. Nothing else may be called after it."""

    def close(self) -> None:
        """Let go of files and connections; nothing is sent any more. Raises nothing."""
