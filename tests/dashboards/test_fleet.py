"""What the pages Fleet and Pipeline ask and say."""

import re

from asking import asked, query_of
from engine import Engine
from pages import PAGES, panels

from runstream_ingest import metrics

ELSEWHERE = {"process_resident_memory_bytes"}
"""Metrics of the Prometheus client itself."""


def test_the_band_lies_around_the_median_and_its_median_is_that_of_the_runs(engine: Engine) -> None:
    answer = asked(query_of("Fleet", "$metric over runs"), engine, metric="val/accuracy")
    for row in answer.rows:
        assert row[1:-1] == sorted(row[1:-1])
    step, median = answer.rows[0][0], answer.rows[0][3]
    ((expected,),) = engine.ask(
        f"SELECT quantileExact(0.5)(value) FROM points WHERE metric = 'val/accuracy' AND step = {step} AND rank = 0"
    ).rows
    assert median == expected


def test_the_band_is_that_of_the_chosen_experiments(engine: Engine) -> None:
    band = query_of("Fleet", "$metric over runs")
    both, digits, diabetes, neither = (
        asked(band, engine, metric="train/loss", experiment=chosen).rows
        for chosen in (["digits", "diabetes"], ["digits"], ["diabetes"], ["no such"])
    )
    assert digits != diabetes
    assert both == asked(band, engine, metric="train/loss").rows
    assert both not in (digits, diabetes)
    assert [row[1:] for row in neither] == [[None] * 6]


def test_every_run_is_counted_for_its_user_and_its_experiment(engine: Engine) -> None:
    ((runs,),) = engine.ask("SELECT count() FROM runs").rows
    for where in ("Busiest users", "Busiest experiments"):
        answer = asked(query_of("Fleet", where), engine)
        assert sum(row[answer.names.index("runs")] for row in answer.rows) == runs
    totals = asked(query_of("Fleet", "The fleet"), engine)
    assert totals.rows[0][totals.names.index("runs")] == runs


def test_each_run_ends_once_over_time(engine: Engine) -> None:
    answer = asked(query_of("Fleet", "Runs over time"), engine)
    ended = sum(row[2] for row in answer.rows if row[1] != "running")
    ((expected,),) = engine.ask("SELECT countIf(isNotNull(ended)) FROM runs").rows
    assert ended == expected
    assert sum(row[2] for row in answer.rows if row[1] == "running") >= expected


def test_the_pipeline_asks_only_for_metrics_that_the_worker_has() -> None:
    known = {sample.name for family in metrics.REGISTRY.collect() for sample in family.samples}
    known |= {family.name + suffix for family in metrics.REGISTRY.collect() for suffix in ("", "_total", "_bucket")}
    page = next(page for page in PAGES.values() if page["title"] == "Pipeline")
    asked_for = set()
    for panel in panels(page):
        for target in panel.get("targets") or []:
            asked_for |= set(re.findall(r"\b(?:runstream_ingest|process)_\w+", target.get("expr", "")))
    assert len(asked_for) > 8
    assert asked_for - known <= ELSEWHERE
