"""Where the value of a setting comes from: an argument, the environment, the TOML file, or the default."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG_FILE = "runstream.toml"

TABLES = ("ingest",)
"""Tables of the settings file: each part that has settings of its own reads its one."""


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names the setting, the value and the remedy."""


@dataclass(frozen=True)
class Values:
    """What was given for a group of settings, as text, and where each came from."""

    given: Mapping[str, str]
    sources: Mapping[str, str]
    """For every setting of the group: argument, the environment variable, the file's name, or default."""

    def text(self, name: str, default: str = "") -> str:
        """The value as it was given."""
        return self.given.get(name, default)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of the allowed values, the first when none was given. Raises SettingsError."""
        value = self.given.get(name, allowed[0])
        if value not in allowed:
            raise SettingsError(f"{name} is {value!r} (from {self.sources[name]}); use {', '.join(allowed)}")
        return value

    def number(self, name: str, *, default: float, least: float) -> float:
        """A finite number of at least `least`. Raises SettingsError."""
        text = self.given.get(name)
        if text is None:
            return default
        value = _number(text)
        if not least <= value < math.inf:
            raise SettingsError(
                f"{name} is {text!r} (from {self.sources[name]}); use a number of at least {least:.10g}"
            )
        return value

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`. Raises SettingsError."""
        text = self.given.get(name)
        if text is None:
            return default
        value = _number(text)
        if not (least <= value <= most and value.is_integer()):
            raise SettingsError(
                f"{name} is {text!r} (from {self.sources[name]}); use a whole number from {least} to {most}"
            )
        return int(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def resolve(
    names: Mapping[str, str],
    *,
    prefix: str,
    environ: Mapping[str, str],
    file_name: str,
    from_file: Mapping[str, str],
    arguments: Mapping[str, str | os.PathLike[str] | None],
) -> Values:
    """The values of a group of settings; an argument that is None was not given."""
    given: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name in names:
        variable = f"{prefix}{name.upper()}"
        argument = arguments.get(name)
        if argument is not None:
            given[name], sources[name] = os.fspath(argument), "argument"
        elif environ.get(variable):
            given[name], sources[name] = environ[variable], variable
        elif name in from_file:
            given[name], sources[name] = from_file[name], file_name
        else:
            sources[name] = "default"
    return Values(given, sources)


def file_of(environ: Mapping[str, str], base: Path) -> tuple[str, dict[str, Any]]:
    """Name and content of the settings file; empty when there is none. Raises SettingsError when it cannot be read."""
    name = environ.get("RUNSTREAM_CONFIG") or str(base / CONFIG_FILE)
    try:
        return name, tomllib.loads(Path(name).read_text())
    except FileNotFoundError:
        if "RUNSTREAM_CONFIG" in environ:
            raise SettingsError(f"RUNSTREAM_CONFIG names {name}, which does not exist") from None
        return name, {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {name}: {error}") from error


def texts(file_name: str, table: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """The values of a table of the settings file as text; those of TABLES within it belong to others.

    Raises SettingsError for an unknown name or a value that is neither text nor a number.
    """
    unknown = sorted(name for name in table if name not in known and name not in TABLES)
    if unknown:
        raise SettingsError(f"{file_name} has unknown settings {', '.join(unknown)}; known are {', '.join(known)}")
    wrong = sorted(name for name in known if not isinstance(table.get(name, ""), str | int | float))
    if wrong:
        raise SettingsError(f"{file_name}: {', '.join(wrong)} must be text or a number")
    return {name: str(value) for name, value in table.items() if name in known}
