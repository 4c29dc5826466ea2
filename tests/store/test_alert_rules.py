"""Alert rules on the store: each fires for what it is about, and for nothing else."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from curves import curve, validated
from store_process import Store

import support_events as events
from runstream_dashboards.alerts import MOST, RULES

HOUR_US = 3600 * 1_000_000
BEGAN = time.time_ns() // 1000 - HOUR_US
"""An alert is about what is recent."""
RUN = UUID(int=1)

FALLS = [2.0 * 0.99**step for step in range(400)]
RISES = [1.0 + abs(epoch - 10) * 0.05 for epoch in range(40)]
KEEPS = [1.0 / (1 + epoch) for epoch in range(40)]


def fired(store: Store, uid: str) -> list[dict[str, Any]]:
    """The rows of a rule, each a thing that is wrong."""
    (rule,) = [rule for rule in RULES if rule.uid == uid]
    rows = store.query(rule.query)
    assert all(row[-1] > 0 for row in rows)
    names = ["run", "run_id", "metric" if uid == "runstream-loss-not-finite" else "diagnosis"]
    return [dict(zip(names, row, strict=False)) for row in rows]


def put(
    store: Store, *batches: events.Event, began: int = BEGAN, alive_for_s: float = 0, state: str = "running"
) -> None:
    store.insert("run", events.run(RUN, attempt=began))
    store.insert("metric", *batches)
    last = max(at for batch in batches for frame in batch["frames"] for at in frame["times"]) + int(alive_for_s * 1e6)
    store.insert("status", events.status(RUN, attempt=began, time=last, state=state, final=state != "running"))


def losses(train: Sequence[float], val: Sequence[float], began: int = BEGAN) -> list[events.Event]:
    return validated(RUN, train, val, attempt=began)


HEALTHY = losses(FALLS, KEEPS)

TROUBLES: list[tuple[str, list[events.Event], dict[str, Any]]] = [
    ("runstream-loss-not-finite", [curve(RUN, {"train/loss": [*FALLS[:300], *[math.nan] * 100]}, attempt=BEGAN)], {}),
    ("runstream-overfitting", losses(FALLS, RISES), {}),
    ("runstream-stalled", HEALTHY, {"alive_for_s": 1800}),
]


@pytest.mark.parametrize(("uid", "batches", "how"), TROUBLES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_rule_fires_for_its_trouble_and_the_others_do_not(
    uid: str, batches: list[events.Event], how: dict[str, Any], new_store: Callable[[], Store]
) -> None:
    store = new_store()
    put(store, *batches, **how)
    for other, _, _ in TROUBLES:
        found = fired(store, other)
        assert [row["run_id"] for row in found] == ([str(RUN)] if other == uid else []), other
    (row,) = fired(store, uid)
    assert row["run"] and all(isinstance(value, str) for value in row.values()), "texts become labels"


def test_the_labels_of_a_trouble_stay_the_same_while_it_lasts(new_store: Callable[[], Store]) -> None:
    # Else Grafana sees a new alert each minute, and none of them lasts long enough to fire.
    store = new_store()
    seen = []
    for alive_for_s in (1800, 1860):
        put(store, *HEALTHY, alive_for_s=alive_for_s)
        seen.append(fired(store, "runstream-stalled"))
    assert seen[0] == seen[1] != []


def test_no_rule_fires_for_a_healthy_run_or_an_empty_store(new_store: Callable[[], Store]) -> None:
    store = new_store()
    assert [fired(store, uid) for uid, _, _ in TROUBLES] == [[], [], []]
    put(store, *HEALTHY)
    assert [fired(store, uid) for uid, _, _ in TROUBLES] == [[], [], []]


def test_what_ended_long_ago_alerts_nobody(new_store: Callable[[], Store]) -> None:
    store = new_store()
    began = BEGAN - 48 * HOUR_US
    bad = curve(RUN, {"train/loss": [*FALLS[:300], *[math.nan] * 100]}, attempt=began)
    put(store, bad, began=began, state="failed")
    assert fired(store, "runstream-loss-not-finite") == []


def test_of_too_many_runs_the_newest_are_told(new_store: Callable[[], Store]) -> None:
    store = new_store()
    for number in (1, 2, 3):
        # The newest run has neither the greatest id nor the least.
        began = BEGAN + {1: 0, 2: 2, 3: 1}[number] * 1_000_000
        run = UUID(int=number)
        store.insert("run", events.run(run, attempt=began))
        store.insert("metric", curve(run, {"train/loss": [*FALLS[:300], *[math.nan] * 100]}, attempt=began))
        store.insert("status", events.status(run, attempt=began, time=began + 5_000_000, state="running"))
    (rule,) = [rule for rule in RULES if rule.uid == "runstream-loss-not-finite"]
    assert rule.query.endswith(f"LIMIT {MOST}")
    rows = store.query(rule.query.removesuffix(f"LIMIT {MOST}") + "LIMIT 1")
    assert [row[1] for row in rows] == [str(UUID(int=2))]


def test_every_rule_on_the_store_is_tested_here() -> None:
    assert {rule.uid for rule in RULES if rule.source == "clickhouse"} == {uid for uid, _, _ in TROUBLES}
