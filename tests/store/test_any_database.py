"""What a store holds is found from whichever database is the current one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from store_histories import METRICS, histories
from store_process import Store

from runstream_schemas.cluster import INTERNAL_VIEWS, created
from runstream_schemas.layout import OneServer
from runstream_schemas.tables import migrations

EVERYWHERE = f"metric = '{METRICS[0]}', step_min = -9223372036854775808, step_max = 9223372036854775807, points = 40"

VIEWS = sorted(
    name
    for migration in migrations()
    for kind, name in map(created, migration.statements)
    if kind == "VIEW" and name not in INTERNAL_VIEWS and not name.startswith(("chart", "due_"))
)
CHARTS = [
    f"chart({EVERYWHERE}, runs = [])",
    f"chart_band({EVERYWHERE}, runs = [])",
    f"chart_lines({EVERYWHERE}, runs = [], half_life = 3, by_time = true)",
    f"chart_ranks({EVERYWHERE}, run = '{{run}}')",
    f"chart_by_rank({EVERYWHERE}, run = '{{run}}')",
    "due_run(settle_us = 86400000000)",
]


@pytest.fixture(scope="module")
def stores(new_store: Callable[[], Store]) -> tuple[Store, Store]:
    """One with runs, and one without."""
    full, empty = new_store(), new_store()
    for event, records in histories(range(3)).items():
        full.insert(event, *records)
    return full, empty


@pytest.mark.parametrize("view", [*VIEWS, *CHARTS])
def test_a_view_gives_the_same_from_another_database(stores: tuple[Store, Store], view: str) -> None:
    full, empty = stores
    view = view.replace("{run}", str(full.one("SELECT min(run_id) FROM runs")))
    expected = sorted(map(repr, full.query(f"SELECT * FROM {view}")))
    # The other store has views of the same names, and nothing in them.
    assert sorted(map(repr, empty.query(f"SELECT * FROM {full.database}.{view}"))) == expected
    assert expected or view in ("models", "artifacts", "tags", "params", "environment")


def test_the_database_may_have_any_name() -> None:
    statements = [each for one in OneServer("run `store`").migrations(migrations()) for each in one.statements]
    assert any("FROM `run ``store```.chart_bucket(" in each for each in statements)
