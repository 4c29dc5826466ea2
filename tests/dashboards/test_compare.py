"""What the page Compare makes of the runs that are chosen."""

from asking import asked, query_of, run_named, some_runs
from engine import Engine


def sides(engine: Engine, *runs: str) -> list[str]:
    """A and B as they are at first."""
    asks = [query_of("Compare", f"variable run_{side}") for side in "ab"]
    return [asked(ask, engine, run=list(runs)).rows[0][0] for ask in asks]


def test_a_and_b_are_the_first_two_of_the_chosen_runs(engine: Engine) -> None:
    one, two, three = reversed(some_runs(engine, 3))
    assert sides(engine, one, two, three) == [one, two]
    assert sides(engine, one) == [one, ""]
    assert sides(engine) == ["", ""]


def test_one_run_is_not_drawn_against_itself(engine: Engine) -> None:
    run = run_named(engine, "overfitting")
    answer = asked(query_of("Compare", "$metric: A against B"), engine, run=[run], metric=["val/loss"])
    assert all(row[1] is not None and row[4:] == [None] * 3 for row in answer.rows)
