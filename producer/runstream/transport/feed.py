"""Brings what was spilled back to the broker: one segment at a time, and little at once, so live messages go first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final

from .broker import Broker, Offer
from .segments import Damaged, Spilled, read_segment
from .spill import Spill

ON_THE_WAY_BYTES: Final = 1024 * 1024
"""Of spilled messages at once: what a live message may find in front of it."""
FIRST_PAUSE_S: Final = 5.0
LAST_PAUSE_S: Final = 300.0
"""Until an event is tried again of which the broker refused a message, doubled each time."""


class Outcome(Enum):
    """What became of a message."""

    ARRIVED = auto()
    REFUSED = auto()
    """The broker is well and does not take it."""
    LOST = auto()
    """The broker did not answer."""


class Feed:
    """Sends a spill's segments, and removes each when all of it is at the broker. Owned by one thread."""

    def __init__(self, spill: Spill, broker: Broker, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._spill = spill
        self._broker = broker
        self._monotonic = monotonic
        self._segment: Path | None = None
        self._content: Spilled | None = None
        self._unsent: deque[bytes] = deque()
        self._on_the_way = self._on_the_way_bytes = 0
        self._worst = Outcome.ARRIVED
        self._set_aside: dict[str, tuple[float, float]] = {}
        """Events that were refused: when to try again, and the pause after that. Till then one file takes new ones."""
        self.damage = ""
        """What is wrong with a segment that cannot be read; it stays where it is."""

    def go_on(self) -> None:
        """Offer more. Raises connection.Unusable."""
        if self._segment is None and self._spill:
            self._begin()
        if self._segment is None or self._content is None:
            return
        content = self._content
        while self._unsent and self._on_the_way_bytes < ON_THE_WAY_BYTES:
            datum = self._unsent.popleft()
            self._on_the_way += 1
            self._on_the_way_bytes += len(datum)
            self._broker.offer(Offer(content.event, content.header, datum, self))
        if not self._unsent and not self._on_the_way:
            self._end()

    def note(self, offer: Offer, outcome: Outcome) -> None:
        """What became of one of its messages. When it did not arrive, its segment is sent again, later."""
        self._on_the_way -= 1
        self._on_the_way_bytes -= len(offer.datum)
        if outcome is not Outcome.ARRIVED:
            self._worst = outcome
            self._unsent.clear()

    def _begin(self) -> None:
        now = self._monotonic()
        segment = self._spill.next_segment([event for event, (at, _) in self._set_aside.items() if at > now])
        if segment is None:
            return
        try:
            self._content = read_segment(segment)
        except FileNotFoundError:
            self._spill.remove(segment)  # somebody else did
            return
        except (Damaged, OSError) as error:
            self.damage = str(error)
            self._put_off(segment)
            return
        self._segment, self._unsent, self._worst = segment, deque(self._content.datums), Outcome.ARRIVED

    def _end(self) -> None:
        assert self._segment is not None, "a segment is sent"
        if self._worst is Outcome.ARRIVED:
            self._spill.remove(self._segment)
            self._set_aside.pop(self._segment.parent.name, None)
        elif self._worst is Outcome.REFUSED:
            self._put_off(self._segment)
        self._segment = self._content = None

    def _put_off(self, segment: Path) -> None:
        event = segment.parent.name
        _, pause = self._set_aside.get(event, (0.0, FIRST_PAUSE_S))
        self._set_aside[event] = (self._monotonic() + pause, min(2 * pause, LAST_PAUSE_S))
        self._spill.postpone(segment)
