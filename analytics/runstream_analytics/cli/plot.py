"""`runstream plot`: lines in the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.cli.choosing import filter_from, reference_from
from runstream_analytics.errors import UserError
from runstream_analytics.references import Metric

if TYPE_CHECKING:
    from uuid import UUID

    from runstream_analytics.filters import Filter
    from runstream_analytics.queries.series import Line
    from runstream_analytics.reader import Reader
    from runstream_analytics.references import Reference
    from runstream_analytics.render.axes import Scale
    from runstream_analytics.render.canvas import ChartSize

DEFAULT_TOP: Final = 7
"""As many colours as can be told apart."""

MAX_TOP: Final = 26
"""Lines have letters where there is no colour."""

POINTS_PER_COLUMN: Final = 2
"""Braille has two dots beside each other in a character."""

PIPE_SIZE: Final = (100, 24)
"""Where there is no terminal to fill."""

MAX_WIDTH: Final = 160
"""A longer line is hard to follow from its beginning to the legend."""


class Axis(StrEnum):
    """What lies on the horizontal axis."""

    step = "step"
    time = "time"


HELP: Final = """\
Draw metrics of several runs as charts in the terminal; a cross marks the first NaN or infinity.

\b
Examples:
  runstream plot train/loss --log
  runstream plot val/accuracy --top 5 --by val/accuracy:max
  runstream plot train/loss val/loss --runs brave-otter,5c06235d --x time
  runstream plot train/loss --where 'lr > 0.01' --json
"""


def plot(
    metrics: Annotated[list[str], typer.Argument(metavar="METRIC…", help="One chart for each.")],
    runs: Annotated[
        list[str] | None,
        typer.Option("--runs", metavar="RUNS", help="These runs instead, by name or end of id, separated by commas."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, max=MAX_TOP, help="Draw so many runs at most.")
    ] = DEFAULT_TOP,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="NAME", help="The best runs by this, as in ls --sort. Default: the newest."),
    ] = None,
    reverse: options.ReverseOption = False,
    x: Annotated[
        Axis | None,
        typer.Option(
            "--x", help="Horizontal axis; time counts from when each run began. Default: step; for system/…: time."
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="A logarithmic axis of values.")] = False,
    experiment: options.ExperimentOption = None,
    state: options.StateOption = None,
    tag: options.TagOption = None,
    where: options.WhereOption = None,
    height: Annotated[int | None, typer.Option("--height", min=8, max=200, help="Lines of text for a chart.")] = None,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Draw metrics of several runs as charts in the terminal; a cross marks the first NaN or infinity."""
    settings = options.settings_from(directory, url, store)
    condition = filter_from(experiment, state, tag, where)
    order = None if by is None else reference_from("--by", by)
    columns, lines = shutil.get_terminal_size(PIPE_SIZE) if terminal.stdout_is_terminal() else PIPE_SIZE
    width, height = (min(columns, MAX_WIDTH), height or min(max(lines - 8, 8), 24))
    chosen = [name.strip() for given in runs or () for name in given.split(",") if name.strip()]

    from runstream_analytics.reader import open_reader
    from runstream_analytics.render.axes import LINEAR, LOGARITHMIC
    from runstream_analytics.render.canvas import ChartSize

    with terminal.patience("opening the store") as listener, open_reader(settings, listener) as reader:
        named = _named(reader, chosen)
        axes = {metric: x or _usual_axis(metric) for metric in metrics}
        drawn = {
            metric: _lines(reader, metric, named or _best(reader, metric, condition, order, reverse, top), axis, width)
            for metric, axis in axes.items()
        }
    if as_json:
        terminal.show_json(
            [row for metric, found in drawn.items() for line in found for row in _objects(line, axes[metric])]
        )
    else:
        for metric, found in drawn.items():
            _draw(found, axes[metric], LOGARITHMIC if log else LINEAR, ChartSize(width, height))
    for metric, found in drawn.items():
        if not found:
            terminal.tell(f"none of {'these' if named else 'the runs that match'} has logged {metric!r}")


def _named(reader: Reader, names: Sequence[str]) -> list[UUID]:
    from runstream_analytics.queries.naming import find_runs

    found = [run.run_id for run in find_runs(reader, names)]
    if len(found) > MAX_TOP:
        raise UserError(f"{len(found)} runs do not fit into one chart; name {MAX_TOP} at most")
    return found


def _best(reader: Reader, metric: str, condition: Filter, by: Reference | None, reverse: bool, top: int) -> list[UUID]:
    from runstream_analytics.queries.series import choose_runs

    return choose_runs(reader, metric, condition, by, reverse, top)


def _lines(reader: Reader, metric: str, run_ids: Sequence[UUID], x: Axis, width: int) -> list[Line]:
    from runstream_analytics.queries.leaderboard import check_known
    from runstream_analytics.queries.series import lines_by_step, lines_by_time

    if not run_ids:
        return []
    read = lines_by_step if x is Axis.step else lines_by_time
    lines = read(reader, metric, run_ids, width * POINTS_PER_COLUMN)
    if not lines:
        check_known(reader, [Metric(metric, "last")])
    return lines


def _usual_axis(metric: str) -> Axis:
    """The steps of system metrics are unix seconds."""
    return Axis.time if metric.startswith("system/") else Axis.step


def _draw(lines: list[Line], x: Axis, scale: Scale, size: ChartSize) -> None:
    from runstream_analytics.render.axes import SECONDS, STEPS
    from runstream_analytics.render.chart import chart

    if not lines:
        return
    out = terminal.console()
    across = STEPS if x is Axis.step else SECONDS
    for part in chart(lines, across, size, color=terminal.tells_colors_apart(out), scale=scale):
        out.print(part)


def _objects(line: Line, x: Axis) -> list[dict[str, Any]]:
    """One object per bucket."""
    fields = asdict(line)
    same = {key: fields[key] for key in ("metric", "run_id", "name", "rank")}
    at = "step" if x is Axis.step else "seconds"
    return [
        {**same, at: int(where) if x is Axis.step else where, "last": last, "min": low, "max": high}
        for where, last, low, high in zip(line.x, line.last, line.low, line.high, strict=True)
    ]
