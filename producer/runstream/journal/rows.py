"""How rows are written: one function for each key set of a chunk, found by how many metrics a call has.

That number names the key set nearly always, and picking the values by their names proves it: as many metrics, all of
them found, are the same metrics. This takes half the time of comparing all names, and their order does not matter.
Where several key sets of a chunk have equally many metrics, they are told apart by their names in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from .layout import row_struct

Write = Callable[[memoryview, int, int, dict[str, Any], int], int]
"""Writes one row, (chunk, offset, step, metrics, time), and returns the offset behind it.

Raises KeyError when the metrics are others, struct.error when the chunk ends before the row does or something is no
number, and whatever a value's own conversion raises: then there is no row.
"""


class RowWriters:
    """The key sets that rows of the current chunk can have."""

    __slots__ = ("_by_names", "by_count")

    def __init__(self) -> None:
        self.by_count: dict[int, Write] = {}
        self._by_names: dict[tuple[str, ...], Write] = {}

    def __contains__(self, names: tuple[str, ...]) -> bool:
        return names in self._by_names

    def add(self, number: int, names: tuple[str, ...]) -> None:
        """Take rows of this key set, which has this number in the chunk."""
        write = _writer(number, names)
        self._by_names[names] = write
        self.by_count[len(names)] = self.write if len(names) in self.by_count else write

    def write(self, chunk: memoryview, offset: int, step: int, metrics: dict[str, Any], time: int) -> int:
        """Write a row of any of the key sets: see Write."""
        return self._by_names[tuple(metrics)](chunk, offset, step, metrics, time)


def as_dict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a plain dict, which makes up nothing that is looked up in it. Raises TypeError for no mapping."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"{type(metrics).__name__} is no mapping")
    return dict(metrics)


def _writer(number: int, names: tuple[str, ...]) -> Write:
    row = row_struct(len(names))
    pack, size = row.pack_into, row.size
    if len(names) == 1:
        (name,) = names

        def write(chunk: memoryview, offset: int, step: int, metrics: dict[str, Any], time: int) -> int:
            pack(chunk, offset, number, step, metrics[name], time)
            return offset + size

    else:
        pick = itemgetter(*names)

        def write(chunk: memoryview, offset: int, step: int, metrics: dict[str, Any], time: int) -> int:
            pack(chunk, offset, number, step, *pick(metrics), time)
            return offset + size

    return write
