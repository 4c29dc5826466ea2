"""The command as shells start it: in processes, in pipes, on terminals."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from cli_tasks import Result

MAIN = "from runstream_analytics.cli.app import main; main()"
COMMAND = [sys.executable, "-c", MAIN]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("RUNSTREAM_", "COLUMNS"))}


def start(directory: Path, *arguments: str, command: list[str] = COMMAND) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, *arguments], cwd=directory, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
    )


def finish(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def shell(directory: Path, arguments: str, around: str = "{}", **more: str) -> Result:
    """What bash makes of a command with what stands around it."""
    line = around.format(f"{sys.executable} -c '{MAIN}' {arguments}")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=directory,
        env=ENVIRONMENT | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def on_terminal(directory: Path, columns: int, *arguments: str, may_fail: bool = False, **more: str) -> str:
    """What a command writes to a terminal."""
    leader, follower = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"} | more
    process = subprocess.Popen([*COMMAND, *arguments], cwd=directory, env=environment, stdout=follower, stderr=follower)
    os.close(follower)
    written = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not chunk:
            break
        written += chunk
    os.close(leader)
    assert process.wait(timeout=60) == 0 or may_fail
    return written.decode()


def plain(text: str) -> str:
    """Without colours, and without what the spinner wipes out."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", re.sub(r"[^\n]*\x1b\[2K", "", text))
