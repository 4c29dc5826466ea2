"""The output of a command, bounded in time and size."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 64 * 1024


def read_output(
    command: Sequence[str], cwd: Path, environ: Mapping[str, str], *, deadline: float, max_bytes: int
) -> bytes | None:
    """What the command writes to its standard output, at most `max_bytes`; then it is stopped.

    `deadline` is a time of `time.monotonic()`. None if the command is missing, fails, or is not done by then. Never
    raises.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, ValueError):
        return None
    assert process.stdout is not None
    with process.stdout as pipe:
        output, complete = _read(pipe.fileno(), deadline, max_bytes)
    if complete and len(output) < max_bytes:
        try:
            return output if process.wait(max(0.1, deadline - time.monotonic())) == 0 else None
        except subprocess.TimeoutExpired:
            complete = False
    process.kill()
    process.wait()
    return output if complete else None


def _read(descriptor: int, deadline: float, max_bytes: int) -> tuple[bytes, bool]:
    """Read until the end, or `max_bytes`, or the deadline; the second value is False for the deadline."""
    output = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while len(output) < max_bytes:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            return bytes(output), False
        chunk = os.read(descriptor, min(_CHUNK_BYTES, max_bytes - len(output)))
        if not chunk:
            break
        output += chunk
    return bytes(output), True
