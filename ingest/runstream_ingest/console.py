"""What the commands of `runstream-ingest` share: options, messages, and errors as exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import orjson
import typer
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console

from runstream_ingest.deliver import FatalStoreError
from runstream_ingest.lock import StoreBusy
from runstream_ingest.poison import Poisoned
from runstream_ingest.sources.source import LogFailed
from runstream_ingest.store import StoreFailed
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import DESCRIPTIONS, Settings, SettingsError, load

out = Console()
err = Console(stderr=True)

DirOption = Annotated[str | None, typer.Option("--dir", metavar="DIR", help=DESCRIPTIONS["dir"])]
UrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help=DESCRIPTIONS["url"])]
StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help=DESCRIPTIONS["store"])]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


def settings(dir: str | None = None, url: str | None = None, store: str | None = None) -> Settings:
    """The settings, or the end of the program with a message when they cannot be used."""
    try:
        return load(environ=os.environ, cwd=None, dir=dir, url=url, store=store)
    except SettingsError as error:
        fail(str(error), ExitCode.USAGE)


def say(text: str) -> None:
    """A message for people, on standard error."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """A value for scripts, on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def fail(text: str, code: ExitCode) -> NoReturn:
    """End the program with a message and a documented exit status."""
    say(f"error: {text}")
    raise typer.Exit(code)


def on_wait(pid: int | None) -> None:
    """Say that another process holds the store."""
    say(f"waiting for the store, held by {f'process {pid}' if pid else 'another process'}")


@contextmanager
def store_errors(tell: Callable[[str], None] = lambda text: say(f"error: {text}")) -> Iterator[None]:
    """Turn what can go wrong with the store and the log into messages and exit codes."""
    try:
        yield
    except StoreBusy as error:
        text, code = str(error), ExitCode.STORE_BUSY
    except Poisoned as error:
        text, code = str(error), ExitCode.POISONED
    except LogFailed as error:
        text, code = str(error), ExitCode.LOG_FAILED
    except (StoreFailed, FatalStoreError, ClickHouseError) as error:
        text, code = str(error), ExitCode.STORE_FAILED
    except OSError as error:
        text, code = f"{error.filename or 'disk'}: {error.strerror or error}", ExitCode.STORE_FAILED
    else:
        return
    tell(text)
    raise typer.Exit(code)
