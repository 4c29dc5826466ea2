"""Ships what processes left behind: journals of killed ones. Artifacts in staging are completed beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from runstream_schemas.settings import Settings

from .journal import layout
from .journal.place import find_elsewhere, find_journals, remove_pointer
from .journal.ring import InUse, NotAJournal, Ring
from .shipper import Courier, deliver_all
from .status import LOST, status_message
from .transport.open import open_transport


@dataclass(frozen=True)
class Recovered:
    """What became of one journal."""

    path: Path
    run_id: str
    rank: int
    attempt: int
    points: int
    """Points of the attempt, those delivered earlier included."""
    outcome: str
    """shipped, in use, not a journal, or failed."""
    error: str


def sync_journals(
    settings: Settings, *, timeout_s: float = 60.0, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Recovered]:
    """Ship every journal in the directory whose process is gone, one after the other. Raises nothing.

    Each gets `timeout_s` to reach the event log. What is shipped twice, because a process died between sending and
    noting it, has the same identity and the same content. Of journals elsewhere, to which the directory has no pointer
    because it could not be written, those for the same event log are shipped.
    """
    here = find_journals(settings.journal_dir)
    for path in here:
        try:
            ring = Ring.recover(path)
        except InUse as error:
            yield Recovered(path, "", 0, 0, 0, "in use", str(error))
        except (NotAJournal, OSError) as error:
            yield Recovered(path, "", 0, 0, 0, "not a journal", str(error))
        else:
            yield _ship(ring, settings, monotonic() + timeout_s, monotonic)
    for found in _elsewhere(settings.url, here):
        yield _ship(found, settings, monotonic() + timeout_s, monotonic)


def left_elsewhere(settings: Settings) -> list[Path]:
    """The journals of processes that are gone which lie elsewhere, and which `sync_journals` would ship as well."""
    left = []
    for ring in _elsewhere(settings.url, find_journals(settings.journal_dir)):
        assert ring.path is not None, "it was found by its path"
        left.append(ring.path)
        ring.close(remove=False)
    return left


def any_journal(settings: Settings) -> bool:
    """Whether something that was logged may still be in a journal of this machine, of a living process or not."""
    return bool(find_journals(settings.journal_dir) or left_elsewhere(settings))


def _elsewhere(url: str, here: Collection[Path]) -> Iterator[Ring]:
    """Journals without a pointer that are to be shipped to this event log, each to be closed by whoever gets it."""
    for path in find_elsewhere():
        if path not in here and (ring := _meant_for(url, path)) is not None:
            yield ring


def _meant_for(url: str, path: Path) -> Ring | None:
    """The journal, if its process is gone and it is to be shipped to that event log."""
    try:
        ring = Ring.recover(path)
    except (InUse, NotAJournal, OSError):
        return None
    try:
        if ring.info.get("url") == url:
            return ring
    except ValueError:
        pass  # damaged, and nobody's
    ring.close(remove=False)
    return None


def _ship(ring: Ring, settings: Settings, deadline: float, monotonic: Callable[[], float]) -> Recovered:
    path = ring.path
    assert path is not None, "recovered rings lie in files"
    trouble = ""

    def note(_: str, message: str) -> None:
        nonlocal trouble
        trouble = message

    identity = (str(ring.run_id), ring.rank, ring.attempt)
    queued = 0
    shipped = False
    try:
        info = ring.info
        transport = open_transport(info.get("url", settings.url), ring, fsync=info.get("fsync", settings.fsync))
        courier = Courier(ring, transport, warn=note)
        shipped = deliver_all(courier, give_up=lambda: monotonic() > deadline)
        queued = courier.last.queued
        if shipped:
            state, error = ring.end
            if state == "running":
                state, error = LOST, "the process ended without a word"
            # The same journal always gives the same event: later than whatever its process may have sent.
            moment = max(ring.attempt, courier.last.last_time, ring.word(layout.AT_STATUS_TIME)) + 1
            courier.send_status(status_message(ring, courier.last, time=moment, state=state, error=error, final=True))
            shipped = deliver_all(courier, give_up=lambda: monotonic() > deadline)
        courier.close()
    except Exception as error:
        trouble = f"{error!r:.300}"
    ring.close(remove=shipped)
    if shipped:
        remove_pointer(settings.journal_dir, path)
        return Recovered(path, *identity, queued, "shipped", "")
    return Recovered(path, *identity, queued, "failed", trouble)
