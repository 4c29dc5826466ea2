"""The command as shells start it: several at once, in pipes, interrupted."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from logged_runs import NAMES
from shells import MAIN, finish, shell, start

from runstream_schemas.exit_codes import ExitCode

IMPATIENT = [
    sys.executable,
    "-c",
    f"import functools; from runstream_ingest import store; "
    f"store.open_store = functools.partial(store.open_store, wait_s=0.05); {MAIN}",
]
HOLDER = "import sys; from pathlib import Path; from runstream_ingest import lock\n"
HOLDER += "with lock.hold(Path('.runstream/store').absolute()): print(flush=True); sys.stdin.read()"
WORKER = [sys.executable, "-c", "from runstream_ingest.cli import main; main()", "run"]


@pytest.fixture
def held(fresh: Path) -> Iterator[tuple[Path, int]]:
    """A directory whose store another process holds, and that process's id."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=fresh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    yield fresh, holder.pid
    holder.communicate(timeout=60)


def test_two_at_once_again_and_again_get_in_while_a_worker_follows(fresh: Path) -> None:
    worker = start(fresh, command=WORKER)
    try:
        for _ in range(3):
            for process in [start(fresh, "ls", "--json"), start(fresh, "ls", "--json")]:
                code, out, err = finish(process)
                assert code == 0, err
                assert len(json.loads(out)) == len(NAMES)
        assert worker.poll() is None
    finally:
        worker.send_signal(signal.SIGTERM)
        assert finish(worker).code == 0


def test_a_store_that_another_process_keeps_is_told_with_its_id_and_a_status_of_its_own(
    held: tuple[Path, int],
) -> None:
    directory, pid = held
    for arguments in (["ls"], ["ls", "--json"], ["sql", "SELECT 1"], ["verify"]):
        code, out, err = finish(start(directory, *arguments, command=IMPATIENT))
        assert (code, out) == (ExitCode.STORE_BUSY, "")
        assert f"process {pid} holds the store" in err
        assert "Traceback" not in err


def test_ctrl_c_ends_a_command_that_waits_with_status_130_and_no_word_more(held: tuple[Path, int]) -> None:
    directory, pid = held
    waiting = start(directory, "ls")
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == f"waiting for process {pid}, which holds the store\n"
    waiting.send_signal(signal.SIGINT)
    assert finish(waiting) == (130, "", "")


def test_ctrl_c_while_the_command_is_loaded_is_as_quiet(tmp_path: Path) -> None:
    interrupted = "import builtins, signal; real = builtins.__import__\n"
    interrupted += "def slow(name, *rest):\n"
    interrupted += "    signal.raise_signal(signal.SIGINT) if name == 'typer' else None\n"
    interrupted += f"    return real(name, *rest)\nbuiltins.__import__ = slow\n{MAIN}"
    assert finish(start(tmp_path, command=[sys.executable, "-c", interrupted])) == (130, "", "")


@pytest.mark.parametrize("arguments", ["ls", "ls --json", 'sql "SELECT * FROM runs ORDER BY started DESC"'])
def test_a_pipe_that_closes_early_is_no_error(many: Path, arguments: str) -> None:
    code, out, err = shell(many, arguments, "{} | head -n 1")
    assert (code, len(out.splitlines()), err) == (0, 1, "")


@pytest.mark.parametrize("arguments", ["ls", "ls --json", 'sql "SELECT 1"', "doctor"])
def test_a_full_disk_behind_the_answer_is_told(fresh: Path, arguments: str) -> None:
    code, _, err = shell(fresh, arguments, "{} > /dev/full")
    assert (code, err) == (ExitCode.INCOMPLETE, "runstream: the answer could not be written: No space left on device\n")


def test_a_closed_stdout_or_stderr_is_no_error(fresh: Path) -> None:
    assert shell(fresh, "ls", "{} >&-") == (0, "", "")
    assert shell(fresh, "ls --json --limit 1", "{} 2>&-").code == 0


def test_an_encoding_without_our_characters_gets_question_marks(fresh: Path) -> None:
    code, out, err = shell(fresh, "ls", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert "it's ?; DROP TABLE" in out


@pytest.mark.parametrize(
    "main", [MAIN, "from runstream_ingest.cli import main; main()"], ids=["runstream", "runstream-ingest"]
)
def test_an_install_without_the_command_lines_packages_says_which_to_install(tmp_path: Path, main: str) -> None:
    light = f"import sys; sys.modules['typer'] = None; {main}"
    code, out, err = finish(start(tmp_path, command=[sys.executable, "-c", light]))
    assert (code, out) == (4, "")
    assert "typer" in err and "pip install 'runstream[local]'" in err and "Traceback" not in err
