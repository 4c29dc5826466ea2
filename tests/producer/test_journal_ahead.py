"""Pages made writable before the writer comes to them."""

import mmap
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from journals import ATTEMPT, RUN, SMALL

from runstream.journal import ahead, layout
from runstream.journal.ahead import LEAST_BYTES, Ahead
from runstream.journal.ring import Ring


@pytest.fixture
def ring() -> Iterator[Ring]:
    """In memory: of a disk's file the system writes pages back whenever it likes, and asks for each of them again."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        path = Path(directory) / "a.journal"
        yield Ring.create(path, size=SMALL, run_id=RUN, rank=0, attempt=ATTEMPT, info={})


def faults_of_writing(ring: Ring, start: int, stop: int) -> int:
    """Page faults of this thread while it writes one byte to each page."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for offset in range(start, stop, mmap.PAGESIZE):
        ring.buffer[offset] = 7
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def test_the_writer_takes_no_page_fault_where_pages_were_prepared(ring: Ring) -> None:
    kept = Ahead(ring)
    kept.prepare(layout.CHUNKS_OFFSET)
    if not kept._supported:
        pytest.skip("this kernel has no MADV_POPULATE_WRITE")
    stop = layout.CHUNKS_OFFSET + LEAST_BYTES
    assert faults_of_writing(ring, layout.CHUNKS_OFFSET, stop) <= 2
    assert faults_of_writing(ring, stop, stop + LEAST_BYTES) >= 8


def test_more_is_prepared_for_a_writer_that_writes_more(ring: Ring) -> None:
    kept = Ahead(ring)
    kept.prepare(layout.CHUNKS_OFFSET + 512 * 1024)
    if not kept._supported:
        pytest.skip("this kernel has no MADV_POPULATE_WRITE")
    start = layout.CHUNKS_OFFSET + 512 * 1024
    assert faults_of_writing(ring, start, start + 1024 * 1024) <= 2


def test_preparing_changes_nothing_anywhere_in_the_journal(ring: Ring) -> None:
    ring.buffer[:] = bytes(range(1, 256)) * (len(ring.buffer) // 255) + bytes(len(ring.buffer) % 255)
    before = bytes(ring.buffer)
    kept = Ahead(ring)
    for position in (layout.CHUNKS_OFFSET + 8, len(ring.buffer) - 16, layout.CHUNKS_OFFSET + layout.CHUNK_BYTES):
        kept.prepare(position)
    assert bytes(ring.buffer) == before


def test_a_kernel_that_cannot_prepare_pages_is_no_error(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MADV_POPULATE_WRITE", 9_999)
    kept = Ahead(ring)
    kept.prepare(layout.CHUNKS_OFFSET)
    kept.prepare(layout.CHUNKS_OFFSET + 4096)
    assert faults_of_writing(ring, layout.CHUNKS_OFFSET, layout.CHUNKS_OFFSET + LEAST_BYTES) >= 8
