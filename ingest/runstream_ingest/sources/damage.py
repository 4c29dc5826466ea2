"""Batches of a topic that were damaged on the broker's disk: where reading may go on.

The client notices them by their checksum, and loses its place: it cannot tell where the next one begins. Any offset
within a batch brings the whole batch again, so the offsets behind its first are tried one after the other until one
brings something else; nothing that is whole is left out.
"""

from __future__ import annotations

from runstream_ingest.sources.commits import Place


class Damage:
    """The damaged batch that each partition is at."""

    def __init__(self) -> None:
        self._at: dict[Place, tuple[int, int]] = {}

    def is_new(self, place: Place, begin: int) -> bool:
        """Whether the damaged batch that begins at this offset has not been met before."""
        return place not in self._at or self._at[place][0] != begin

    def next_try(self, place: Place, begin: int) -> int:
        """The offset to try after a damaged batch came that begins at `begin`."""
        tried = begin if self.is_new(place, begin) else self._at[place][1]
        self._at[place] = (begin, tried + 1)
        return tried + 1

    def trying(self, place: Place) -> int | None:
        """The offset that is being tried, None where nothing is damaged."""
        return self._at[place][1] if place in self._at else None

    def over(self, place: Place) -> None:
        """Something whole came, or the partition is another worker's."""
        self._at.pop(place, None)
