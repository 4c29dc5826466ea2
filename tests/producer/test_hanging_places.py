"""Where the event log or the artifact root neither takes nor refuses, a run and its process still end."""

import subprocess
import sys
import textwrap
from pathlib import Path

from cli_processes import ended
from event_files import events, points

from runstream.sync import sync_journals
from runstream_schemas.settings import load


def program_ended(directory: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a program; it must come to its end."""
    code = f"import threading, time\nimport runstream\nDIR = {str(directory)!r}\n" + textwrap.dedent(body)
    return ended(directory, [sys.executable, "-c", code], timeout_s=100)


def test_a_log_directory_that_hangs_is_left_at_the_timeout_and_sync_ships_the_rest(tmp_path: Path) -> None:
    done = program_ended(
        tmp_path,
        """
        from runstream.transport.log_directory import LogDirectory
        LogDirectory.send = lambda *_: time.sleep(600)
        run = runstream.init("test", dir=DIR)
        for step in range(100): run.log({"m": step}, step)
        print(run.finish(timeout=0.2))
        """,
    )
    assert (done.returncode, done.stdout) == (0, "False\n")
    (said,) = done.stderr.splitlines()
    assert "not delivered: 100 points" in said and f"`runstream sync --dir {tmp_path}` ships them" in said
    assert [found.outcome for found in sync_journals(load(dir=tmp_path, environ={}))] == ["shipped"]
    assert len(points(tmp_path)["m"]) == 100
    assert events(tmp_path, "status")[-1]["state"] == "finished"


def test_an_artifact_root_that_hangs_keeps_no_point_from_arriving(tmp_path: Path) -> None:
    (tmp_path / "ckpt.pt").write_bytes(b"weights")
    done = program_ended(
        tmp_path,
        """
        from runstream.artifacts.root import LocalRoot
        LocalRoot.put = lambda *_, **__: time.sleep(600)
        run = runstream.init("test", dir=DIR)
        run.log_artifact("ckpt.pt")
        run.log({"m": 1}, 0)
        print(run.finish(timeout=2))
        """,
    )
    assert (done.returncode, done.stdout) == (0, "True\n")
    (said,) = done.stderr.splitlines()
    assert "not uploaded: 1 artifact," in said and f"`runstream sync --dir {tmp_path}` uploads them" in said
    assert points(tmp_path) == {"m": [(0, 1.0)]}
