"""The first page of a journal: the attempt's clock, progress, what was dropped, how it ended, and how to ship it."""

from __future__ import annotations

import mmap
from typing import Any

import orjson

from . import layout
from .layout import WORD


class Header:
    """Fields at fixed offsets of a journal's memory. Not thread-safe: each field has one writer."""

    def __init__(self, buffer: mmap.mmap) -> None:
        self.buffer = buffer

    def word(self, offset: int) -> int:
        """The number at an offset."""
        value: int = WORD.unpack_from(self.buffer, offset)[0]
        return value

    def set_word(self, offset: int, value: int) -> None:
        """Write a number at an offset."""
        WORD.pack_into(self.buffer, offset, value)

    @property
    def clock_zero_ns(self) -> int:
        """When the attempt's clock stood at zero, in ns since the epoch."""
        return self.word(layout.AT_CLOCK_ZERO)

    def start_clock(self, attempt_us: int, clock_ns: int) -> None:
        """Write down what the attempt's clock shows at the attempt's moment. Assumes that there are no rows."""
        self.set_word(layout.AT_CLOCK_ZERO, 1000 * attempt_us - clock_ns)

    def time_us(self, clock_ns: int) -> int:
        """What the attempt's clock showed, in µs since the epoch."""
        return (clock_ns + self.clock_zero_ns) // 1000

    @property
    def released(self) -> int:
        """The highest serial that is free again."""
        return self.word(layout.AT_RELEASED)

    @property
    def delivered(self) -> int:
        """Shipments below this number have arrived."""
        return self.word(layout.AT_DELIVERED)

    @delivered.setter
    def delivered(self, number: int) -> None:
        self.set_word(layout.AT_DELIVERED, number)

    def count_dropped(self, reason: str, points: int) -> None:
        """Add to the counter of dropped points. Assumes that the writer's lock is held."""
        offset = layout.AT_DROPPED + 8 * layout.DROP_REASONS.index(reason)
        self.set_word(offset, self.word(offset) + points)

    @property
    def dropped(self) -> dict[str, int]:
        """Points not accepted, by reason, without zeros."""
        counts = {r: self.word(layout.AT_DROPPED + 8 * i) for i, r in enumerate(layout.DROP_REASONS)}
        return {reason: count for reason, count in counts.items() if count}

    def set_end(self, state: str, error: str) -> None:
        """Write down how the attempt ended."""
        self._set_text(layout.AT_ERROR, layout.ERROR_BYTES, error.encode(errors="replace")[: layout.ERROR_BYTES - 8])
        self.set_word(layout.AT_STATE, layout.STATES.index(state))

    @property
    def end(self) -> tuple[str, str]:
        """State and error: ("running", "") until `set_end`."""
        text = self._text(layout.AT_ERROR, layout.ERROR_BYTES).decode(errors="replace")
        return layout.STATES[self.word(layout.AT_STATE)], text

    def set_info(self, info: dict[str, Any]) -> None:
        """Write down how and where to ship."""
        self._set_text(layout.AT_INFO, layout.INFO_BYTES, orjson.dumps(info))

    @property
    def info(self) -> dict[str, Any]:
        """How and where to ship."""
        found: dict[str, Any] = orjson.loads(self._text(layout.AT_INFO, layout.INFO_BYTES) or b"{}")
        return found

    def _set_text(self, offset: int, room: int, text: bytes) -> None:
        if len(text) > room - 8:
            raise ValueError(f"{len(text)} bytes do not fit into {room - 8} of the journal's header")
        self.set_word(offset, len(text))
        self.buffer[offset + 8 : offset + 8 + len(text)] = text

    def _text(self, offset: int, room: int) -> bytes:
        length = min(max(self.word(offset), 0), room - 8)
        return bytes(self.buffer[offset + 8 : offset + 8 + length])
