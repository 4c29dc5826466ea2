"""Every example of SQL in the documentation runs."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from store_process import Store

import support_events as events

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    pytest.param(sql, id=f"{path}-{number}")
    for path in ("docs/sql.md", "README.md")
    for number, sql in enumerate(re.findall(r"```sql\n(.*?)```", (ROOT / path).read_text(), flags=re.DOTALL))
]


@pytest.mark.parametrize("sql", EXAMPLES)
def test_every_documented_query_runs(store: Store, sql: str) -> None:
    run_id = UUID("01935000-0000-7000-8000-000000000001")
    frame = events.frame(
        [1, 2], [events.ATTEMPT + 1, events.ATTEMPT + 2], {"train/loss": [1.0, 0.5], "val/loss": [1.0, 2.0]}
    )
    store.insert("metric", events.metric(run_id, [frame]))
    store.query(sql)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 10
