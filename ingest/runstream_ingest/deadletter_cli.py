"""`runstream-ingest deadletters`: look at refused events and send them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from runstream_ingest import console
from runstream_ingest.console import DirOption, JsonOption, StoreOption, UrlOption
from runstream_ingest.dead_letters import DeadLetter, DeadLetters, dead_letters_of, schema_of
from runstream_ingest.replay import replay
from runstream_ingest.store import open_store
from runstream_schemas.exit_codes import ExitCode

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Events that the store refuses: look at them, and send them again.",
)

LetterArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids or their beginnings, as `list` shows them.")
]


@app.command("list")
def list_letters(directory: DirOption = None, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List refused events with where they came from and why they were refused.

    Those of topics lie in the topic <prefix>.dead_letter at the broker of RUNSTREAM_URL.

    Example: runstream-ingest deadletters list --json
    """
    with console.store_errors():
        letters = list(dead_letters_of(console.settings(dir=directory, url=url)).letters())
    if as_json:
        console.print_json([asdict(letter) for letter in letters])
        return
    if not letters:
        console.say("no dead letters")
        return
    table = Table("id", "event", "run", "seq", "points", "origin", "why")
    for letter in letters:
        points = str(letter.points) if letter.event == "metric" else ""
        seq = str(letter.seq) if letter.seq >= 0 else ""
        origin = f"{letter.name}@{letter.offset}"
        table.add_row(letter.id[:12], letter.event, letter.run_id[-12:], seq, points, origin, letter.error[:200])
    console.out.print(table)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id or its beginning.")],
    directory: DirOption = None,
    url: UrlOption = None,
) -> None:
    """Show one refused event as JSON: everything known of it, and its content if it can be decoded.

    Example: runstream-ingest deadletters show 3f2a91c0
    """
    with console.store_errors():
        place = dead_letters_of(console.settings(dir=directory, url=url))
        letter = _chosen(place, [letter_id])[0]
        content = _content(place, letter)
    console.print_json({**asdict(letter), "content": content})


@app.command("replay")
def replay_letters(
    ids: LetterArgument = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    directory: DirOption = None,
    url: UrlOption = None,
    store_url: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send refused events to the store again, after a new version of runstream or of the store.

    What is accepted is removed from the dead letters; what is refused again stays. Exit status 1 when any was refused.

    Example: runstream-ingest deadletters replay --all
    """
    if every == bool(ids):
        console.fail("name dead letters by their ids, or give --all", ExitCode.USAGE)
    settings = console.settings(dir=directory, url=url, store=store_url)
    with console.store_errors():
        place = dead_letters_of(settings)
        letters = list(place.letters()) if every else _chosen(place, ids or [])
        with open_store(settings, on_wait=console.on_wait) as store:
            result = replay(store, place, letters)
    if as_json:
        refused = [{"id": letter.id, "error": error} for letter, error in result.refused]
        console.print_json({"stored": [letter.id for letter in result.stored], "refused": refused})
    else:
        console.say(f"{len(result.stored)} stored, {len(result.refused)} refused again")
        for letter, error in result.refused:
            console.say(f"  {letter.id[:12]}  {error[:300]}")
    if result.refused:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _chosen(place: DeadLetters, ids: Sequence[str]) -> list[DeadLetter]:
    letters = list(place.letters())
    chosen = []
    for wanted in ids:
        matching = [letter for letter in letters if letter.id.startswith(wanted)]
        if len(matching) != 1:
            many = "no dead letter has" if not matching else f"{len(matching)} dead letters have"
            console.fail(
                f"{many} an id that begins with {wanted!r}; see `runstream-ingest deadletters list`", ExitCode.USAGE
            )
        chosen += matching
    return chosen


def _content(place: DeadLetters, letter: DeadLetter) -> Any:
    schema = schema_of(letter)
    try:
        datum = place.datum(letter)
        return None if schema is None else orjson.loads(orjson.dumps(schema.decode_datum(datum), default=str))
    except (OSError, ValueError, EOFError, IndexError, TypeError):
        return None
