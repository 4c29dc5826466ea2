"""The port to the event log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..batches import Message


class TransportDown(Exception):
    """The event log takes nothing now; what was offered was not taken and is offered again."""


class Transport(Protocol):
    """Takes shipments and tells which have arrived. Owned by one thread.

    A shipment may arrive more than once, in part or as a whole: identity makes that harmless.
    """

    def send(self, number: int, messages: Sequence[Message]) -> None:
        """Take over a shipment; numbers come in order. Raises TransportDown when none of it counts as taken."""

    def acknowledged(self, timeout_s: float) -> int:
        """All shipments below this number are safe at the event log; waits up to the timeout for a change."""

    def close(self) -> None:
        """Let go of files and connections; nothing is sent any more. Raises nothing."""
