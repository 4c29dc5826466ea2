"""Checks of the machine: interpreter, packages, disk, file systems, clock."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from runstream.journal.place import file_system, is_network
from runstream_analytics.checks.check import Check, fail, ok, warn
from runstream_analytics.render import text
from runstream_schemas.limits import MAX_ATTEMPT_US, MIN_ATTEMPT_US
from runstream_schemas.settings import Settings

PACKAGES: Final[Mapping[str, str]] = {
    "runstream": "runstream",
    "confluent-kafka": "runstream",
    "fastavro": "runstream",
    "orjson": "runstream",
    "clickhouse-connect": "runstream[ingest]",
    "chdb-core": "runstream[local]",
    "plotext": "runstream[local]",
    "uvicorn": "runstream[serve]",
    "starlette": "runstream[serve]",
    "grafana-foundation-sdk": "runstream[dashboards]",
    "nvidia-ml-py": "runstream[system]",
    "fsspec": "runstream[artifacts]",
}
"""Distributions, and what to install for each; those of the base install must be there."""

LITTLE_SPACE: Final = 1024**3
"""Bytes; a checkpoint and the store's merges need about this much."""

NO_SPACE: Final = 100 * 1024**2
"""Bytes; a journal is 64 MiB and is allocated in full."""


def check_settings(settings: Settings) -> list[Check]:
    """Every setting with where it comes from; passwords are hidden."""
    return [ok(f"setting {name}", f"{settings.shown(name)} ({source})") for name, source in settings.sources.items()]


def check_python() -> Check:
    """The interpreter that the command line runs under."""
    detail = f"{platform.python_version()} at {sys.executable}, {platform.system()} {platform.machine()}"
    if sys.platform != "linux":
        return warn("python", detail, "runstream is made for and tested on Linux; run it there")
    return ok("python", detail)


def check_packages(version: Callable[[str], str] = metadata.version) -> list[Check]:
    """Versions of what runstream stands on."""
    checks = []
    for package, extra in PACKAGES.items():
        try:
            checks.append(ok(f"package {package}", version(package)))
        except metadata.PackageNotFoundError:
            complain = fail if extra == "runstream" else warn
            checks.append(complain(f"package {package}", "not installed", f"pip install '{extra}'"))
    return checks


def check_space(directory: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> Check:
    """Free space where the local files go."""
    place = _existing(directory)
    try:
        free = usage(place)[2]
    except OSError as error:
        return fail("disk space", f"{place}: {error.strerror}", "name another directory with --dir or RUNSTREAM_DIR")
    detail = f"{text.size(free)} free at {place}"
    if free < NO_SPACE:
        return fail("disk space", detail, "free some space, or name another directory with --dir or RUNSTREAM_DIR")
    if free < LITTLE_SPACE:
        return warn("disk space", detail, "free some space before the journals and the store need it")
    return ok("disk space", detail)


def check_writable(name: str, directory: Path) -> Check:
    """Whether files can be made in a directory, or in what is there of the way to it."""
    place = _existing(directory)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
    except OSError as error:
        return fail(name, f"cannot write in {place}: {error.strerror}", f"make {place} writable, or name another place")
    return ok(name, f"{directory} is writable" if place == directory else f"{directory} can be made")


def check_journal_place(settings: Settings, mounts: Callable[[], str] | None = None) -> Check:
    """A journal on a network file system could stall the trainer, so it goes elsewhere."""
    read = mounts or Path("/proc/self/mountinfo").read_text
    place = _existing(settings.journal_dir)
    try:
        kind = file_system(place.resolve(), read()) or "unknown file system"
    except OSError:
        kind = "unknown file system"
    detail = f"{settings.journal_dir} ({kind})"
    if is_network(place, read):
        elsewhere = os.environ.get("SLURM_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir()
        return warn(
            "journal",
            f"{detail} is on a network: journals go to {elsewhere}",
            "see that it outlives the job, and run `runstream sync` on the same node",
        )
    return ok("journal", detail)


def check_clock(now_us: int) -> Check:
    """A machine without a clock makes attempts that the store refuses."""
    if MIN_ATTEMPT_US <= now_us < MAX_ATTEMPT_US:
        return ok("clock", "plausible")
    return fail("clock", f"{now_us / 1e6:.0f} s since 1970 is before 2020 or after 2100", "set the clock (NTP)")


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))
