"""What is recorded of the code, the software and the machine of a run. For a background thread: git is slow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ..identity import JobIdentity
from .command import capture_command
from .environment import capture_variables
from .git import Code, capture_code
from .machine import capture_machine, device_of_rank
from .packages import capture_packages, packages_hash

_T = TypeVar("_T")


def capture_run(
    identity: JobIdentity,
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> dict[str, Any]:
    """The captured fields of the run event: code, packages, packages_hash, environment, command, device.

    Ranks other than 0 get their device only, since the rest is the same for the whole job. Takes up to ten seconds in
    a huge repository, a tenth of one in a usual one. Never raises: what fails is empty.
    """
    nothing: dict[str, str] = {}
    machine = _fenced(lambda: capture_machine(environ, sys.modules), nothing)
    device = _fenced(lambda: device_of_rank(machine.get("gpus", ""), identity.local_rank, sys.modules), "")
    first = identity.rank == 0
    no_packages: list[str] = []
    packages = _fenced(lambda: capture_packages(list(sys.path)), no_packages) if first else no_packages
    code = _fenced(lambda: capture_code(_code_directories(cwd), environ), Code()) if first else Code()
    command = _fenced(lambda: capture_command(arguments), [""]) if first else []
    variables = _fenced(lambda: capture_variables(environ), nothing)
    return {
        "code": asdict(code),
        "packages": packages,
        "packages_hash": packages_hash(packages) if packages else "",
        "environment": {**machine, **variables} if first else {},
        "command": command,
        "device": device,
    }


def _code_directories(cwd: Path | None) -> list[Path]:
    """Where the code may lie: beside the script that was started, else in the working directory."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    candidates = [Path(script).resolve().parent] if script and cwd is None else []
    try:
        candidates.append(cwd or Path.cwd())
    except OSError:
        # The working directory is gone; the script's may still be there.
        pass
    return candidates


def _fenced(capture: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return capture()
    except Exception:
        return otherwise
