"""What holds of `diagnosis` whatever was logged, and what it says of the examples' runs."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from curves import STEP_US, curve, falling, noisy, put, validated, valley, verdict
from store_histories import histories
from store_process import Store

import support_events as events
from support_events import Event

EXAMPLES = Path(__file__).parents[2] / "examples"

LOSSES = {"val/acc": "val/loss"}
"""The random histories' other metric becomes a loss, so that both curves are there."""


def renamed(batches: list[Event]) -> list[Event]:
    for batch in batches:
        for frame in batch["frames"]:
            for column in frame["columns"]:
                column["metric"] = LOSSES.get(column["metric"], column["metric"])
    return batches


def load(store: Store, found: dict[str, list[Event]], rng: random.Random, times: int) -> None:
    """Insert everything `times` times, shuffled, in inserts of random size."""
    for event, records in found.items():
        queue = records * times
        rng.shuffle(queue)
        while queue:
            size = rng.randint(1, 40)
            store.insert(event, *queue[:size])
            del queue[:size]


def everything(store: Store) -> list[list[str]]:
    return [sorted(map(repr, store.query(f"SELECT * FROM {view}"))) for view in ("diagnosis", "rank_progress")]


@pytest.fixture(scope="module")
def found() -> dict[str, list[Event]]:
    made = histories(range(12))
    renamed(made["metric"])
    return made


@pytest.fixture(scope="module")
def loaded(new_store: Callable[[], Store], found: dict[str, list[Event]]) -> Store:
    store = new_store()
    load(store, found, random.Random(1), 1)
    return store


def test_every_run_has_one_diagnosis_and_the_state_that_runs_tells(loaded: Store) -> None:
    diagnoses = loaded.query("SELECT run_id, state FROM diagnosis ORDER BY run_id")
    assert diagnoses == loaded.query("SELECT run_id, state FROM runs ORDER BY run_id")
    assert len(diagnoses) > 20
    assert len(loaded.query("SELECT DISTINCT verdict FROM diagnosis")) > 2
    assert loaded.query("SELECT detail FROM diagnosis WHERE empty(detail)") == []


def test_least_values_are_those_of_the_summary_where_nothing_is_superseded(loaded: Store) -> None:
    rows = loaded.query(
        "SELECT d.val_min, d.val_min_step, m.min, m.min_step FROM diagnosis AS d "
        "INNER JOIN metric_summary AS m ON m.run_id = d.run_id AND m.metric = 'val/loss' "
        "WHERE d.run_id NOT IN (SELECT run_id FROM amended_run)"
    )
    assert rows
    assert [row[:2] for row in rows] == [row[2:] for row in rows]


def test_a_replay_of_everything_three_times_shuffled_changes_no_diagnosis(
    new_store: Callable[[], Store], loaded: Store, found: dict[str, list[Event]]
) -> None:
    expected = everything(loaded)
    again = new_store()
    load(again, found, random.Random(2), 3)
    assert everything(again) == expected
    for table in ("point", "rollup_16", "rollup_coarse", "series", "life"):
        again.command(f"OPTIMIZE TABLE {table} FINAL")
    assert everything(again) == expected


@pytest.mark.parametrize("seed", range(8))
def test_batches_of_any_size_in_any_order_change_no_verdict(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    length = rng.choice((90, 900, 9_000))
    values = {"train/loss": falling(length), "val/loss": valley(length, length // 3, rise=0.4)}
    whole, parts = UUID(int=seed + 10**9), UUID(int=seed + 2 * 10**9)
    put(store, whole, curve(whole, values))
    cuts = [0, *sorted(rng.sample(range(1, length), 7)), length]
    batches = [
        curve(parts, {name: of[low:high] for name, of in values.items()}, steps=range(low, high), seq=seq)
        for seq, (low, high) in enumerate(itertools.pairwise(cuts))
    ]
    again = [*batches, *batches]
    rng.shuffle(again)
    put(store, parts, *again)
    rows = [
        store.query("SELECT * EXCEPT run_id FROM diagnosis WHERE run_id = {r:UUID}", r=run_id)
        for run_id in (whole, parts)
    ]
    assert rows[0] == rows[1]
    assert rows[0][0][0] == "overfitting"


@pytest.mark.parametrize("expected", ["improving", "overfitting", "plateau", "worsening"])
@pytest.mark.parametrize("seed", range(4))
def test_noise_changes_no_verdict(store: Store, expected: str, seed: int) -> None:
    shapes = {
        "improving": (falling(2_400), falling(48)),
        "overfitting": (falling(2_400), valley(48, 12, rise=0.6)),
        "plateau": (falling(2_400), [*falling(24, to=1.0), *[1.0] * 24]),
        "worsening": ([0.3] * 2_400, valley(48, 12, rise=0.6)),
    }
    for deviation in (0.0, 0.03):
        run_id = uuid5(UUID(int=2), f"{expected} {seed} {deviation}")
        curves = [noisy(values, deviation, seed + part) for part, values in enumerate(shapes[expected])]
        put(store, run_id, *validated(run_id, *curves))
        assert verdict(store, run_id) == expected


def test_a_run_of_a_hundred_ranks_is_judged_by_its_lowest(store: Store) -> None:
    run_id = UUID(int=3 * 10**9)
    for rank in range(1, 101):
        values = falling(64) if rank == 1 else [1.0] * 64
        store.insert("metric", curve(run_id, {"train/loss": values}, rank=rank))
    assert verdict(store, run_id) == "improving"


def test_two_processes_that_log_as_one_rank_are_no_error(store: Store) -> None:
    run_id = UUID(int=4 * 10**9)
    batches = [curve(run_id, {"train/loss": falling(5_000)}, attempt=events.ATTEMPT + n * STEP_US) for n in range(2)]
    put(store, run_id, *batches)
    assert verdict(store, run_id) == "improving"


def test_the_examples_are_diagnosed_as_what_they_are_made_to_be(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the examples need scikit-learn")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    environment |= {"RUNSTREAM_DIR": str(tmp_path / "here")}

    def run(*command: object) -> str:
        words = [sys.executable, *map(str, command)]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for job in ("overfitting", "diverging", "killed-and-resumed", "data-parallel", "mlp-1x16-lr0.001"):
        run(EXAMPLES / "digits_sweep.py", "--only", job)
    main = "from runstream_analytics.cli.app import main; main()"
    run("-c", main, "sync")
    columns = "r.name AS name, verdict, overfitting_step, val_min_step, diverged_step, slowest_rank"
    question = f"SELECT {columns} FROM diagnosis AS d INNER JOIN runs AS r ON r.run_id = d.run_id"
    rows = {row["name"]: row for row in json.loads(run("-c", main, "sql", question, "--json"))}
    assert rows["overfitting"]["verdict"] == "overfitting"
    assert rows["overfitting"]["overfitting_step"] == rows["overfitting"]["val_min_step"]
    assert rows["diverging"]["verdict"] == "diverged"
    firsts = "SELECT min(first_nonfinite_step) AS step FROM metric_summary WHERE metric = 'train/loss'"
    assert [{"step": rows["diverging"]["diverged_step"]}] == json.loads(run("-c", main, "sql", firsts, "--json"))
    assert rows["data-parallel-4"]["slowest_rank"] == 2
    good = {"killed-and-resumed", "mlp-1x16-lr0.001-wd0", "mlp-1x16-lr0.001-wd0.001"}
    assert {rows[name]["verdict"] for name in good} == {"improving"}
