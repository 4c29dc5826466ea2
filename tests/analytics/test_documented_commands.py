"""Commands in README, documentation and help are ones that the command line understands."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from runstream_analytics.cli.commands import app
from runstream_analytics.filters import parse_filter
from runstream_analytics.references import parse_references

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), Path(__file__).with_name("help.txt")]


def commands() -> Iterator[tuple[str, str]]:
    """Each line that is a command, with its document."""
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            found = re.match(r"    +(?:\$ )?runstream (?!\[OPTIONS\])([a-z]+.*)", line)
            # The example of a slip is no filter on purpose.
            if found and " adn " not in line:
                yield document.name, found[1]


def words(line: str) -> list[str]:
    """The command's own, without comments and without what a shell makes of its input and output."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&<")
    lexer.whitespace_split = True
    return list(itertools.takewhile(lambda word: word not in ("|", "&&", "<"), lexer))


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_a_documented_command_has_these_options_and_its_names_and_filters_are_read(document: str, command: str) -> None:
    name, *arguments = words(command)
    group = typer.main.get_command(app)
    context = group.make_context("runstream", [name, *arguments])
    chosen = group.get_command(context, name)  # type: ignore[attr-defined]
    assert chosen is not None, f"{document}: there is no command {name}"
    given = chosen.make_context(name, list(arguments), parent=context).params
    for text in given.get("where") or ():
        parse_filter(text)
    for text in (given.get("sort"), given.get("by"), *(given.get("columns") or ())):
        parse_references(text or "")


def test_there_are_commands_in_every_document_that_is_about_them() -> None:
    assert {"README.md", "getting-started.md", "cli.md", "sql.md", "help.txt"} - {d for d, _ in commands()} <= {
        "sql.md"
    }
