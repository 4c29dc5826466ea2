"""The journal: rows in, rows out, whatever happens in between."""

import struct
import threading
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import ATTEMPT, RUN, SMALL, Journal, memory_ring

from runstream.journal import layout
from runstream.journal.reader import ChunkReader
from runstream.journal.ring import InUse, NotAJournal, Ring, Shipment


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


@given(st.lists(st.integers(-2_000, 3_000), max_size=50))
def test_times_in_microseconds_are_unique_and_grow_however_the_clock_moves(pauses_ns: list[int]) -> None:
    journal = Journal()
    for pause in pauses_ns:
        journal.clock.ns += pause
        journal.writer.append({"a": 1.0})
        assert journal.writer.now_us() <= journal.writer.moment_us()
    times = [row[-1] for row in journal.rows()]
    assert len(times) == len(set(times)) == len(pauses_ns)
    assert all(time > ATTEMPT for time in times)


def test_time_is_the_attempts_moment_and_what_its_clock_went_on_since() -> None:
    journal = Journal()
    journal.clock.ns += 7_000_999
    journal.writer.append({"a": 1.0})
    journal.clock.ns += 1_001
    journal.writer.append({"a": 1.0})
    assert [row[-1] for row in journal.rows()] == [ATTEMPT + 7_000, ATTEMPT + 7_002]


def test_a_row_lies_in_the_journal_as_the_layout_says() -> None:
    journal = Journal()
    journal.clock.ns += 123_456
    journal.writer.append({"loss": 0.5, "lr": 0.25}, 9)
    row = journal.ring.buffer[journal.writer.position - 40 : journal.writer.position]
    assert row.hex() == (
        "01000000000000000900000000000000000000000000e03f000000000000d03f40d4072a01000000"
    )  # key set 1, step 9, 0.5, 0.25, 5,000,123,456 ns
    assert journal.ring.clock_zero_ns == 1000 * ATTEMPT - 5_000_000_000


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
    assert journal.ring.dropped == {"error": 1}


def test_a_step_that_is_changed_later_or_has_8_bits_is_counted_on_from_what_it_was() -> None:
    journal = Journal()
    mine = np.array(7)
    journal.writer.append({"m": 1.0}, 0)
    journal.writer.append({"m": 1.0}, cast(int, mine))
    mine += 100
    journal.writer.append({"m": 1.0})
    journal.writer.append({"m": 1.0}, cast(int, np.uint8(255)))
    journal.writer.append({"m": 1.0})
    assert [row[2] for row in journal.rows()] == [0, 7, 8, 255, 256]


def test_a_row_that_comes_while_the_delivered_journal_is_unmapped_raises_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = Journal()
    journal.writer.close()
    journal.writer.let_go()
    journal.writer.append({"m": 1.0})
    # Unmapped between reading the counter and writing it.
    monkeypatch.setattr(journal.ring, "word", lambda _: 0)
    journal.writer.append({"m": 1.0})
    assert journal.warnings == ["closed", "closed"]


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


def test_a_journal_of_another_version_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "old.journal"
    content = bytearray(SMALL)
    layout.IDENTITY.pack_into(content, 0, layout.MAGIC, 1, layout.CHUNK_BYTES, 2, ATTEMPT, 0, RUN.bytes)
    path.write_bytes(content)
    with pytest.raises(NotAJournal, match=r"version 1.*the runstream that wrote it"):
        Ring.recover(path)


def test_a_shipment_is_found_again_only_under_its_own_number() -> None:
    ring = memory_ring()
    shipment = Shipment(5, 1, 100, 200, 4, 5, 77, None, 9)
    ring.record(shipment)
    assert ring.shipment(5) == shipment
    assert ring.shipment(5 + layout.SHIPMENT_SLOTS) is None


def test_a_close_in_the_middle_of_a_new_key_set_does_not_mix_up_the_rows_before_it() -> None:
    journal = Journal()
    journal.writer.append({"a": 1.0, "b": 2.0}, 0)

    class Terminated:
        """Its conversion is where a signal handler ends the run."""

        def __float__(self) -> float:
            journal.writer.close_unlocked()
            return 3.0

    journal.writer.append({"c": Terminated()}, 1)
    assert [(names, values) for names, _, _, values, _ in journal.rows()] == [
        (("a", "b"), [1.0, 2.0]),
        (("c",), [3.0]),
    ]
