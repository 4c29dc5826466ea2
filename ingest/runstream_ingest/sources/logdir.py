"""Log directories as a source: `<log directory>/<event>/<run_id>.<rank>.<attempt>.<nnnn>.avro`.

Every file is one Object Container File that its only writer appends to, so a file's size says whether it has anything
new, and only bytes after the last position are read. No file can stop the others: foreign, damaged, truncated and
vanished ones are noted and left.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runstream_ingest import ocf, schema_lookup
from runstream_ingest.sources.source import Message, Notice, Partition, Positions, Released
from runstream_schemas import avro
from runstream_schemas.avro import EVENT_NAMES, Schema
from runstream_schemas.limits import MAX_EVENT_BYTES

SUFFIX: Final = ".avro"

WINDOW_BYTES: Final = 4 * 1024 * 1024
"""Read at once from one file: large enough that a system call costs nothing, small beside a batch."""

MAX_WINDOW_BYTES: Final = 2 * ocf.MAX_BLOCK_BYTES
"""Damage without a sync marker within this many bytes is skipped as a whole."""

HEADER_READ_BYTES: Final = 16 * 1024
"""First guess at a header's size; ours take 1 to 4 kB."""

EVENT_ORDER: Final = ("run", "param", "tag", "artifact", "status", "metric")
"""Read small events first: a run shows its name before its points."""


@dataclass
class _Segment:
    partition: Partition
    path: Path
    position: int = 0
    looked_at: tuple[int, int] = (0, 0)
    """Size and time of modification (ns) of the file when it was last read to its end. A network file system may show a
    file's size before its bytes, so the size alone does not tell that nothing is new."""
    header: ocf.Header | None = None
    schema: Schema | None = None
    set_aside: bool = False
    """Foreign or of an unknown schema: not read again by this process."""


class LogDirectories:
    """A Source of one or more log directories.

    `save` keeps positions for the next process; without it (None) a restart reads everything again, which is harmless.
    """

    def __init__(self, roots: Sequence[Path], save: Callable[[Positions], None] | None = None) -> None:
        self._roots = [root.resolve() for root in roots]
        self._save = save
        self._segments: dict[Partition, _Segment] = {}
        self._queue: deque[_Segment] = deque()
        self._start: dict[Partition, int] = {}
        self._notices: list[Notice] = []
        self._said: set[tuple[Partition, str]] = set()
        self.bytes_read = 0
        """Bytes of blocks and headers read from files by this object."""

    def seek(self, positions: Positions) -> None:
        """Go on exactly from these positions, and from the beginning of files that have none.

        What was polled beyond them is polled again: it never reached the store, or the store is a new one.
        """
        self._queue.clear()
        self._start = {partition: offset for partition, offset in positions.items() if partition not in self._segments}
        for partition, segment in self._segments.items():
            beginning = segment.header.size if segment.header else 0
            position = max(positions.get(partition, 0), beginning)
            if position < segment.position:
                segment.looked_at = (-1, 0)
            segment.position = position

    def pending_bytes(self) -> int:
        """Look through the directories; about the bytes that the next polls will read, 0 if nothing is new."""
        self._queue.clear()
        total = 0
        for root in filter(self._is_readable, self._roots):
            for event in EVENT_ORDER:
                for segment, state in self._files(root, event):
                    size = state.st_size
                    if not segment.set_aside and size != segment.position and segment.looked_at != _version(state):
                        self._queue.append(segment)
                        total += max(size - segment.position, 0)
        # A file that has shrunk is news without new bytes.
        return max(total, len(self._queue))

    def listen(self, released: Released) -> None:
        """Files belong to everybody and are never given away."""

    def poll(self, max_bytes: int, timeout_s: float = 0.0) -> list[Message]:
        """Up to about `max_bytes` of new events; empty when the directories hold nothing new.

        A directory cannot be waited for, so `timeout_s` is not used.
        """
        if not self._queue:
            self.pending_bytes()
        messages: list[Message] = []
        read = 0
        while self._queue and read < max_bytes:
            segment = self._queue[0]
            before = segment.position
            try:
                found, at_end = self._read(segment)
            except FileNotFoundError:
                found, at_end = [], True
            except OSError as error:
                self._note(segment, "unreadable", f"cannot be read: {error.strerror or error}")
                found, at_end = [], True
            messages.extend(found)
            read += max(segment.position - before, 0)
            if at_end:
                self._queue.popleft()
        return messages

    def commit(self, positions: Positions) -> None:
        """Keep the positions for the next process."""
        if self._save is not None and positions:
            self._save(positions)

    def keep_alive(self) -> None:
        """A directory does not mind waiting."""

    def notices(self) -> list[Notice]:
        """What is new to say since the last call."""
        new, self._notices = self._notices, []
        return new

    def _is_readable(self, root: Path) -> bool:
        try:
            os.scandir(root).close()
        except OSError as error:
            kind = "vanished" if isinstance(error, FileNotFoundError) else "unreadable"
            self._note_at(Partition(str(root), ""), kind, f"cannot be read: {error.strerror or error}")
            return False
        return True

    def _files(self, root: Path, event: str) -> Iterable[tuple[_Segment, os.stat_result]]:
        try:
            entries = sorted(os.scandir(root / event), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            self._note_at(Partition(str(root), event), "unreadable", f"cannot be listed: {error.strerror or error}")
            return
        for entry in entries:
            if not entry.name.endswith(SUFFIX):
                continue
            try:
                state = entry.stat()
            except OSError:
                continue
            yield self._segment(root, event, entry.name), state

    def _segment(self, root: Path, event: str, name: str) -> _Segment:
        partition = Partition(str(root), f"{event}/{name}")
        segment = self._segments.get(partition)
        if segment is None:
            segment = _Segment(partition, root / event / name, self._start.pop(partition, 0))
            self._segments[partition] = segment
        return segment

    def _read(self, segment: _Segment) -> tuple[list[Message], bool]:
        """Read one window; the new events, and whether the end of the file was reached."""
        with segment.path.open("rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            size = state.st_size
            if not self._open(segment, file.fileno(), size):
                segment.looked_at = _version(state)
                return [], True
            assert segment.header is not None
            window = WINDOW_BYTES
            while True:
                data = self._pread(file.fileno(), window, segment.position)
                result = ocf.scan(data, segment.header.sync)
                at_end = segment.position + len(data) >= size
                if result.end > 0 or at_end:
                    break
                if window >= MAX_WINDOW_BYTES:
                    result = ocf.Scan([ocf.Gap(0, len(data))], len(data), ocf.Tail.CLEAN)
                    break
                window *= 2
        messages = [message for part in result.parts for message in self._messages(segment, part, data)]
        segment.position += result.end
        if at_end:
            segment.looked_at = _version(state)
            if result.tail is ocf.Tail.DAMAGED:
                self._note(segment, "damaged", f"is damaged from byte {segment.position} to its end")
        return messages, at_end

    def _open(self, segment: _Segment, descriptor: int, size: int) -> bool:
        """Read the header if that was not done yet; False when the file cannot be read (yet)."""
        if size < segment.position:
            self._note(segment, "truncated", f"has shrunk from {segment.position} to {size} bytes; it is read again")
            segment.header, segment.position = None, 0
        if segment.header is not None:
            return True
        try:
            header = self._header(descriptor, size)
            schema = None if header is None else schema_lookup.by_text(header.schema_text)
        except ocf.NotContainerFile as error:
            segment.set_aside = True
            self._note(segment, "foreign", f"is not a segment of this log: {error}")
            return False
        except avro.UnknownFingerprint as error:
            segment.set_aside = True
            self._note(segment, "unknown_schema", f"waits for a version of runstream that knows its schema: {error}")
            return False
        if header is None or schema is None:
            return False
        segment.header, segment.schema = header, schema
        if segment.position and not self._ends_block(descriptor, segment.position, header):
            self._note(segment, "replaced", "is not the file that was read before; it is read again")
            segment.position = 0
        segment.position = max(segment.position, header.size)
        return True

    def _header(self, descriptor: int, size: int) -> ocf.Header | None:
        length = HEADER_READ_BYTES
        while True:
            header = ocf.parse_header(self._pread(descriptor, length, 0))
            if header is not None or length >= size:
                return header
            length *= 4

    def _ends_block(self, descriptor: int, position: int, header: ocf.Header) -> bool:
        before = position - ocf.SYNC_BYTES
        return position >= header.size and os.pread(descriptor, ocf.SYNC_BYTES, before) == header.sync

    def _pread(self, descriptor: int, length: int, offset: int) -> bytes:
        data = os.pread(descriptor, length, offset)
        self.bytes_read += len(data)
        return data

    def _messages(self, segment: _Segment, part: ocf.Block | ocf.Gap, data: bytes) -> Iterable[Message]:
        assert segment.schema is not None
        start, end = segment.position + part.start, segment.position + part.end
        if isinstance(part, ocf.Gap):
            self._note(segment, "damaged", f"is damaged at bytes {start} to {end}; reading goes on behind them")
            damaged = data[part.start : part.end][:MAX_EVENT_BYTES]
            yield Message(segment.schema, damaged, segment.partition, start, end, "damaged bytes in the segment")
        elif part.datums == 1:
            yield Message(segment.schema, part.data, segment.partition, start, end)
        elif part.datums > 1:
            yield from _split(segment.schema, part, segment.partition, start, end)

    def _note(self, segment: _Segment, kind: str, text: str) -> None:
        self._note_at(segment.partition, kind, text)

    def _note_at(self, partition: Partition, kind: str, text: str) -> None:
        if (partition, kind) not in self._said:
            self._said.add((partition, kind))
            self._notices.append(Notice(partition, kind, text))


def _version(state: os.stat_result) -> tuple[int, int]:
    return state.st_size, state.st_mtime_ns


def _split(schema: Schema, block: ocf.Block, partition: Partition, start: int, end: int) -> Iterable[Message]:
    """The datums of a block of several, as other Avro writers make them; all or, when one is malformed, none."""
    try:
        datums = schema_lookup.split_datums(schema, block.data, block.datums)
    except (EOFError, ValueError, IndexError) as error:
        yield Message(schema, block.data, partition, start, end, f"a block of {block.datums} events: {error}")
        return
    for datum in datums:
        yield Message(schema, datum, partition, start, end)


assert set(EVENT_ORDER) == set(EVENT_NAMES)
