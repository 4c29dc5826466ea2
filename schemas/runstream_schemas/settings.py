"""Where things are: the settings shared by every part, declared once.

Each setting comes, in this order, from an argument, from the environment variable `RUNSTREAM_<NAME>`, from the TOML
file named by `RUNSTREAM_CONFIG` (default `runstream.toml` in the working directory), or from its default.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

CONFIG_FILE = "runstream.toml"

MIN_JOURNAL_BYTES = 4 * 1024 * 1024 + 24_576
"""Two chunks of the journal and its header: with fewer it could not go on while one is shipped."""

DESCRIPTIONS: Mapping[str, str] = {
    "dir": "Directory of everything local: log/, store/, artifacts/, journal/, spill/. Default: .runstream here.",
    "url": "The event log: file:/path of a log directory, or kafka://host:port[,…]. Default: log/ in the directory.",
    "store": "The store: chdb:/path, or http(s)://user:password@host:port/database. Default: store/ in the directory.",
    "artifacts": "Artifact root, any fsspec URL. Default: artifacts/ in the directory.",
    "mode": "online, or disabled: every call does nothing. Default: online.",
    "journal_bytes": "Size of a process's journal in bytes. Default: 67108864.",
    "fsync": "Force each batch in a log directory to the disk: auto (on network file systems), always, never.",
    "heartbeat_s": "Seconds between heartbeats. Default: 10.",
    "system_period_s": "Seconds between samples of system metrics, 0 for none. Default: 10.",
}
"""Every shared setting, with what it means."""


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the message names the setting, the value and the remedy."""


@dataclass(frozen=True)
class Settings:
    """The resolved settings. All URLs are absolute."""

    dir: Path
    url: str
    store: str
    artifacts: str
    mode: str
    journal_bytes: int
    fsync: str
    heartbeat_s: float
    system_period_s: float
    sources: Mapping[str, str]
    """Where each value came from: argument, environment, the file's name, or default."""

    @property
    def log_dir(self) -> Path | None:
        """The log directory, or None when the event log is a broker."""
        return Path(unquote(self.url.removeprefix("file:"))) if self.url.startswith("file:") else None

    @property
    def store_dir(self) -> Path | None:
        """The directory of the embedded store, or None when the store is a server."""
        return Path(unquote(self.store.removeprefix("chdb:"))) if self.store.startswith("chdb:") else None

    @property
    def journal_dir(self) -> Path:
        """Journals of this machine's processes, or pointers to them."""
        return self.dir / "journal"

    @property
    def spill_dir(self) -> Path:
        """Batches waiting for a broker."""
        return self.dir / "spill"

    @property
    def dead_letter_dir(self) -> Path:
        """Events that the store refuses."""
        return self.dir / "dead-letters"


def load(
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    **arguments: str | os.PathLike[str] | None,
) -> Settings:
    """Resolve the settings; `arguments` are those given in code or by flags, None meaning not given.

    Raises SettingsError for an unreadable file, an unknown name in it, or a value of the wrong shape.
    """
    base = cwd or Path.cwd()
    file_name = environ.get("RUNSTREAM_CONFIG") or str(base / CONFIG_FILE)
    from_file = _read_file(Path(file_name), required="RUNSTREAM_CONFIG" in environ)
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name in DESCRIPTIONS:
        variable = f"RUNSTREAM_{name.upper()}"
        argument = arguments.get(name)
        if argument is not None:
            values[name], sources[name] = os.fspath(argument), "argument"
        elif environ.get(variable):
            values[name], sources[name] = environ[variable], variable
        elif name in from_file:
            values[name], sources[name] = from_file[name], file_name
        else:
            sources[name] = "default"
    directory = (base / values.get("dir", ".runstream")).resolve()
    return Settings(
        dir=directory,
        url=_event_log(values.get("url"), directory, base),
        store=_store(values.get("store"), directory, base),
        artifacts=values.get("artifacts") or str(directory / "artifacts"),
        mode=_choice("mode", values, sources, ("online", "disabled")),
        journal_bytes=int(_number("journal_bytes", values, sources, default=64 * 1024 * 1024, least=MIN_JOURNAL_BYTES)),
        fsync=_choice("fsync", values, sources, ("auto", "always", "never")),
        heartbeat_s=_number("heartbeat_s", values, sources, default=10.0, least=0.1),
        system_period_s=_number("system_period_s", values, sources, default=10.0, least=0.0),
        sources=sources,
    )


def without_password(url: str) -> str:
    """The URL as it may be printed: three asterisks for the password, which may itself hold `/` and `@`."""
    return re.sub(r"(?<=://)([^/@:\s]*):\S*@", r"\1:***@", url)


def _read_file(path: Path, *, required: bool) -> dict[str, str]:
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if required:
            raise SettingsError(f"RUNSTREAM_CONFIG names {path}, which does not exist") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    unknown = sorted(name for name in content if name not in DESCRIPTIONS and not isinstance(content[name], dict))
    if unknown:
        raise SettingsError(f"{path} has unknown settings {', '.join(unknown)}; known are {', '.join(DESCRIPTIONS)}")
    wrong = sorted(name for name in DESCRIPTIONS if not isinstance(content.get(name, ""), str | int | float))
    if wrong:
        raise SettingsError(f"{path}: {', '.join(wrong)} must be text or a number")
    return {name: str(value) for name, value in content.items() if name in DESCRIPTIONS}


def _choice(name: str, values: Mapping[str, str], sources: Mapping[str, str], allowed: tuple[str, ...]) -> str:
    value = values.get(name, allowed[0])
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r} (from {sources[name]}); use {', '.join(allowed)}")
    return value


def _number(name: str, values: Mapping[str, str], sources: Mapping[str, str], *, default: float, least: float) -> float:
    text = values.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise SettingsError(f"{name} is {text!r} (from {sources[name]}); use a number of at least {least:.10g}")
    return value


def _event_log(value: str | None, directory: Path, base: Path) -> str:
    if value is None:
        return f"file:{quote(str(directory / 'log'))}"
    if value.startswith("file:"):
        return f"file:{quote(str(_local_path(value, 'file:', base)))}"
    if value.startswith("kafka://") and urlsplit(value).netloc:
        return value
    raise SettingsError(f"url is {without_password(value)!r}; use file:/path or kafka://host:port[,host:port]")


def _store(value: str | None, directory: Path, base: Path) -> str:
    if value is None:
        return f"chdb:{quote(str(directory / 'store'))}"
    if value.startswith("chdb:"):
        return f"chdb:{quote(str(_local_path(value, 'chdb:', base)))}"
    if value.startswith(("http://", "https://")) and urlsplit(value).hostname:
        return value
    raise SettingsError(
        f"store is {without_password(value)!r}; use chdb:/path or http(s)://user:password@host:port/database"
    )


def _local_path(value: str, scheme: str, base: Path) -> Path:
    text = unquote(value.removeprefix(scheme))
    if text.startswith("//"):
        text = "/" + text.lstrip("/")
    return (base / text).resolve()
