"""Ships what processes left behind: journals of killed ones, and their spill.

Artifacts in staging are completed beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from runstream_schemas.settings import Settings

from .courier import FIRST_RETRY_S, Courier, deliver_all
from .journal import layout
from .journal.place import find_elsewhere, find_journals, remove_pointer
from .journal.ring import InUse, NotAJournal, Ring
from .status import LOST, status_message
from .transport.broker import Broker
from .transport.kafka import KafkaTransport
from .transport.open import open_transport, towards
from .transport.spill import NotASpill, Spill, SpillInUse, find_spills, identity_of, segments


@dataclass(frozen=True)
class Recovered:
    """What became of one journal, or of one spill."""

    path: Path
    run_id: str
    rank: int
    attempt: int
    points: int
    """Of a journal: points of the attempt, those delivered earlier included. Of a spill: points in it."""
    outcome: str
    """shipped, spilled (the broker did not take it, so it waits as a spill now), in use, not a journal, or failed."""
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


def sync_spills(
    settings: Settings, *, timeout_s: float = 60.0, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Recovered]:
    """Ship every spill whose process is gone, one after the other, each within `timeout_s`. Raises nothing."""
    for directory in find_spills(settings.spill_dir):
        try:
            spill = Spill.recover(directory)
        except NotASpill:
            continue  # somebody else's
        except SpillInUse as error:
            if any(segments(directory)):
                yield _spill_outcome(directory, 0, "in use", str(error))
        except OSError as error:
            yield _spill_outcome(directory, 0, "failed", f"cannot be locked: {error.strerror or error}")
        else:
            found = _ship_spill(spill, settings, monotonic() + timeout_s, monotonic)
            if found is not None:
                yield found


def spilled_attempts(settings: Settings) -> set[tuple[UUID, int, int]]:
    """Run, rank and attempt of every spill here that holds something, of a living process or not."""
    found = set()
    for directory in find_spills(settings.spill_dir):
        try:
            identity = identity_of(directory)
        except NotASpill:
            continue
        if any(segments(directory)):
            found.add(identity)
    return found


def left_elsewhere(settings: Settings) -> list[Path]:
    """The journals of processes that are gone which lie elsewhere, and which `sync_journals` would ship as well."""
    left = []
    for ring in _elsewhere(settings.url, find_journals(settings.journal_dir)):
        assert ring.path is not None, "it was found by its path"
        left.append(ring.path)
        ring.close(remove=False)
    return left


def anything_waits(settings: Settings) -> bool:
    """Whether something that was logged may be in a journal or a spill here, of a living process or not."""
    return bool(find_journals(settings.journal_dir) or left_elsewhere(settings) or spilled_attempts(settings))


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
    shipped = spilled = False
    try:
        transport = open_transport(towards(settings, ring.info), ring, pressed=_never, warn=note)
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
        trouble = courier.trouble or trouble
        spilled = courier.backlog is not None
        courier.close()
    except Exception as error:
        trouble = f"{error!r:.300}"
    ring.close(remove=shipped)
    if not shipped:
        return Recovered(path, *identity, queued, "failed", trouble)
    remove_pointer(settings.journal_dir, path)
    return Recovered(path, *identity, queued, *(("spilled", trouble) if spilled else ("shipped", "")))


def _ship_spill(spill: Spill, settings: Settings, deadline: float, monotonic: Callable[[], float]) -> Recovered | None:
    """None when there was nothing in it."""
    trouble = ""

    def note(_: str, message: str) -> None:
        nonlocal trouble
        trouble = message

    points, anything = spill.count(), bool(spill)
    try:
        target = towards(settings, spill.info)
        broker = Broker(target.url, target.kafka, spill.run_id, spill.rank)
        transport = KafkaTransport(broker, spill, pressed=_never, warn=note)
        while transport.backlog is not None and monotonic() < deadline:
            transport.acknowledged(FIRST_RETRY_S)
        trouble = transport.trouble or trouble
    except Exception as error:
        trouble = f"{error!r:.300}"
    shipped = not spill
    spill.close()
    if not anything:
        return None
    return _spill_outcome(spill.directory, points, "shipped" if shipped else "failed", "" if shipped else trouble)


def _spill_outcome(directory: Path, points: int, outcome: str, error: str) -> Recovered:
    run_id, rank, attempt = identity_of(directory)
    return Recovered(directory, str(run_id), rank, attempt, points, outcome, error)


def _never() -> bool:
    """Whoever ships a journal of the past has time: it does not fill up."""
    return False
