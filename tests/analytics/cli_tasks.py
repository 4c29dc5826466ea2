"""Runs in the process that owns the engine."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Result(NamedTuple):
    code: int
    out: str
    err: str


def invoke(directory: Path, arguments: Sequence[str], stdin: str = "") -> Result:
    from runstream_analytics.cli.app import main

    for name in [name for name in os.environ if name.startswith("RUNSTREAM_")]:
        del os.environ[name]
    os.chdir(directory)
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8") for content in (stdin.encode(), b"", b"")
    )
    code: int | str | None = 0
    try:
        main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    finally:
        (_, out, err), (sys.stdin, sys.stdout, sys.stderr) = (sys.stdin, sys.stdout, sys.stderr), before
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
    return Result(int(code or 0), *texts)
