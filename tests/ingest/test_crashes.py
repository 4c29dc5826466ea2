"""A worker killed anywhere: whoever comes next completes the store, and every view equals the model.

strace records a whole run and then kills others of its kind at a given file, so that each kill lands where it is meant
to: at a write into a part, at the rename by which a part of any table (log positions among them) or a table becomes
visible, and between the steps of keeping a dead letter.
"""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import engine_tasks as tasks
import pytest
import worker_process
from ingest_support import batches, segment_path, settings_in, write_history, write_segment

from runstream_ingest.dead_letters import DeadLetterDirectory

InEngine = Callable[..., Any]
Rows = dict[str, list[str]]

KILLS = int(os.environ.get("RUNSTREAM_TEST_KILLS", "2"))
"""Points of each sweep: few by default, because each takes three seconds; 1000 means all there are."""

STRACE = ("strace", "-f", "-qq", "-y", "-e", "trace=write,rename,renameat2,fsync")
"""Without --seccomp-bpf, which is quicker and silently injects nothing."""


def strace_works() -> bool:
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run([*STRACE, "-o", "/dev/null", "true"], capture_output=True, timeout=20, check=False)
    return probe.returncode == 0


needs_strace = pytest.mark.skipif(not strace_works(), reason="strace is missing or may not trace")


class Moment(NamedTuple):
    call: str
    path: str
    """Of the file that is written, or the name that is changed."""
    number: int
    """1 for the first such call on that path."""

    @property
    def is_rename(self) -> bool:
        return self.call.startswith("rename")


CALLS = re.compile(
    r"^\d+ +(?:"
    r'(rename)\("|'
    r'(renameat2)\([^"]*"[^"]*", [^"]*"|'
    r'(write|fsync)\(\d+<)([^">]+)',
    re.MULTILINE,
)
"""Of a rename the old name, of a renameat2 (by which tables get theirs) the new one: the other is random for views."""


class Stage:
    """One place in which a worker runs again and again from the same beginning, so that file names repeat."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "stage"
        self._beginning = directory / "beginning"
        self.directory.mkdir()

    def begins_here(self) -> None:
        shutil.copytree(self.directory, self._beginning, symlinks=True)

    def reset(self) -> Path:
        shutil.rmtree(self.directory)
        shutil.copytree(self._beginning, self.directory, symlinks=True)
        return self.directory

    def moments(self, trace: Path) -> list[Moment]:
        """Run to the end; the calls on files of the runstream directory, in order."""
        assert worker_process.once(self.reset(), prefix=(*STRACE, "-o", str(trace))).returncode == 0
        seen: Counter[tuple[str, str]] = Counter()
        found = []
        for *calls, path in CALLS.findall(trace.read_text()):
            call = "".join(calls)
            seen[call, path] += 1
            found.append(Moment(call, path, seen[call, path]))
        return [moment for moment in found if moment.path.startswith(str(self.directory / ".runstream"))]

    def kill_at(self, moment: Moment) -> None:
        inject = f"inject={moment.call}:signal=KILL:when={moment.number}"
        killing = (*STRACE, "-o", "/dev/null", "-P", moment.path, "-e", inject)
        assert worker_process.once(self.reset(), prefix=killing).returncode < 0, moment


@pytest.fixture(scope="module")
def stage(in_engine: InEngine, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A migrated, empty store beside a log with history, of which one batch is cut short."""
    stage = Stage(tmp_path_factory.mktemp("crashes"))
    write_history(stage.directory / "log")
    write_segment(segment_path(stage.directory / "log", "metric", number=1), [batches(12)[11][:-1]])
    in_engine(tasks.prepared_store, stage.directory)
    stage.begins_here()
    return stage


@pytest.fixture(scope="module")
def expected(in_engine: InEngine, stage: Stage) -> Rows:
    return in_engine(tasks.load_and_read, stage.reset(), stage.directory / "log")


def spread(moments: Sequence[Moment]) -> list[Moment]:
    """Up to KILLS of them, evenly spread, the last one included."""
    count = min(KILLS, len(moments))
    return [moments[round(len(moments) * (point + 1) / count) - 1] for point in range(count)]


def assert_recovers(in_engine: InEngine, stage: Stage, expected: Rows, moment: object) -> None:
    found = in_engine(tasks.load_and_read, stage.directory, stage.directory / "log")
    assert found == expected, moment
    letters = DeadLetterDirectory(settings_in(stage.directory).dead_letter_dir)
    assert len(list(letters.letters())) == 1, moment


@needs_strace
def test_sigkill_at_any_write_or_rename_of_an_insert_loses_and_doubles_nothing(
    in_engine: InEngine, stage: Stage, tmp_path: Path, expected: Rows
) -> None:
    tables = in_engine(tasks.table_directories, stage.reset())
    moments = stage.moments(tmp_path / "trace")
    # Other files have names of which a part is random until they get their own, so they cannot be aimed at.
    writes = [moment for moment in moments if moment.call == "write" and "/tmp_insert_" in moment.path]
    parts = [moment for moment in moments if moment.is_rename and "/tmp_insert_" in moment.path]
    letter = [moment for moment in moments if moment.call == "fsync" and moment.path.endswith("/dead-letters/metric")]
    # The record holds what the sweep is for: every table, the positions after all data, both files of the dead letter.
    reached = [tables[Path(moment.path).parent.name] for moment in parts]
    assert {"point", "rollup_16", "rollup_coarse", "series", "batch", "life", "run", "dead_letter"} <= {*reached}
    assert reached[-3:] == ["log_position", "summary_finding", "run_finding"]
    assert len(writes) > 10 * len(parts)
    assert len(letter) == 2
    for moment in [*spread(writes), *spread(letter), *spread(parts)]:
        stage.kill_at(moment)
        assert_recovers(in_engine, stage, expected, moment)


@needs_strace
def test_sigkill_at_any_rename_of_a_migration_loses_nothing(
    in_engine: InEngine, stage: Stage, tmp_path: Path, expected: Rows
) -> None:
    new = Stage(tmp_path)
    shutil.copytree(stage.reset() / "log", new.directory / "log")
    # With the database alone, the names of the files of its tables are known beforehand.
    in_engine(tasks.store_without_tables, new.directory)
    new.begins_here()
    tables = [m for m in new.moments(tmp_path / "trace") if m.is_rename and re.search(r"/\w+\.sql$", m.path)]
    tables = [moment for moment in tables if "_tmp_" not in moment.path]
    assert {"point.sql", "point_from_landing.sql", "ledger.sql"} <= {Path(moment.path).name for moment in tables}
    for moment in spread(tables):
        new.kill_at(moment)
        assert_recovers(in_engine, new, expected, moment)
        names = in_engine(tasks.table_directories, new.directory).values()
        assert not [name for name in names if name.startswith("_tmp")], moment


def test_sigkill_at_any_moment_loses_and_doubles_nothing(in_engine: InEngine, stage: Stage, expected: Rows) -> None:
    began = time.monotonic()
    assert worker_process.once(stage.reset()).returncode == 0
    lasted = time.monotonic() - began
    killed = 0
    for point in range(1, KILLS + 1):
        killed += worker_process.once(stage.reset(), die_after_s=lasted * point / KILLS / 2).returncode < 0
        assert_recovers(in_engine, stage, expected, point)
    assert killed > 0
