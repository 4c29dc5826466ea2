import math

import pytest

from runstream.timeouts import MAX_WAIT_S, Deadline, bounded_seconds


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(3, 3.0), (0.5, 0.5), ("7", 7.0), (-1, 0.0), (math.inf, MAX_WAIT_S), (1e300, MAX_WAIT_S), (True, 1.0)],
)
def test_a_number_is_a_timeout_within_bounds(given, seconds):
    assert bounded_seconds(given) == seconds


@pytest.mark.parametrize("given", [None, "soon", math.nan, 1j, [], object()])
def test_anything_else_is_none(given):
    assert bounded_seconds(given) is None


def test_several_steps_share_one_deadline():
    now = 100.0
    deadline = Deadline(5.0, lambda: now)
    assert deadline.left_s == 5.0
    now = 104.0
    assert deadline.left_s == 1.0
    now = 200.0
    assert deadline.left_s == 0.0
