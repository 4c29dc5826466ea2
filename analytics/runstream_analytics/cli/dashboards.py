"""`runstream dashboards`: Grafana dashboards and alert rules, as files and in a Grafana that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError
from runstream_schemas.exit_codes import ExitCode

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

BUILD_HELP: Final = """\
Write the dashboards and alert rules as files that Grafana loads.

In a checkout they go where docker-compose.yml finds them, elsewhere into ./grafana.

\b
Examples:
  runstream dashboards build
  runstream dashboards build --directory /etc/grafana/runstream
"""

PUSH_HELP: Final = """\
Bring the dashboards and alert rules to a Grafana that is there already.

Only what differs is changed, in the folder runstream; a second push changes nothing. The token is that of a service
account with the role Editor. Give it in the environment, so that it stands in no history.

\b
Examples:
  RUNSTREAM_GRAFANA_TOKEN=… runstream dashboards push --url https://grafana.example.org
  runstream dashboards push --url http://localhost:3000 --dry-run
  runstream dashboards push --url http://localhost:3000 --clickhouse my-uid --no-alerts
"""


@app.command("build", help=BUILD_HELP, short_help="Write them as files.")
def build(
    directory: Annotated[Path | None, typer.Option("--directory", help="Where the files go.")] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write the dashboards and alert rules as files."""
    _require()
    from runstream_dashboards import build as files

    where = directory or (files.DIRECTORY if files.DIRECTORY.is_dir() else Path("grafana"))
    try:
        changed = files.build(where)
    except OSError as error:
        raise UserError(f"cannot write to {where}: {error.strerror or error}") from error
    if as_json:
        terminal.show_json([{"file": str(path), "removed": not path.exists()} for path in changed])
        return
    for path in changed:
        terminal.tell(f"{'wrote' if path.exists() else 'removed'} {path}")
    if not changed:
        terminal.tell(f"all files in {where} are up to date")


@app.command("push", help=PUSH_HELP, short_help="Bring them to a Grafana.")
def push(
    url: Annotated[str, typer.Option("--url", envvar="RUNSTREAM_GRAFANA_URL", help="Address of the Grafana.")],
    token: Annotated[
        str,
        typer.Option("--token", envvar="RUNSTREAM_GRAFANA_TOKEN", help="Of a service account, role Editor."),
    ] = "",
    clickhouse: Annotated[str, typer.Option("--clickhouse", help="Uid of the ClickHouse data source.")] = "clickhouse",
    prometheus: Annotated[str, typer.Option("--prometheus", help="Uid of the Prometheus data source.")] = "prometheus",
    alerts: Annotated[bool, typer.Option("--alerts/--no-alerts", help="With the alert rules.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Bring the dashboards and alert rules to a Grafana that is there already."""
    _require()
    if not token:
        raise UserError("no token: give --token, or better set RUNSTREAM_GRAFANA_TOKEN")

    from runstream_dashboards import alerts as rules_of
    from runstream_dashboards import every
    from runstream_dashboards.push import CannotPush
    from runstream_dashboards.push import push as bring
    from runstream_dashboards.remote import RemoteGrafana

    wanted = [json.loads(text) for name, text in every.files().items() if name.startswith("dashboards/")]
    rules = rules_of.rules() if alerts else []
    datasources = {"clickhouse": clickhouse, "prometheus": prometheus}
    try:
        changes = bring(RemoteGrafana(url, token), wanted, rules, datasources=datasources, dry_run=dry_run)
    except CannotPush as error:
        raise UserError(str(error), ExitCode.INCOMPLETE) from error
    if as_json:
        terminal.show_json([{"change": one.kind, "what": one.what, "name": one.name} for one in changes])
        return
    for one in changes:
        if one.kind != "keep":
            terminal.tell(f"{one.kind} {one.what} {one.name}")
        if dry_run and one.difference:
            terminal.tell(one.difference)
    kept = sum(one.kind == "keep" for one in changes)
    terminal.tell(f"{len(changes) - kept} {'would change' if dry_run else 'changed'}, {kept} as they should be")


def _require() -> None:
    try:
        import grafana_foundation_sdk  # noqa: F401
    except ImportError as error:
        raise UserError("dashboards need more packages: pip install 'runstream[dashboards]'") from error
