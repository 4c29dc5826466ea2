"""Checks of what was logged: what was left behind, what was refused, the store, the clocks of the runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from runstream.artifacts.staging import pending
from runstream.journal.place import find_journals
from runstream.journal.ring import InUse, NotAJournal, Ring
from runstream.sync import left_elsewhere
from runstream.transport.spill import NotASpill, Spill, SpillInUse, find_spills, segments
from runstream_analytics.checks.check import Check, fail, ok, warn
from runstream_analytics.errors import NothingHere, UserError
from runstream_analytics.reader import Listener, Reader, open_reader
from runstream_analytics.render import text
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import Settings, without_password
from runstream_schemas.tables import migrations

AHEAD_S: Final = 60
"""The newest event may be so far ahead of this clock before the two clocks count as different."""


def check_journals(settings: Settings) -> Check:
    """Journals of processes that are gone."""
    alive, gone, foreign = 0, len(left_elsewhere(settings)), 0
    for path in find_journals(settings.journal_dir):
        try:
            Ring.recover(path).close(remove=False)
        except InUse:
            alive += 1
        except (NotAJournal, OSError):
            foreign += 1
        else:
            gone += 1
    detail = f"{alive} in use, {gone} left behind" + (f", {foreign} unreadable" if foreign else "")
    return warn("journals", detail, "runstream sync") if gone or foreign else ok("journals", detail)


def check_staging(settings: Settings) -> Check:
    """Artifacts that wait to be uploaded."""
    try:
        waiting = len(pending(settings.dir / "staging"))
    except OSError as error:
        return warn("staging", f"cannot be read: {error.strerror}", "look at the rights of staging/ in the directory")
    detail = f"{waiting} artifacts wait"
    return warn("staging", detail, "runstream sync, once no run is at it") if waiting else ok("staging", detail)


def check_spill(settings: Settings) -> Check:
    """Batches that wait for a broker."""
    alive, gone, files = 0, 0, 0
    for directory in find_spills(settings.spill_dir):
        held = sum(1 for _ in segments(directory))
        files += held
        try:
            if not held:
                continue
            Spill.recover(directory).leave_to_parent()
        except NotASpill:
            continue
        except SpillInUse:
            alive += 1
        except OSError as error:
            return warn("spill", f"{directory}: {error.strerror or error}", "look at the rights of spill/")
        else:
            gone += 1
    detail = f"{alive} in use, {gone} left behind, {text.counted(files, 'file')}"
    if gone:
        return warn("spill", detail, "runstream sync, once the broker is back")
    if alive:
        return warn("spill", detail, "see that the broker is up: the runs that go on send it themselves")
    return ok("spill", "nothing waits for the broker")


def check_topics(settings: Settings) -> Check:
    """Whether the broker is reached, and events can be written to its topics."""
    from runstream_ingest.sources.source import LogFailed
    from runstream_ingest.topics import TopicAdmin

    try:
        TopicAdmin(settings.url, settings.kafka).check()
    except LogFailed as error:
        return fail("topics", str(error), "runstream topics create, once the broker is reached")
    return ok("topics", f"all are at {settings.url}")


def check_dead_letters(settings: Settings) -> Check:
    """Events that the store refused."""
    from runstream_ingest.dead_letters import dead_letters_of
    from runstream_ingest.sources.source import LogFailed

    try:
        refused = sum(1 for _ in dead_letters_of(settings).letters())
    except LogFailed as error:
        return warn("dead letters", str(error), "do what that asks for; if nothing answers, mend the topics first")
    detail = f"{refused} events"
    if refused:
        return warn("dead letters", detail, "runstream-ingest deadletters list shows why; replay sends them again")
    return ok("dead letters", detail)


def check_store(settings: Settings, listener: Listener, now_us: int) -> Iterator[Check]:
    """Whether the store opens, its version, and what it knows of clocks."""
    where = without_password(settings.store)
    began = time.monotonic()
    try:
        with open_reader(settings, listener, load=False) as reader:
            took = time.monotonic() - began
            version, runs = reader.rows("SELECT (SELECT max(number) FROM schema_version), (SELECT count() FROM runs)")[
                0
            ]
            newest = max(migration.number for migration in migrations())
            yield ok(
                "store", f"{where}: version {version} of {newest}, {text.counted(runs, 'run')}, opened in {took:.2f} s"
            )
            yield check_newest(reader, now_us)
            yield check_attempts(reader)
    except NothingHere:
        yield ok("store", f"{where}: not there yet, the first command that reads makes it")
    except UserError as error:
        busy = error.exit_code == ExitCode.STORE_BUSY
        yield fail("store", str(error), "wait for it, or stop that process" if busy else "see the message")


def check_newest(reader: Reader, now_us: int) -> Check:
    """An event from the future tells of a clock that is ahead, or of one here that is behind."""
    newest = reader.rows("SELECT max(toUnixTimestamp64Micro(updated)) FROM runs")[0][0] or 0
    ahead_s = (newest - now_us) / 1e6
    if ahead_s > AHEAD_S:
        return warn(
            "clocks", f"the newest event is {ahead_s:.0f} s ahead of this clock", "set the clocks of all hosts (NTP)"
        )
    return ok("clocks", "no event is ahead of this clock")


def check_attempts(reader: Reader) -> Check:
    """Attempts that broke what init was told, or whose clock was behind the earlier attempt's."""
    rows = reader.rows(
        "SELECT run_id, rank, number, breach FROM attempts WHERE breach != '' AND NOT deleted "
        "ORDER BY attempt DESC LIMIT 3"
    )
    if not rows:
        return ok("attempts", "none is in conflict with an earlier one")
    found = "; ".join(f"{run_id} rank {rank} attempt {number}: {breach}" for run_id, rank, number, breach in rows)
    return warn("attempts", found, "set the clocks of all hosts (NTP), and see the view attempts for all of them")
