"""Options that several commands share, and the settings that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runstream_analytics.errors import UserError
from runstream_schemas.settings import DESCRIPTIONS, Settings, SettingsError, load

DirOption = Annotated[Path | None, typer.Option("--dir", metavar="PATH", help=DESCRIPTIONS["dir"])]
UrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help=DESCRIPTIONS["url"])]
ArtifactsOption = Annotated[str | None, typer.Option("--artifacts", metavar="URL", help=DESCRIPTIONS["artifacts"])]
StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help=DESCRIPTIONS["store"])]
NamedRuns = Annotated[
    list[str], typer.Argument(metavar="RUN…", help="Full id, its last 6 or more characters, or name.")
]
ReverseOption = Annotated[bool, typer.Option("--reverse", "-r", help="The worst first instead of the best.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a list of JSON objects for a script.")]
ExperimentOption = Annotated[
    str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Only runs of this experiment.")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="STATE", help="Only runs in this state: running, finished, failed, killed, lost."),
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", metavar="KEY[=VALUE]", help="Only runs with this tag; may be repeated.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", "-w", metavar="FILTER", help="Only runs that this filter lets through, such as 'lr > 0.01'."
    ),
]


def settings_from(directory: Path | None, url: str | None, store: str | None, artifacts: str | None = None) -> Settings:
    """The settings with these flags on top. Raises UserError."""
    try:
        return load(dir=directory, url=url, store=store, artifacts=artifacts)
    except SettingsError as error:
        raise UserError(str(error)) from error
