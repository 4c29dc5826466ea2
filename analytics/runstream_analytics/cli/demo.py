"""`runstream demo`: a real sweep, then what there is to see."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError
from runstream_analytics.filters import Compare
from runstream_analytics.references import Field, Metric, parse_reference
from runstream_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from runstream_schemas.settings import Settings

SCRIPT: Final = "digits_sweep.py"

BEST: Final = Metric("val/accuracy", "max")

COLUMNS: Final = ("name", "val/accuracy:max", "val/loss:min", "config.optimizer.lr", "duration")

LEADERS: Final = 10

LINES: Final = 5

HELP: Final = """\
Train a sweep of small models on handwritten digits, and show what runstream makes of it.

About 30 runs over depth, width, learning rate and weight decay, several at a time: one over-fits, one diverges, one
trains on four processes, one is killed half-way and resumed. Takes about a minute. Nothing outside the directory is
written.

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
    _train(script, settings, workers)
    for name in _ship(settings):
        terminal.tell(f"warning: {name} was left behind")
    _show(settings, directory)


def _find_script(folders: list[Path]) -> Path:
    for folder in folders:
        if (folder / SCRIPT).is_file():
            return folder / SCRIPT
    raise UserError(
        "the demo's training code is in the repository, not in the installed package: clone it, and run "
        f"`make demo` there, or this command from its top folder ({' and '.join(map(str, folders))} have no {SCRIPT})"
    )


def _train(script: Path, settings: Settings, workers: int) -> None:
    """Run the sweep in a process of its own with a progress bar. Raises UserError when it fails."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    command = [sys.executable, str(script), "--json-progress", "--workers", str(workers)]
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with (
        subprocess.Popen(command, env=_environment(settings), stdout=subprocess.PIPE) as process,
        Progress(*columns, console=terminal.console(stderr=True), transient=True) as bar,
    ):
        assert process.stdout is not None, "a pipe was asked for"
        task = bar.add_task("", total=None)
        for report in _reports(process.stdout):
            bar.update(task, completed=report["done"], total=report["total"], description=str(report["job"]))
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


def _show(settings: Settings, directory: Path) -> None:
    from runstream_analytics.cli.plot import PIPE_SIZE
    from runstream_analytics.queries.leaderboard import leaderboard
    from runstream_analytics.queries.ledgers import ledgers
    from runstream_analytics.queries.series import choose_runs, lines_by_step
    from runstream_analytics.reader import open_reader
    from runstream_analytics.render.chart import ChartSize, chart
    from runstream_analytics.render.leaderboard import leaderboard_view
    from runstream_analytics.render.ledger import ledger_summary

    out = terminal.console()
    width = min(out.width, 160) if terminal.stdout_is_terminal() else PIPE_SIZE[0]
    where = Compare(Field("experiment"), "=", "digits", quoted=True)
    with terminal.patience("loading the log") as listener, open_reader(settings, listener) as reader:
        board = leaderboard(reader, [parse_reference(name) for name in COLUMNS], where, sort=BEST, limit=LEADERS)
        best = choose_runs(reader, BEST.name, where, BEST, reverse=False, top=LINES)
        lines = lines_by_step(reader, BEST.name, best, points=2 * width)
        rows = ledgers(reader, None)
    out.print(f"The best {len(board.rows)} of {board.total} runs by validation accuracy:\n")
    out.print(leaderboard_view(board, datetime.now(UTC), width, full_ids=False))
    out.print()
    if lines:
        for part in chart(lines, "step", ChartSize(width, 16), color=out.color_system is not None and not out.no_color):
            out.print(part)
    out.print()
    out.print(ledger_summary(rows))
    out.print(_next(directory, board.rows[0][0] if board.rows else "RUN"))


def _next(directory: Path, best: str) -> str:
    at = f"--dir {directory}"
    return f"""
Look at next:
  runstream ls {at} --sort val/loss:min --columns name,optimizer.lr,val/loss:min
  runstream show {best} {at}
  runstream plot train/loss {at} --where 'state = finished' --top 6 --by train/loss:min
  runstream sql {at} 'SELECT metric, count() FROM points GROUP BY metric'
  runstream verify {at}"""
