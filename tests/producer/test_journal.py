"""The journal: rows in, rows out, whatever happens in between."""

import struct
import threading
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.journal import layout
from runstream.journal.place import candidates, file_system, find_journals, is_network, open_ring
from runstream.journal.reader import ChunkReader
from runstream.journal.ring import InUse, NotAJournal, Ring, Shipment
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
                    found.append((keys.names, keys.automatic, fields[1], list(fields[2:-1]), fields[-1]))
            reader.close()
            serial += 1
        return sorted(found, key=lambda row: row[-1])


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(min_size=1, max_size=8), st.floats(width=64), min_size=1, max_size=5),
            st.none() | st.integers(-(2**63), 2**62),
        ),
        max_size=40,
    )
)
def test_what_is_logged_is_read_back(calls: list[tuple[dict[str, float], int | None]]) -> None:
    journal = Journal()
    expected_step = -1
    expected = []
    for metrics, step in calls:
        clean = {name: value for name, value in metrics.items() if name.encode(errors="ignore").decode() == name}
        journal.writer.append(metrics, step)
        if clean:
            expected_step = expected_step + 1 if step is None else step
            expected.append((tuple(clean), step is None, expected_step, list(clean.values())))
    rows = journal.rows()
    assert [(names, auto, step) for names, auto, step, _, _ in rows] == [row[:3] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert struct.pack(f"{len(row[3])}d", *row[3]) == struct.pack(f"{len(wanted[3])}d", *wanted[3])


def test_times_are_unique_and_grow_even_when_the_clock_stands_still_or_goes_back() -> None:
    journal = Journal()
    journal.writer.append({"a": 1})
    journal.writer.append({"a": 2})
    journal.clock.ns -= 3_600 * 1_000_000_000
    journal.writer.append({"a": 3})
    journal.clock.ns += 2 * 3_600 * 1_000_000_000
    journal.writer.append({"a": 4})
    times = [row[-1] for row in journal.rows()]
    assert times[:3] == [ATTEMPT + 1, ATTEMPT + 2, ATTEMPT + 3]
    assert times[3] > ATTEMPT + 3_000_000_000


def test_steps_count_from_the_last_step_and_from_start_step() -> None:
    journal = Journal()
    for step in (None, None, 7, None, 3, None):
        journal.writer.append({"a": 1.0}, step)
    assert [(row[1], row[2]) for row in journal.rows()] == [
        (True, 0),
        (True, 1),
        (False, 7),
        (True, 8),
        (False, 3),
        (True, 4),
    ]
    resumed = Journal(start_step=100)
    resumed.writer.append({"a": 1.0})
    assert [(row[1], row[2]) for row in resumed.rows()] == [(False, 100)]


def test_a_row_aside_leaves_the_step_alone() -> None:
    journal = Journal()
    journal.writer.append({"a": 1.0}, 5)
    journal.writer.append_aside({"system/cpu_percent": 1.0}, 1_795_000_000)
    journal.writer.append({"a": 1.0})
    assert [row[2] for row in journal.rows()] == [5, 1_795_000_000, 6]


def test_a_full_journal_drops_the_newest_rows_counts_them_and_takes_rows_again_once_there_is_room() -> None:
    journal = Journal()
    per_chunk = (layout.CHUNK_BYTES - 200) // layout.row_struct(2).size
    for step in range(3 * per_chunk):
        journal.writer.append({"a": 1.0, "b": 2.0}, step)
    kept = len(journal.rows())
    assert per_chunk < kept < 3 * per_chunk
    assert journal.ring.dropped == {"full": 2 * (3 * per_chunk - kept)}
    assert set(journal.warnings) == {"full"}
    assert [row[2] for row in journal.rows()] == list(range(kept))
    journal.ring.release(1)
    journal.writer.append({"a": 1.0, "b": 2.0}, 10**9)
    assert journal.ring.is_open(3)
    reader = ChunkReader(journal.ring, 3)
    assert reader.take().last_step == 10**9


def test_a_row_that_was_being_written_when_the_process_died_does_not_exist() -> None:
    journal = Journal()
    for step in range(20):
        journal.writer.append({"a": 1.0, "b": 2.0}, step)
    layout.WORD.pack_into(journal.ring.buffer, journal.writer.position - 8, 0)
    assert [row[2] for row in journal.rows()] == list(range(19))


def test_rows_from_32_threads_are_all_there_once() -> None:
    journal = Journal()
    threads = [
        threading.Thread(target=lambda t=t: [journal.writer.append({f"t{t}": i, "i": i}, i) for i in range(300)])
        for t in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = journal.rows()
    assert len(rows) == 32 * 300
    assert len({row[-1] for row in rows}) == len(rows)
    assert sorted((row[0][0], row[2]) for row in rows) == sorted((f"t{t}", i) for t in range(32) for i in range(300))


def test_a_key_set_too_large_for_a_message_is_split_and_keeps_every_metric() -> None:
    journal = Journal(memory_ring(8 * SMALL))
    metrics = {f"{'long' * 200}/{i}": float(i) for i in range(5_000)}
    journal.writer.append(metrics, 3)
    rows = journal.rows()
    assert len(rows) > 5
    found = {name: value for names, _, step, values, _ in rows for name, value in zip(names, values, strict=True)}
    assert found == metrics and {row[2] for row in rows} == {3}


def test_log_inside_a_values_own_conversion_neither_hangs_nor_damages_the_row() -> None:
    journal = Journal()

    class Logs:
        def __float__(self) -> float:
            journal.writer.append({"inner": 1.0})
            return 2.0

    journal.writer.append({"outer": 1.0})
    journal.writer.append({"outer": Logs()})
    assert [row[0] for row in journal.rows()] == [("outer",), ("outer",)]
    assert journal.warnings == ["error"]


def test_a_journal_file_is_allocated_in_full_and_locked(tmp_path: Path) -> None:
    journal_file = tmp_path / "a.journal"
    ring = Ring.create(journal_file, size=SMALL, run_id=RUN, rank=3, attempt=ATTEMPT, info={"url": "file:/x"})
    assert journal_file.stat().st_blocks * 512 >= SMALL
    with pytest.raises(InUse):
        Ring.recover(journal_file)
    ring.close(remove=True)
    assert not journal_file.exists()


def test_foreign_and_short_files_are_no_journals(tmp_path: Path) -> None:
    for name, content in (("short", b"x"), ("foreign", bytes(SMALL))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(NotAJournal):
            Ring.recover(path)


def test_a_shipment_is_found_again_only_under_its_own_number() -> None:
    ring = memory_ring()
    shipment = Shipment(5, 1, 100, 200, 4, 5, 77, None, 9)
    ring.record(shipment)
    assert ring.shipment(5) == shipment
    assert ring.shipment(5 + layout.SHIPMENT_SLOTS) is None


MOUNTS = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /home rw shared:1 - nfs4 server:/home rw
31 30 0:41 / /home/with\\040blank rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/cloud rw - fuse.s3fs s3fs rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/x", "ext4", False),
        ("/home/me", "nfs4", True),
        ("/home/with blank/y", "tmpfs", False),
        ("/mnt/cloud/z", "fuse.s3fs", True),
        ("/homes", "ext4", False),
    ],
)
def test_network_file_systems_are_recognised(path: str, kind: str, network: bool) -> None:
    assert file_system(Path(path), MOUNTS) == kind
    assert is_network(Path(path), lambda: MOUNTS) is network


def test_the_journal_avoids_network_file_systems_and_leaves_a_pointer(tmp_path: Path) -> None:
    shared, local = tmp_path / "shared", tmp_path / "local"
    ring, reason = open_ring(
        shared,
        size=SMALL,
        run_id=RUN,
        rank=0,
        attempt=ATTEMPT,
        info={},
        environ={"SLURM_TMPDIR": str(local)},
        network=lambda path: path == shared,
    )
    assert ring.path is not None and local in ring.path.parents
    assert "network" in reason
    assert find_journals(shared) == [ring.path]
    ring.close(remove=True)
    assert find_journals(shared) == [] and not list(shared.glob("*.pointer"))


def test_without_any_place_the_journal_is_in_memory(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    ring, reason = open_ring(
        blocker / "journal",
        size=SMALL,
        run_id=RUN,
        rank=0,
        attempt=ATTEMPT,
        info={},
        environ={},
        network=lambda path: True,
    )
    assert ring.path is None and str(blocker) in reason
    assert len(list(candidates(blocker, {}))) == 2
