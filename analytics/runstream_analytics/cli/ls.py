"""`runstream ls`: the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.cli.choosing import filter_from, reference_from, references_from, references_of
from runstream_analytics.errors import NothingHere
from runstream_analytics.references import Field, Reference, Tag, label

if TYPE_CHECKING:
    from runstream_analytics.queries.leaderboard import Leaderboard

TERMINAL_ROWS: Final = 50
"""As many runs as a person reads; a script gets all."""

DEFAULT_COLUMNS: Final = tuple(Field(name) for name in ("name", "experiment", "state", "started", "duration", "step"))

EXPENDABLE: Final = tuple(Field(name) for name in ("step", "duration", "experiment", "started"))
"""Which of these make room on a narrow terminal, in this order."""

HELP: Final = """\
List runs: filtered, sorted by anything, with the columns you choose.

Names in filters, sorting and columns:

\b
  state, name, started, duration, …   a field of the run
  val/accuracy:max                    a metric's last, min or max (:last when left out and the name has a slash)
  config.lr, or only lr               a param
  tag.team                            a tag

Filters compare names with =, !=, <, <=, >, >=, ~ (contains) and !~, joined by and, or, not and parentheses.

\b
Examples:
  runstream ls
  runstream ls --experiment digits --sort val/accuracy:max
  runstream ls --where 'lr > 0.01 and val/loss:min < 0.3' --columns name,lr,val/loss:min
  runstream ls --state failed,lost --where 'started >= 2026-01-31' --json
"""


def ls(
    experiment: options.ExperimentOption = None,
    state: options.StateOption = None,
    tag: options.TagOption = None,
    where: options.WhereOption = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", "-s", metavar="NAME", help="Sort by this, best first: :min and text ascend, others not."
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Turn the order round.")] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", "-c", metavar="NAMES", help="What to show, separated by commas; may be repeated."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=0, help="Show so many runs, 0 for all. Default: 50 in a terminal, else all."),
    ] = None,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """List runs: filtered, sorted by anything, with the columns you choose."""
    settings = options.settings_from(directory, url, store)
    condition = filter_from(experiment, state, tag, where)
    order = None if sort is None else reference_from("--sort", sort)
    chosen = _columns(references_from("--columns", columns) if columns else None, order, references_of(condition))
    if limit is None and terminal.stdout_is_terminal() and not as_json:
        limit = TERMINAL_ROWS

    from runstream_analytics.queries.leaderboard import Leaderboard, as_objects, leaderboard
    from runstream_analytics.reader import open_reader

    try:
        with terminal.patience("opening the store") as listener, open_reader(settings, listener) as reader:
            board = leaderboard(reader, chosen, condition, sort=order, reverse=reverse, limit=limit or None)
    except NothingHere as nothing:
        terminal.tell(str(nothing))
        board = Leaderboard((), (), (), 0, 0)
    if as_json:
        terminal.show_json(as_objects(board))
    elif board.rows:
        _show(board, _expendable(columns, order, references_of(condition)))
    else:
        terminal.tell("no run matches")
    if len(board.rows) < board.total:
        terminal.tell(f"{len(board.rows)} of {board.total} runs; --limit 0 shows all")


def _show(board: Leaderboard, expendable: Sequence[Reference]) -> None:
    from runstream_analytics.render.leaderboard import leaderboard_view, narrowed

    out, now, full_ids = terminal.console(), datetime.now(UTC), not terminal.stdout_is_terminal()
    shown = narrowed(board, expendable, now, out.width, full_ids=full_ids)
    out.print(leaderboard_view(shown, now, out.width, full_ids=full_ids))
    left_out = [label(column) for column in board.columns if column not in shown.columns]
    if left_out:
        terminal.tell(f"no room for {', '.join(left_out)}; --columns chooses what is shown")


def _expendable(
    chosen: list[str] | None, order: Reference | None, looked_at: Sequence[Reference]
) -> Sequence[Reference]:
    """The columns that nobody asked for."""
    return [] if chosen else [column for column in EXPENDABLE if column != order and column not in looked_at]


def _columns(chosen: list[Reference] | None, order: Reference | None, looked_at: list[Reference]) -> list[Reference]:
    """What was chosen; else the usual columns with what the runs were sorted and filtered by."""
    if chosen is not None:
        return list(dict.fromkeys(reference for reference in chosen if reference != Field("id")))
    beside = [reference for reference in looked_at if not isinstance(reference, Field | Tag)]
    return list(dict.fromkeys([*DEFAULT_COLUMNS, *([order] if order else []), *beside]))
