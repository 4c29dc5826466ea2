"""Ctrl-C in the middle of `log`: what comes later is logged as before."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from event_files import points

INTERRUPTS = 3_000
"""One in ten came at a moment that mattered."""
ROOM_BYTES = 64_000_000
"""Many times what is logged between them: nothing is dropped."""


def test_log_goes_on_after_exceptions_of_signal_handlers_at_any_moment_of_it(tmp_path: Path) -> None:
    code = f"""
        import random, signal
        import runstream

        def interrupt(*_):
            raise KeyboardInterrupt

        run = runstream.init("test", dir={str(tmp_path)!r})
        signal.signal(signal.SIGALRM, interrupt)
        for _ in range({INTERRUPTS}):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 6e-5))
                while True:
                    run.log({{"a": 1.0}}, 0)
            except KeyboardInterrupt:
                pass
        run.log({{"last": 1.0}}, 7)
        assert run.finish(30)
        """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "RUNSTREAM_JOURNAL_BYTES": str(ROOM_BYTES)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert points(tmp_path)["last"] == [(7, 1.0)]
