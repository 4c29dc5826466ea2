"""docs/diagnosis.md tells the thresholds, the names and the columns that the views have, and its examples run."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from curves import curve, falling, put, valley
from store_process import Store

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "schemas" / "runstream_schemas" / "tables"
PAGE = (ROOT / "docs" / "diagnosis.md").read_text()


@pytest.mark.parametrize("sql", re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL))
def test_every_example_runs(store: Store, sql: str) -> None:
    run_id = UUID("01935000-0000-7000-8000-000000000001")
    put(store, run_id, curve(run_id, {"train/loss": falling(40), "val/loss": valley(40, 10, rise=0.5)}))
    assert len(store.query(sql)) > (0 if "rank_progress" in sql else -1)


def test_the_page_has_every_threshold() -> None:
    sql = (TABLES / "0430_diagnosis.sql").read_text()
    thresholds = re.findall(r"^([\d.]+) AS (\w+),$", sql, flags=re.MULTILINE)
    assert len(thresholds) == 14
    assert re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, flags=re.MULTILINE) == [(name, n) for n, name in thresholds]


def test_the_page_has_every_name_of_a_loss() -> None:
    sql = (TABLES / "0415_losses.sql").read_text()
    names = re.findall(r"'([^']+)'", sql[sql.index("[") : sql.index("] AS validation_names")])
    assert len(names) > 30
    paragraph = PAGE[PAGE.index("## Which metrics") : PAGE.index("Of several ranks")]
    assert re.findall(r"`([^`]+)`", paragraph) == names


@pytest.mark.parametrize(("view", "heading"), [("diagnosis", "## Columns"), ("rank_progress", "## rank_progress")])
def test_the_page_has_every_column(store: Store, view: str, heading: str) -> None:
    listed = re.search(r"`(run_id, [^`]+)`", PAGE[PAGE.index(heading) :])
    assert listed
    assert re.split(r",\s+", listed[1]) == [name for name, *_ in store.query(f"DESCRIBE {view}")]


def test_the_page_has_every_verdict() -> None:
    sql = (TABLES / "0430_diagnosis.sql").read_text()
    rules = sql[sql.index("-- From worst to best.") :]
    verdicts = list(dict.fromkeys(re.findall(r"(?<!concat)\('([a-z ]+)',", rules)))
    listed = re.findall(r"^\| `([a-z ]+)` \|", PAGE[: PAGE.index("## Which metrics")], flags=re.MULTILINE)
    assert [each for each in listed if each in verdicts] == verdicts
    assert set(listed) == set(verdicts)
