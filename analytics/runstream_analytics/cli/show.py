"""`runstream show`: one run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from runstream_analytics.cli import options, terminal

HELP: Final = """\
Show runs: params, metrics with their extremes and first NaN, artifacts, attempts, code, environment, ledger.

\b
Examples:
  runstream show brave-otter
  runstream show 5c06235d
  runstream show brave-otter --json | jq '.[0].params'
"""


def show(
    runs: options.NamedRuns,
    as_json: options.JsonOption = False,
    directory: options.DirOption = None,
    url: options.UrlOption = None,
    store: options.StoreOption = None,
) -> None:
    """Show runs: params, metrics with their extremes and first NaN, artifacts, attempts, code, environment, ledger."""
    settings = options.settings_from(directory, url, store)

    from runstream_analytics.queries.naming import find_runs
    from runstream_analytics.queries.run_detail import run_detail
    from runstream_analytics.reader import open_reader

    with terminal.patience("opening the store") as listener, open_reader(settings, listener) as reader:
        details = [run_detail(reader, run.run_id) for run in find_runs(reader, runs)]
    if as_json:
        terminal.show_json(details)
        return

    from runstream_analytics.render.run_detail import run_page

    for number, detail in enumerate(details):
        terminal.show(*([""] if number else []), *run_page(detail, datetime.now(UTC)))
