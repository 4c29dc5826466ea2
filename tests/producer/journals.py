"""A journal writer over a ring in memory, its clock in the test's hands."""

from uuid import UUID

from runstream.journal import layout
from runstream.journal.reader import ChunkReader
from runstream.journal.ring import Ring
from runstream.journal.writer import JournalWriter

RUN = UUID("01935000-0000-7000-8000-000000000001")
ATTEMPT = 1_795_000_000_000_000
SMALL = layout.CHUNKS_OFFSET + 2 * layout.CHUNK_BYTES


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000

    def __call__(self, _: int) -> int:
        return self.ns


def memory_ring(size: int = SMALL) -> Ring:
    return Ring.create(None, size=size, run_id=RUN, rank=0, attempt=ATTEMPT, info={})


class Journal:
    """A writer over a ring in memory, with what it warned about."""

    def __init__(self, ring: Ring | None = None, start_step: int | None = None) -> None:
        self.ring = ring or memory_ring()
        self.clock = Clock()
        self.warnings: list[str] = []
        self.writer = JournalWriter(
            self.ring,
            start_step=start_step,
            warn=lambda reason, message: self.warnings.append(reason),
            on_chunk=lambda: None,
            clock=self.clock,
        )

    def rows(self) -> list[tuple[tuple[str, ...], bool, int, list[float], int]]:
        """All committed rows as (names, automatic, step, values, time)."""
        found = []
        serial = 1
        while self.ring.is_open(serial):
            reader = ChunkReader(self.ring, serial)
            stretch = reader.take()
            for number, ranges in stretch.rows.items():
                keys = reader.key_sets[number]
                row = layout.row_struct(len(keys.names))
                for fields in row.iter_unpack(reader.rows(ranges)):
                    time = self.ring.time_us(fields[-1])
                    found.append((keys.names, keys.automatic, fields[1], list(fields[2:-1]), time))
            reader.close()
            serial += 1
        return sorted(found, key=lambda row: row[-1])
