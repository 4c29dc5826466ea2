"""Where things are: the settings shared by every part, declared once.

Each setting comes, in this order, from an argument, from the environment variable `RUNSTREAM_<NAME>`, from the TOML
file named by `RUNSTREAM_CONFIG` (default `runstream.toml` in the working directory), or from its default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from . import kafka
from .kafka import KafkaSettings, kafka_settings
from .setting_values import CONFIG_FILE, SettingsError, file_of, resolve, texts

__all__ = ["CONFIG_FILE", "DESCRIPTIONS", "Settings", "SettingsError", "load", "without_password"]

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
    "store_ca": "File with the certificate (PEM) that signed the store's, for https. Default: those of the system.",
    "store_cluster": "Name of the ClickHouse cluster that the store is spread over. Default: none, one server.",
    "store_shards": "File with the shard of each of 1,024 buckets of runs. Default: evenly over the cluster's shards.",
    **kafka.DESCRIPTIONS,
}
"""Every shared setting, with what it means."""


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
    store_ca: str = ""
    store_cluster: str = ""
    store_shards: str = ""
    kafka: KafkaSettings = field(default_factory=KafkaSettings)

    def shown(self, name: str) -> str:
        """The value of a setting as it may be printed: without passwords."""
        return self.kafka.shown(name) if name in kafka.DESCRIPTIONS else without_password(str(getattr(self, name)))

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
    file_name, content = file_of(environ, base)
    values = resolve(
        DESCRIPTIONS,
        prefix="RUNSTREAM_",
        environ=environ,
        file_name=file_name,
        from_file=texts(file_name, content, DESCRIPTIONS),
        arguments=arguments,
    )
    directory = (base / values.text("dir", ".runstream")).resolve()
    return Settings(
        dir=directory,
        url=_event_log(values.given.get("url"), directory, base),
        store=_store(values.given.get("store"), directory, base),
        artifacts=values.text("artifacts") or str(directory / "artifacts"),
        mode=values.choice("mode", ("online", "disabled")),
        journal_bytes=int(values.number("journal_bytes", default=64 * 1024 * 1024, least=MIN_JOURNAL_BYTES)),
        fsync=values.choice("fsync", ("auto", "always", "never")),
        heartbeat_s=values.number("heartbeat_s", default=10.0, least=0.1),
        system_period_s=values.number("system_period_s", default=10.0, least=0.0),
        sources=values.sources,
        store_ca=values.text("store_ca"),
        store_cluster=values.text("store_cluster"),
        store_shards=str((base / values.text("store_shards")).resolve()) if values.text("store_shards") else "",
        kafka=kafka_settings(values),
    )


def without_password(url: str) -> str:
    """The URL as it may be printed: three asterisks for the password, which may itself hold `/` and `@`."""
    return re.sub(r"(?<=://)([^/@:\s]*):\S*@", r"\1:***@", url)


def _event_log(value: str | None, directory: Path, base: Path) -> str:
    if value is None:
        return f"file:{quote(str(directory / 'log'))}"
    if value.startswith("file:"):
        return f"file:{quote(str(_local_path(value, 'file:', base)))}"
    if value.startswith("kafka://"):
        kafka.check_url(value)
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
