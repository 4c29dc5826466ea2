"""`runstream demo`: a real sweep, then what there is to see."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError
from runstream_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from runstream_schemas.settings import Settings

SCRIPT: Final = "digits_sweep.py"

HELP: Final = """\
Train a sweep of small models on handwritten digits, and show what runstream makes of it.

About 30 runs over depth, width, learning rate and weight decay, several at a time: one over-fits, one diverges, one
trains on four processes, one is killed half-way and resumed. Takes less than a minute. Nothing outside the directory
is written; what earlier demos wrote there stays, and each demo shows its own sweep.

\b
Examples:
  runstream demo
  runstream demo --dir /tmp/demo
"""


def demo(
    directory: Annotated[Path, typer.Option("--dir", metavar="PATH", help="Where the demo's runs go.")] = Path(".demo"),
    workers: Annotated[int, typer.Option("--workers", min=1, help="So many training jobs at a time.")] = min(
        4, os.cpu_count() or 1
    ),
) -> None:
    """Train a sweep of small models on handwritten digits, and show what runstream makes of it."""
    script = _find_script([Path(__file__).parents[3] / "examples", Path.cwd() / "examples"])
    missing = [name for name in ("numpy", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"the demo needs {' and '.join(missing)}; install it with: pip install 'runstream[demo]'")
    settings = options.settings_from(directory, "file:" + str(directory / "log"), "chdb:" + str(directory / "store"))
    sweep = f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"
    if not sys.stderr.isatty():
        terminal.tell("training a sweep of small models, which takes less than a minute")
    _train(script, settings, workers, sweep)
    for name in _ship(settings):
        terminal.tell(f"warning: {name} was left behind")

    from runstream_analytics.cli.demo_results import show_sweep

    show_sweep(settings, directory, sweep)


def _find_script(folders: list[Path]) -> Path:
    for folder in folders:
        if (folder / SCRIPT).is_file():
            return folder / SCRIPT
    raise UserError(
        "the demo's training code is in the repository, not in the installed package: clone it, and run "
        f"`make demo` there, or this command from its top folder ({' and '.join(map(str, folders))} have no {SCRIPT})"
    )


def _train(script: Path, settings: Settings, workers: int, sweep: str) -> None:
    """Run the sweep in a process of its own with a progress bar. Raises UserError when it fails."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    command = [sys.executable, str(script), "--json-progress", "--workers", str(workers), "--sweep", sweep]
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    out = terminal.console(stderr=True)
    with (
        subprocess.Popen(command, env=_environment(settings), stdout=subprocess.PIPE) as process,
        Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar,
    ):
        assert process.stdout is not None, "a pipe was asked for"
        task = bar.add_task("", total=None)
        try:
            for report in _reports(process.stdout):
                bar.update(task, completed=report["done"], total=report["total"], description=str(report["job"]))
        except KeyboardInterrupt:
            # The sweep got the signal as well; its runs still say how they ended.
            process.wait()
            raise
    if process.returncode:
        raise UserError(
            f"the sweep failed with exit status {process.returncode}; its messages are above", ExitCode.INCOMPLETE
        )


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with all settings pointing into the demo's directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return kept | {
        "RUNSTREAM_DIR": str(settings.dir),
        "RUNSTREAM_URL": settings.url,
        "RUNSTREAM_STORE": settings.store,
        "RUNSTREAM_ARTIFACTS": str(settings.dir / "artifacts"),
    }


def _reports(lines: Any) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            report = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(report, dict) and {"done", "total", "job"} <= report.keys():
            yield report


def _ship(settings: Settings) -> list[str]:
    """The journal of the run that was killed; what could not be shipped."""
    from runstream_analytics.left_behind import ship_all

    return [item.what for item in ship_all(settings, timeout_s=60.0) if item.remains]
