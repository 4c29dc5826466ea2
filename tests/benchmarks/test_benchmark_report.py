"""Reports say which targets were missed, and fill documentation without touching what stands around."""

import dataclasses
import os
import struct
import time
from pathlib import Path

import pytest
from benchmarks.fresh_process import MeasurementFailed, in_fresh_process
from benchmarks.left_behind import _leveldb_records
from benchmarks.loops import call_times
from benchmarks.report import Check, Report, Table, fill, number
from benchmarks.trackers import PEERS

from benchmarks import many_runs


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (Check("", 1.0, "µs", 1.0), "met"),
        (Check("", 1.1, "µs", 1.0), "MISSED"),
        (Check("", 3.0, "M/s", 3.0, at_least=True), "met"),
        (Check("", 2.9, "M/s", 3.0, at_least=True), "MISSED"),
        (Check("", 0.5, "ms", 1.0, comparable=False), "(met, at a smaller size)"),
        (Check("", 0.5, "%", 1.0, spread=4.0), "(met, but the noise is ±4.00 %)"),
    ],
)
def test_a_check_says_whether_its_target_was_met_and_whether_it_can_tell(check: Check, verdict: str) -> None:
    assert check.verdict == verdict


def test_filling_a_document_replaces_only_what_stands_between_the_marks() -> None:
    report = Report("x", tables=[Table("title", ("what", "ms"), [("a|b", "1")])], notes=["a note"])
    before = "head\n<!-- begin x -->\nold\n<!-- end x -->\ntail <!-- begin y -->keep<!-- end y -->"
    once = fill(before, report)
    assert once.startswith("head\n<!-- begin x -->\n*") and "old" not in once
    assert once.endswith("<!-- end x -->\ntail <!-- begin y -->keep<!-- end y -->")
    assert "| a\\|b | 1 |" in once and "a note" in once and report.machine.cpu in once
    assert fill(once, report) == once


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="begin x"):
        fill("nothing here", Report("x"))


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (1234.5, "1,234"), (12.345, "12.35"), (0.1234, "0.123")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_percentiles_are_those_of_the_calls() -> None:
    times = call_times([1000 * n for n in range(1, 1001)], 1.0)
    assert (times.median, times.p99, times.p999, times.greatest) == (501.0, 991.0, 1000.0, 1000.0)
    assert times.mean == pytest.approx(500.5)


def test_a_measurement_that_raises_dies_or_hangs_is_told() -> None:
    with pytest.raises(MeasurementFailed, match="ZeroDivisionError"):
        in_fresh_process(divmod, 1, 0)
    with pytest.raises(MeasurementFailed, match="status 3"):
        in_fresh_process(os._exit, 3)
    with pytest.raises(MeasurementFailed, match=r"within 0\.1 s"):
        in_fresh_process(time.sleep, 60, timeout_s=0.1)


def test_every_peer_that_is_compared_is_installed_by_the_peers_file() -> None:
    text = (Path(__file__).parents[2] / "benchmarks" / "peers.txt").read_text()
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    assert pinned == {peer.distribution for peer in PEERS}


def test_a_missing_peer_is_named_with_the_reason() -> None:
    absent = dataclasses.replace(PEERS[0], distribution="no-such-distribution")
    assert "not installed" in absent.missing()


def test_the_full_size_has_as_many_points_and_runs_as_the_targets_speak_of() -> None:
    size = many_runs.size_for(many_runs.FULL_POINTS)
    assert (size.runs, size.wide_runs, size.dense_steps) == (10_000, 2_000, 10_000_000)
    assert size.points >= many_runs.FULL_POINTS


def test_a_torn_record_of_an_offline_file_is_left_out_and_fragments_are_joined() -> None:
    def fragment(kind: int, data: bytes) -> bytes:
        return struct.pack("<IHB", 0, len(data), kind) + data

    whole = bytes(7) + fragment(1, b"one") + fragment(2, b"tw") + fragment(4, b"o")
    assert list(_leveldb_records(whole)) == [b"one", b"two"]
    assert list(_leveldb_records(whole[:-1])) == [b"one"]
