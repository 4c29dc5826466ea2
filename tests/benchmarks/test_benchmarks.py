"""Every benchmark runs at a tiny size and tells what it measured. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broker.fixtures import require_broker

ROOT = Path(__file__).parents[2]

TINY = {
    "log_call": ("--calls", "200", "--budget", "1", "--pairs", "1", "--window", "0.1", "--widths", "10"),
    "throughput": ("--calls", "5000"),
    "sigkill": ("--trials", "1", "--longest", "0.2"),
    "lifecycle": ("--runs", "2", "--seconds", "0.1", "--alone", "2", "--in-a-row", "2"),
    "ingest": ("--points", "20000", "--runs", "2", "--calls-per-message", "100"),
    "fleet": ("--runs", "20", "--seconds", "3", "--calls", "10", "--points", "20000", "--sustain", "3"),
    "queries": ("--points", "200000", "--times", "1"),
    "panels": ("--points", "200000", "--times", "1"),
}


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("docs") / "benchmarks.md"
    path.write_text((ROOT / "docs" / "benchmarks.md").read_text())
    return path


def run(name: str, tmp_path: Path, documentation: Path) -> dict[str, Any]:
    common = ("--results", str(tmp_path), "--scratch", str(tmp_path / "scratch"), "--markdown", str(documentation))
    command = [sys.executable, "-m", f"benchmarks.{name}", *common, *TINY[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text())
    for table in result["tables"]:
        assert table["rows"], f"{table['title']} is empty"
        assert table["title"] in documentation.read_text()
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    assert not list((tmp_path / "scratch").iterdir()), "the scratch directory was left behind"
    assert result["machine"]["cpu"] and result["machine"]["cores"] > 0
    return result


def test_log_call_measures_the_loop_and_the_call(tmp_path: Path, documentation: Path) -> None:
    result = run("log_call", tmp_path, documentation)
    measured = {(row["tracker"], row["calls"]) for row in result["raw"]["back_to_back"]}
    assert measured == {("", 200), ("runstream", 200)}
    assert len(result["raw"]["slow_down_percent"]["runstream"]) == 1


def test_throughput_counts_what_was_delivered(tmp_path: Path, documentation: Path) -> None:
    raw = run("throughput", tmp_path, documentation)["raw"]
    for way in ("without_pause", "held"):
        assert raw[way]["logged"] == 50_000 == raw[way]["delivered"] + raw[way]["dropped"]
    assert raw["alone"]["profile"]


def test_sigkill_finds_all_points_of_the_killed_process(tmp_path: Path, documentation: Path) -> None:
    (trial,) = run("sigkill", tmp_path, documentation)["raw"]["runstream"]
    # The call in which the process was killed may have written its row.
    assert trial["logged"] <= trial["recovered"] <= trial["logged"] + 10
    assert trial["logged"] > 0


def test_lifecycle_brings_every_short_run_into_the_store(tmp_path: Path, documentation: Path) -> None:
    raw = run("lifecycle", tmp_path, documentation)["raw"]
    assert raw["kept"]["runs"] == raw["kept"]["complete"] == 2
    assert all(values for values in raw["ms"].values())


def test_ingest_loads_every_point(tmp_path: Path, documentation: Path) -> None:
    raw = run("ingest", tmp_path, documentation)["raw"]
    assert set(raw) == {"100, float32-born", "100, doubles"}
    assert all(loading["points"] == 20_000 and loading["after"]["point"] > 0 for loading in raw.values())


def test_fleet_stores_what_slow_and_fast_runs_send(tmp_path: Path, documentation: Path) -> None:
    require_broker()
    raw = run("fleet", tmp_path, documentation)["raw"]
    (slow,), (fast,) = raw["slow"], raw["fast"]
    assert slow["stored"] == 1.0 and slow["p99_s"] >= slow["p50_s"] > 0
    assert (fast["points"], fast["messages"]) == (20_000, 200)
    assert slow["usage"]["worker"]["cores"] > 0
    (lasting,) = raw["sustained"]
    assert lasting["calls"] == 100 and lasting["seconds"] >= 3 and lasting["usage"]["worker"]["rss_mib"]


def test_queries_answers_every_question_merged_and_live(tmp_path: Path, documentation: Path) -> None:
    result = run("queries", tmp_path, documentation)
    assert not [note for note in result["notes"] if "failed" in note or "stopped" in note]
    answers = result["raw"]
    assert all(answer["rows"] > 0 and len(answer["merged"]) == len(answer["live"]) == 1 for answer in answers.values())
    assert len(answers) == 13


def test_panels_asks_every_query_of_every_dashboard(tmp_path: Path, documentation: Path) -> None:
    raw = run("panels", tmp_path, documentation)["raw"]
    assert {name.partition(" · ")[0] for name in raw} >= {"Runs", "Compare", "Run", "Ranks", "Fleet"}
    assert all(len(panel["ms"]) == 1 for panel in raw.values())
