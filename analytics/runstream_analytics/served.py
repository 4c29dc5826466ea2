"""A running `runstream serve` of the store, asked instead of opening a store that it holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.request import ProxyHandler, Request, build_opener

from runstream_schemas.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from runstream_ingest.announcement import Announcement

ANSWER_S: Final = 5.0
"""A server that says nothing within it is hung: then the store's lock tells who holds it."""

FRESH_S: Final = 60.0
"""Twice as long as the server itself waits for its loading."""


@dataclass(frozen=True)
class Served:
    """A process that answers for the store."""

    announcement: Announcement

    def connect(self) -> Client:
        """Opens a client; the caller closes it. Raises CannotConnect."""
        from runstream_ingest import connect

        return connect.server(self.announcement.store_url(connect.DATABASE))()

    def await_load(self) -> None:
        """Return once everything is loaded that is in its log now; when that takes too long, sooner."""
        from runstream_ingest.announcement import FRESH_PATH

        with suppress(OSError):
            _get(self.announcement, FRESH_PATH, FRESH_S)


def find_served(settings: Settings) -> Served | None:
    """The process that serves the store of the settings, if there is one and it answers."""
    from runstream_ingest.announcement import serving

    found = serving(settings.store_dir) if settings.store_dir else None
    if found is None:
        return None
    try:
        _get(found, "/ping", ANSWER_S)
    except OSError:
        return None
    return Served(found)


def _get(announcement: Announcement, path: str, timeout_s: float) -> None:
    # It is on this machine, whatever proxy the environment names.
    request = Request(announcement.url + path, headers={"X-ClickHouse-Key": announcement.token})
    with build_opener(ProxyHandler({})).open(request, timeout=timeout_s) as answer:
        answer.read()
