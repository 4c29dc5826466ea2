"""What the view `diagnosis` says of curves with a known answer, on both sides of every threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID, uuid5

import pytest
from curves import NAN, START, STEP_US, curve, diagnose, falling, levels, noisy, put, validated, valley, verdict
from store_process import Store

import support_events as events


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> UUID:
    return uuid5(UUID(int=1), request.node.name)


def train_verdict(store: Store, run_id: UUID, values: Sequence[float]) -> str:
    put(store, run_id, curve(run_id, {"train/loss": values}))
    return verdict(store, run_id)


@pytest.mark.parametrize("length", [6, 40, 200, 2_000, 20_000, 100_000])
def test_a_falling_loss_is_improving_at_every_length(store: Store, run_id: UUID, length: int) -> None:
    assert train_verdict(store, run_id, noisy(falling(length), 0.02, seed=length)) == "improving"


@pytest.mark.parametrize("length", [40, 200, 2_000, 20_000])
def test_a_flat_loss_is_a_plateau_however_noisy(store: Store, run_id: UUID, length: int) -> None:
    assert train_verdict(store, run_id, noisy([0.7] * length, 0.3, seed=3)) == "plateau"


@pytest.mark.parametrize("length", [24, 240, 2_400, 24_000])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_overfitting_is_found_with_the_step_where_it_began(
    store: Store, run_id: UUID, length: int, noise: float
) -> None:
    train = noisy(falling(length), noise, seed=1)
    val = valley(length, length // 3, rise=0.5)
    # The least value stays least.
    val = [
        value if place == length // 3 else abs(more)
        for place, (value, more) in enumerate(zip(val, noisy(val, 0, 2), strict=True))
    ]
    put(store, run_id, curve(run_id, {"train/loss": train, "val/loss": val}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["overfitting_step"], found["val_min_step"]) == (
        "overfitting",
        length // 3,
        length // 3,
    )
    assert found["val_min"] == pytest.approx(1.0)
    assert found["val_rise"] == pytest.approx(0.5, rel=0.1)
    # To the width of a rollup bucket.
    assert abs(found["overfitting_train_step"] - length // 3) <= length / 16


def test_training_by_step_and_validation_by_epoch_are_aligned_by_time(store: Store, run_id: UUID) -> None:
    # Fell until the validation loss was least, and not since: by steps the training loss of step 10 counted.
    train = [*falling(60, to=0.5), *[0.5] * 180]
    put(store, run_id, *validated(run_id, train, valley(24, 10, rise=0.4)))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["overfitting_step"]) == ("worsening", None)
    falls = UUID(int=run_id.int ^ 1)
    put(store, falls, *validated(falls, falling(240), valley(24, 10, rise=0.4)))
    found = diagnose(store, falls)
    assert (found["verdict"], found["overfitting_step"], found["overfitting_train_step"]) == ("overfitting", 10, 109)
    assert found["detail"].startswith("val/loss is 40 % above its least of 1 at step 10; train/loss fell by ")


@pytest.mark.parametrize(("rise", "expected"), [(0.09, "plateau"), (0.11, "overfitting")])
def test_a_validation_loss_has_risen_from_a_tenth_on(store: Store, run_id: UUID, rise: float, expected: str) -> None:
    val = [*valley(24, 6, rise=rise)[:12], *[1 + rise] * 12]
    put(store, run_id, *validated(run_id, falling(240), val))
    assert verdict(store, run_id) == expected


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_a_flat_validation_loss_is_no_rise(store: Store, run_id: UUID, seed: int) -> None:
    val = noisy([*falling(40, to=1.0), *[1.0] * 200], 0.1, seed)
    val[100] = 0.7  # three deviations: of so many values one is as low
    put(store, run_id, *validated(run_id, falling(2_400), val))
    found = diagnose(store, run_id)
    assert found["val_rise"] > 0.3
    assert found["verdict"] == "plateau"


def test_a_validation_loss_that_rises_without_training_getting_better_is_worsening(store: Store, run_id: UUID) -> None:
    put(store, run_id, *validated(run_id, [0.3] * 240, valley(24, 8, rise=0.5)))
    assert verdict(store, run_id) == "worsening"


def test_without_a_validation_loss_nothing_overfits(store: Store, run_id: UUID) -> None:
    put(store, run_id, curve(run_id, {"train/loss": falling(240), "val/accuracy": valley(240, 80, rise=0.5)}))
    assert verdict(store, run_id) == "improving"


@pytest.mark.parametrize(("change", "expected"), [(0.009, "plateau"), (0.011, "improving")])
def test_a_loss_is_better_from_a_hundredth_on(store: Store, run_id: UUID, change: float, expected: str) -> None:
    assert train_verdict(store, run_id, levels(1.5, 1.2, 1.0, 1.0 - change)) == expected


@pytest.mark.parametrize(("change", "expected"), [(0.09, "plateau"), (0.11, "worsening")])
def test_a_loss_is_worse_from_a_tenth_on(store: Store, run_id: UUID, change: float, expected: str) -> None:
    assert train_verdict(store, run_id, levels(1.5, 1.2, 1.0, 1.0 + change)) == expected


def test_the_validation_loss_decides_where_there_is_enough_of_it(store: Store, run_id: UUID) -> None:
    put(store, run_id, *validated(run_id, falling(240), levels(2.0, 1.0, 1.0, 1.0, each=3)))
    assert verdict(store, run_id) == "plateau"
    few = UUID(int=run_id.int ^ 1)
    put(store, few, *validated(few, falling(240), [1.0] * 5))
    assert verdict(store, few) == "improving"


@pytest.mark.parametrize(("count", "expected"), [(1, "too early"), (5, "too early"), (6, "improving")])
def test_a_curve_is_judged_from_six_samples_on(store: Store, run_id: UUID, count: int, expected: str) -> None:
    assert train_verdict(store, run_id, falling(count)) == expected


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("length", [1, 30, 3_000])
def test_a_loss_that_is_not_finite_has_diverged_from_its_first_such_step(
    store: Store, run_id: UUID, length: int, bad: float
) -> None:
    first = length // 2
    put(store, run_id, curve(run_id, {"train/loss": [*falling(length)[:first], *[bad] * (length - first)]}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["diverged_metric"], found["diverged_step"]) == ("diverged", "train/loss", first)
    assert found["detail"] == f"train/loss is not finite from step {first}"


def test_a_validation_loss_that_is_not_finite_has_diverged_too(store: Store, run_id: UUID) -> None:
    put(store, run_id, *validated(run_id, falling(240), [*falling(20), *[NAN] * 4]))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["diverged_metric"], found["diverged_step"]) == ("diverged", "val/loss", 20)


@pytest.mark.parametrize(("at", "expected"), [(700, "improving"), (800, "diverged")])
@pytest.mark.parametrize("length", [1_000, 10_000])
def test_a_loss_that_was_finite_for_its_last_quarter_has_recovered(
    store: Store, run_id: UUID, at: int, length: int, expected: str
) -> None:
    values = falling(length)
    values[at * length // 1_000] = NAN
    assert train_verdict(store, run_id, values) == expected


@pytest.mark.parametrize(("factor", "expected"), [(2.9, "worsening"), (3.1, "diverged")])
def test_a_loss_explodes_from_three_times_its_lowest_level_on(
    store: Store, run_id: UUID, factor: float, expected: str
) -> None:
    assert train_verdict(store, run_id, levels(2.0, 1.5, 1.0, factor)) == expected


@pytest.mark.parametrize("length", [60, 600, 6_000, 60_000])
def test_an_explosion_is_found_with_the_step_where_it_began(store: Store, run_id: UUID, length: int) -> None:
    begin = length * 9 // 10
    values = [*falling(begin, to=0.5), *[0.5 * 1.5 ** (1 + 20 * n / (length - begin)) for n in range(length - begin)]]
    put(store, run_id, curve(run_id, {"train/loss": values}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["diverged_metric"]) == ("diverged", "train/loss")
    above = next(step for step, value in enumerate(values) if value > 1.5 and step >= begin)
    assert abs(found["diverged_step"] - above) <= length / 16


def test_a_loss_that_exploded_at_once_has_diverged(store: Store, run_id: UUID) -> None:
    assert train_verdict(store, run_id, [2.3, *noisy([1e4] * 999, 0.5, seed=1)]) == "diverged"


def test_a_spike_that_passes_is_no_explosion(store: Store, run_id: UUID) -> None:
    values = falling(200)
    values[-2:] = [50.0, 50.0]
    assert train_verdict(store, run_id, values) == "improving"


@pytest.mark.parametrize("seed", range(3))
def test_heavy_tailed_noise_is_no_explosion(store: Store, run_id: UUID, seed: int) -> None:
    values = [math.exp(value - 1) for value in noisy([1.0] * 5_000, 0.4, seed)]
    assert train_verdict(store, run_id, values) == "plateau"


def test_a_loss_that_all_but_vanished_may_double(store: Store, run_id: UUID) -> None:
    assert train_verdict(store, run_id, levels(1.0, 1e-3, 1e-9, 4e-9)) == "plateau"


@pytest.mark.parametrize("values", [[0.0] * 40, [-5.0] * 40, [1e308, -1e308] * 20, [5e-324] * 40])
def test_strange_values_are_no_error(store: Store, run_id: UUID, values: list[float]) -> None:
    put(store, run_id, curve(run_id, {"train/loss": values, "val/loss": values}))
    assert verdict(store, run_id) in ("plateau", "improving", "worsening")


def test_a_loss_below_zero_is_judged_like_any_other(store: Store, run_id: UUID) -> None:
    assert train_verdict(store, run_id, [-value for value in falling(100, start=0.1, to=5.0)]) == "improving"


def test_a_run_without_a_loss_is_unknown(store: Store, run_id: UUID) -> None:
    put(store, run_id, curve(run_id, {"accuracy": falling(100), 'système/🔥 "loss"': falling(100)}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["train_metric"], found["val_metric"]) == ("unknown", "", "")


@pytest.mark.parametrize(
    ("train", "val"),
    [("train/loss", "val/loss"), ("loss", "val_loss"), ("train_loss_epoch", "valid_loss"), ("train/loss", "eval/loss")],
)
def test_losses_are_known_by_the_names_that_frameworks_give_them(
    store: Store, run_id: UUID, train: str, val: str
) -> None:
    put(store, run_id, curve(run_id, {train: falling(40), val: valley(40, 10, rise=0.5)}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["train_metric"], found["val_metric"]) == ("overfitting", train, val)


def test_of_several_names_the_first_counts(store: Store, run_id: UUID) -> None:
    put(store, run_id, curve(run_id, {"loss": [NAN] * 40, "train/loss": falling(40)}))
    found = diagnose(store, run_id)
    assert (found["verdict"], found["train_metric"]) == ("improving", "train/loss")


@pytest.mark.parametrize("length", [100, 1_000, 10_000])
def test_what_a_later_attempt_superseded_does_not_count(store: Store, run_id: UUID, length: int) -> None:
    kept = length * 6 // 10
    first = [*falling(length)[:kept], *[NAN] * (length - kept)]
    bad = [*valley(length, kept // 2, rise=3.0)]
    put(store, run_id, curve(run_id, {"train/loss": first, "val/loss": bad}))
    assert diagnose(store, run_id)["verdict"] == "diverged"
    later = START + (length + 10) * STEP_US
    store.insert("run", events.run(run_id, attempt=later))
    steps = range(2, length)
    again = curve(
        run_id, {"train/loss": falling(length)[2:], "val/loss": falling(length)[2:]}, steps=steps, attempt=later
    )
    store.insert("metric", again)
    store.insert(
        "status", events.status(run_id, attempt=later, time=later + length * STEP_US, state="finished", final=True)
    )
    found = diagnose(store, run_id)
    assert (found["verdict"], found["diverged_step"], found["val_min_step"]) == ("improving", None, length - 1), found


def test_a_deleted_run_has_no_row(store: Store, run_id: UUID) -> None:
    put(store, run_id, curve(run_id, {"train/loss": falling(40)}))
    store.insert("tag", events.deletion(run_id, START))
    assert store.query("SELECT verdict FROM diagnosis WHERE run_id = {r:UUID}", r=run_id) == []
    assert store.query("SELECT rank FROM rank_progress WHERE run_id = {r:UUID}", r=run_id) == []


def test_no_type_of_the_store_itself_reaches_a_client(store: Store) -> None:
    for view in ("diagnosis", "rank_progress"):
        assert not [row for row in store.query(f"DESCRIBE {view}") if "AggregateFunction" in row[1]]
