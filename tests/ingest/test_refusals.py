"""What the landing tables refuse: only the bad event, with a reason that a person understands."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import refusals

from runstream_schemas.avro import EVENT_NAMES, landing_table
from runstream_schemas.tables import migrations

CASES = refusals.cases()


@pytest.fixture(scope="module")
def reasons(in_engine: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bytes], str]:
    found: dict[tuple[str, bytes], str] = in_engine(refusals.reasons, tmp_path_factory.mktemp("alone"))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.event}-{case.constraint}")
def test_each_constraint_refuses_its_bad_event_and_says_why(
    reasons: dict[tuple[str, bytes], str], case: refusals.Case
) -> None:
    why = reasons[case.event, case.datum]
    assert why.startswith(f"constraint {case.constraint} of {landing_table(case.event)} is violated: ")
    # What was wrong is named, and nothing that means something only inside the store.
    assert re.search(r" is not true of \w+ = ", why)
    assert not re.search(r"probe|DB::|codec|[0-9a-f]{8}-[0-9a-f]{4}-", why)


def test_only_the_refused_die_with_that_reason_and_their_neighbours_arrive(
    in_engine: Callable[..., Any], tmp_path: Path, reasons: dict[tuple[str, bytes], str]
) -> None:
    outcome = in_engine(refusals.among_neighbours, tmp_path)
    bad = Counter(case.event for case in CASES)
    assert outcome["arrived"] == {event: bad[event] + 1 for event in EVENT_NAMES}
    assert outcome["counts"]["dead"] == len(CASES)
    assert outcome["died"].keys() == reasons.keys()
    for key, why in outcome["died"].items():
        # Texts of small events are looked at before the store sees them.
        assert why == reasons[key] or why.startswith("a text in it is not UTF-8: ")
    assert sorted(outcome["rows"]) == sorted((event, why) for (event, _), why in outcome["died"].items())


def test_every_constraint_of_every_landing_table_has_a_case() -> None:
    declared = set()
    for migration in migrations():
        for statement in migration.statements:
            table = re.search(r"CREATE TABLE IF NOT EXISTS landing_(\w+)", statement)
            if table:
                declared |= {(table[1], name) for name in re.findall(r"CONSTRAINT (\w+) CHECK", statement)}
    assert {(case.event, case.constraint) for case in CASES} == declared
