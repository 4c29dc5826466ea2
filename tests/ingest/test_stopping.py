"""A stop is heard at whatever moment it comes."""

from http_stores import ended

AT_THE_WORST_MOMENT = """
import os, signal, sys
from runstream_ingest.run_cli import _stop_on_signals
stop = _stop_on_signals()
with stop._cond:  # as the main thread has it for a moment whenever it begins to wait
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(0 if stop.wait(30) else 1)
"""


def test_a_stop_that_comes_just_as_the_worker_begins_to_wait_is_heard() -> None:
    assert ended(AT_THE_WORST_MOMENT).returncode == 0
