"""A stop is heard at whatever moment it comes."""

import pytest
from http_stores import ended

AT_THE_WORST_MOMENT = """
import os, signal, sys
from runstream_ingest.stopping import stop_on_signals
stop = stop_on_signals()
with stop._cond:  # as the main thread has it for a moment whenever it begins to wait
    os.kill(os.getpid(), signal.SIGTERM)
sys.exit(0 if stop.wait(30) else 1)
"""


def test_a_stop_that_comes_just_as_the_worker_begins_to_wait_is_heard() -> None:
    assert ended(AT_THE_WORST_MOMENT).returncode == 0


AS_IT_HANDS_OVER = """
import os, signal, sys, threading
from runstream_ingest import stopping
stop = stopping.stop_on_signals()
if "SIGNAL_IT" in os.environ:
    threading.Thread(target=threading.Event().wait, daemon=True).start()  # blocks no signal, as the engine's do
    execv = os.execv
    def signalled(*arguments):
        del os.environ["SIGNAL_IT"]
        os.kill(os.getpid(), signal.SIGTERM)
        execv(*arguments)
    os.execv = signalled
    stopping.go_on_as_a_fresh_process()
sys.exit(0 if stop.wait(10) else 1)
"""


def test_a_stop_that_another_thread_takes_as_the_worker_hands_over_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAL_IT", "1")
    assert ended(AS_IT_HANDS_OVER).returncode == 0


def test_who_is_handed_over_to_without_a_stop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAL_IT", "1")
    unheard = AS_IT_HANDS_OVER.replace("os.kill(os.getpid(), signal.SIGTERM)", "pass").replace("wait(10)", "wait(0)")
    assert ended(unheard).returncode == 1
