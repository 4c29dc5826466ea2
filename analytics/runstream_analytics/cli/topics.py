"""`runstream topics`: the topics that a broker needs for events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runstream_analytics.cli import options, terminal
from runstream_analytics.errors import UserError
from runstream_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from runstream_ingest.topics import TopicAdmin
    from runstream_schemas.settings import Settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

MOST_PARTITIONS: Final = 1000
"""Six topics of so many are what a broker carries. More is a slip of the finger, which no command could take back."""

MOST_HOURS: Final = 1_000_000
"""A century, in milliseconds a number that the broker takes."""

CREATE_HELP: Final = """\
Create the topics that are missing, and change those that differ; nothing is ever made smaller.

One topic for each kind of event and one, compacted, for dead letters. Partitions bound how many workers can share the
load; ranks keep their order in one of them. The exit status is 1 when something was refused, such as fewer partitions.

\b
Examples:
  runstream topics create --url kafka://broker:9092
  runstream topics create --partitions 48 --replication 3 --retention-hours 336
  runstream topics create --partitions 48 --dry-run
"""

DESCRIBE_HELP: Final = """\
Show the topics as they are, and what keeps events out of them. The exit status is 0 unless something does.

\b
Examples:
  runstream topics describe
  runstream topics describe --json | jq '.[] | {name, partitions}'
"""


@app.command("create", help=CREATE_HELP, short_help="Create what is missing, change what differs.")
def create(
    partitions: Annotated[
        int, typer.Option("--partitions", min=1, max=MOST_PARTITIONS, help="Of each event's topic.")
    ] = 12,
    replication: Annotated[
        int, typer.Option("--replication", min=1, help="Copies of each partition; with 3, one broker may be lost.")
    ] = 1,
    retention_hours: Annotated[
        int,
        typer.Option("--retention-hours", min=1, max=MOST_HOURS, help="How long events are kept, to be read again."),
    ] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: options.JsonOption = False,
    url: options.UrlOption = None,
) -> None:
    """Create the topics that are missing, and change those that differ."""
    settings = options.settings_from(None, url, None)
    admin = _admin(settings)

    from runstream_ingest.sources.source import LogFailed
    from runstream_ingest.topics import changes, wanted

    want = wanted(settings.kafka, partitions=partitions, replicas=replication, retention_hours=retention_hours)
    try:
        found = changes(want, admin.present())
        for change in found:
            if change.kind != "refused" and not dry_run:
                admin.apply(change)
    except LogFailed as error:
        raise UserError(str(error), ExitCode.LOG_FAILED) from error
    if as_json:
        terminal.show_json([{"topic": c.topic.name, "change": c.kind, "text": c.text} for c in found])
    else:
        for change in found:
            terminal.tell(f"{change.topic.name}: {'refused: ' * (change.kind == 'refused')}{change.text}")
        if not found:
            terminal.tell(f"all {len(want)} topics are as they should be")
        elif dry_run:
            terminal.tell("nothing was done; leave --dry-run out to do it")
    if any(change.kind == "refused" for change in found):
        sys.exit(ExitCode.INCOMPLETE)


@app.command("describe", help=DESCRIBE_HELP, short_help="Show the topics as they are.")
def describe(as_json: options.JsonOption = False, url: options.UrlOption = None) -> None:
    """Show the topics as they are, and what keeps events out of them."""
    settings = options.settings_from(None, url, None)
    admin = _admin(settings)

    from runstream_ingest.sources.source import LogFailed
    from runstream_ingest.topics import unfit

    try:
        present = admin.present()
    except LogFailed as error:
        raise UserError(str(error), ExitCode.LOG_FAILED) from error
    topics = sorted(present.values(), key=lambda topic: topic.name)
    if as_json:
        terminal.show_json([topic.as_object() for topic in topics])
    elif topics:
        from runstream_analytics.render.topics import topics_table

        terminal.show(topics_table(topics))
    problems = unfit(settings.kafka, present)
    for problem in problems:
        terminal.tell(problem)
    if problems:
        terminal.tell("`runstream topics create` mends it")
        sys.exit(ExitCode.INCOMPLETE)


def _admin(settings: Settings) -> TopicAdmin:
    if settings.log_dir is not None:
        raise UserError(
            f"the event log is the directory {settings.log_dir}, which has no topics; "
            "give --url kafka://host:port or set RUNSTREAM_URL"
        )

    from runstream_ingest.sources.source import LogFailed
    from runstream_ingest.topics import TopicAdmin

    try:
        return TopicAdmin(settings.url, settings.kafka)
    except LogFailed as error:
        raise UserError(str(error), ExitCode.LOG_FAILED) from error
