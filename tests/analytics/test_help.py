"""What `--help` says."""

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from cli_tasks import Result

Invoke = Callable[..., Result]


def test_help_does_not_wait_for_the_engine() -> None:
    heavy = "{'chdb', 'clickhouse_connect', 'rich.table', 'numpy', 'plotext'}"
    code = f"import sys, runstream_analytics.cli.commands; print(sorted({heavy} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


COMMANDS = ("ls", "show", "plot", "sql", "verify", "sync", "delete", "doctor", "serve", "demo")
COMMANDS += ("topics create", "topics describe")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(invoke: Invoke, tmp_path: Path, command: str) -> None:
    code, out, err = invoke(tmp_path, *command.split(), "--help")
    assert (code, err) == (0, "")
    examples = out.split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert examples
    assert all(line.startswith(f"    runstream {command}") for line in examples)


def test_the_version_is_that_of_the_installed_package(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke(tmp_path, "--version") == (0, f"runstream {metadata.version('runstream')}\n", "")


def test_help_is_as_it_was(invoke: Invoke, tmp_path: Path) -> None:
    """The snapshot changes with the options: write it anew by running this file."""
    snapshot = Path(__file__).with_name("help.txt")
    assert snapshot.read_text() == whole_help(invoke, tmp_path)


def whole_help(invoke: Invoke, directory: Path) -> str:
    texts = [
        invoke(directory, "--help").out,
        *(invoke(directory, *command.split(), "--help").out for command in COMMANDS),
    ]
    return ("\n" + "-" * 80 + "\n").join(texts)


if __name__ == "__main__":
    import cli_tasks

    text = whole_help(lambda directory, *arguments: cli_tasks.invoke(directory, arguments), Path.cwd())
    Path(__file__).with_name("help.txt").write_text(text)
