"""What the demo shows of its sweep: leaderboard, chart, ledger, and commands to go on with."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runstream_analytics.cli import terminal
from runstream_analytics.cli.plot import MAX_WIDTH, PIPE_SIZE, POINTS_PER_COLUMN
from runstream_analytics.filters import All, Compare
from runstream_analytics.queries.leaderboard import leaderboard
from runstream_analytics.queries.ledgers import ledgers
from runstream_analytics.queries.series import lines_by_step
from runstream_analytics.reader import open_reader
from runstream_analytics.references import Field, Metric, Tag, parse_reference
from runstream_analytics.render import text
from runstream_analytics.render.axes import STEPS
from runstream_analytics.render.canvas import ChartSize
from runstream_analytics.render.chart import chart
from runstream_analytics.render.leaderboard import leaderboard_view
from runstream_analytics.render.ledger import ledger_summary

if TYPE_CHECKING:
    from runstream_schemas.settings import Settings

BEST: Final = Metric("val/accuracy", "max")

COLUMNS: Final = ("name", "val/accuracy:max", "val/loss:min", "config.optimizer.lr")
"""They fit into 80 terminal columns."""

LEADERS: Final = 10

LINES: Final = 5

CHART_HEIGHT: Final = 16

RANKS: Final = "SELECT rank, round(avg(value), 2) AS wait_ms FROM points WHERE metric = 'time/wait_ms' GROUP BY rank"

NEXT: Final = (
    ("one run with everything about it: killed half-way, resumed from its checkpoint", "show {killed-and-resumed}"),
    ("over-fitting: a validation loss that turns up again", "plot val/loss --runs {overfitting},{best}"),
    ("a learning rate far too large: where the loss became NaN", "plot train/loss --log --runs {diverging},{best}"),
    ("any order, any columns", "ls --sort val/loss:min --columns name,optimizer.lr,val/loss:min"),
    ("any question: how long each rank of the 4-process job waited for the others", f'sql "{RANKS}"'),
    ("whether everything that was logged is stored, for each process", "verify"),
)
"""What there is to see, and the command that shows it; names of runs stand for their ids."""


def show_sweep(settings: Settings, directory: Path, sweep: str) -> None:
    """Load what was logged, and print it. Raises UserError."""
    out = terminal.console()
    width = min(out.width, MAX_WIDTH) if terminal.stdout_is_terminal() else PIPE_SIZE[0]
    ours = Compare(Tag("sweep"), "=", sweep, quoted=True)
    digits = Compare(Field("experiment"), "=", "digits", quoted=True)
    with terminal.patience("loading the log") as listener, open_reader(settings, listener) as reader:
        columns = [parse_reference(name) for name in COLUMNS]
        board = leaderboard(reader, columns, All((ours, digits)), sort=BEST, limit=LEADERS)
        trained = leaderboard(reader, [Field("name")], ours)
        lines = lines_by_step(reader, BEST.name, board.ids[:LINES], POINTS_PER_COLUMN * width)
        rows = ledgers(reader, trained.ids)
        [(stored,)] = reader.rows("SELECT count() FROM runs")
    out.print(f"The best {len(board.ids)} of {text.counted(board.total, 'run')} on digits by validation accuracy:\n")
    out.print(leaderboard_view(board, datetime.now(UTC), width, full_ids=False))
    if stored > trained.total:
        out.print(f"\n{text.counted(stored - trained.total, 'more run')} of earlier sweeps; ls shows all.")
    if lines:
        out.print()
        for part in chart(lines, STEPS, ChartSize(width, CHART_HEIGHT), color=terminal.tells_colors_apart(out)):
            out.print(part)
    out.print()
    out.print(ledger_summary(rows))
    ids = dict(zip((str(name) for (name,) in trained.rows), trained.ids, strict=True))
    if board.ids:
        ids["best"] = board.ids[0]
    named = {name: text.id_suffix(run_id, board.suffix_length) for name, run_id in ids.items()}
    # Not folded: a command that goes over two lines cannot be copied.
    out.print(next_commands(_called(), directory, named), soft_wrap=True)


def next_commands(called: str, directory: Path, ids: Mapping[str, str]) -> str:
    """Commands to go on with, those left out whose runs are not there."""
    lines = ["\nLook at next:"]
    for caption, command in NEXT:
        try:
            written = command.format_map(ids)
        except KeyError:
            continue
        lines += [f"\n  {caption}", f"    {called} {written} --dir {shlex.quote(str(directory))}"]
    return "\n".join(lines)


def _called() -> str:
    """How a shell finds this command: by its name, or, outside of an activated environment, by its path."""
    ours = Path(sys.executable).with_name("runstream")
    found = shutil.which("runstream")
    if not ours.exists() or (found is not None and Path(found).resolve() == ours.resolve()):
        return "runstream"
    return shlex.quote(os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours))
