"""The command as shells start it: several at once, in pipes, on terminals, and its help."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import logged_runs
import pytest
from cli_tasks import Result
from logged_runs import NAMES

COMMAND = [sys.executable, "-c", "from runstream_analytics.cli.app import main; main()"]
WORKER = [sys.executable, "-c", "from runstream_ingest.cli import main; main()", "run"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("RUNSTREAM_", "COLUMNS"))}

Invoke = Callable[..., Result]


def start(directory: Path, *arguments: str, command: list[str] = COMMAND) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, *arguments], cwd=directory, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
    )


def finish(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    logged_runs.write(tmp_path / ".runstream" / "log")
    yield tmp_path


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


def test_a_pipe_that_closes_early_is_no_error(fresh: Path) -> None:
    line = f"{sys.executable} -c 'from runstream_analytics.cli.app import main; main()'"
    query = "SELECT number FROM numbers(300000)"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'{line} sql "{query}" | head -n 2'],
        cwd=fresh,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '"number"\n0\n', "")


@pytest.mark.parametrize(("columns", "no_color"), [(40, False), (120, True)])
def test_a_terminal_of_any_width_shows_every_id_in_full(fresh: Path, columns: int, no_color: bool) -> None:
    text = on_terminal(fresh, columns, {"NO_COLOR": "1"} if no_color else {})
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    assert all(str(run_id)[-8:] in plain for run_id in NAMES)
    assert all(len(line) <= columns for line in plain.replace("\r", "").split("\n") if "opening" not in line)
    assert ("\x1b[32m" in text) != no_color


def on_terminal(directory: Path, columns: int, more: dict[str, str]) -> str:
    """What `runstream ls` writes to a terminal."""
    leader, follower = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"} | more
    process = subprocess.Popen([*COMMAND, "ls"], cwd=directory, env=environment, stdout=follower, stderr=follower)
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
    assert process.wait(timeout=60) == 0
    return written.decode()


def test_help_does_not_wait_for_the_engine() -> None:
    heavy = "{'chdb', 'clickhouse_connect', 'rich.table', 'numpy', 'plotext'}"
    code = f"import sys, runstream_analytics.cli.app; print(sorted({heavy} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


COMMANDS = ("ls", "show", "plot", "sql", "verify", "sync", "delete", "doctor", "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(invoke: Invoke, tmp_path: Path, command: str) -> None:
    code, out, err = invoke(tmp_path, command, "--help")
    assert (code, err) == (0, "")
    examples = out.split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert examples
    assert all(line.startswith(f"    runstream {command}") for line in examples)


def test_help_is_as_it_was(invoke: Invoke, tmp_path: Path) -> None:
    """The snapshot changes with the options: write it anew by running this file."""
    snapshot = Path(__file__).with_name("help.txt")
    assert snapshot.read_text() == whole_help(invoke, tmp_path)


def whole_help(invoke: Invoke, directory: Path) -> str:
    texts = [invoke(directory, "--help").out, *(invoke(directory, command, "--help").out for command in COMMANDS)]
    return ("\n" + "-" * 80 + "\n").join(texts)


if __name__ == "__main__":
    import cli_tasks

    text = whole_help(lambda directory, *arguments: cli_tasks.invoke(directory, arguments), Path.cwd())
    Path(__file__).with_name("help.txt").write_text(text)
