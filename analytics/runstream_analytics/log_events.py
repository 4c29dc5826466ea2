"""Events that the command line itself adds to the event log."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from runstream.batches import Message
from runstream.transport.base import TransportDown
from runstream.transport.log_directory import LogDirectory
from runstream_analytics.errors import UserError
from runstream_schemas.avro import current
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.limits import DELETED_TAG
from runstream_schemas.settings import Settings


def writable_log(settings: Settings) -> Path:
    """The log directory. Raises UserError when the event log is something that cannot be written from here."""
    if settings.log_dir is None:
        raise UserError(f"cannot write to the event log {settings.url.split('://', maxsplit=1)[0]}: use file:/path")
    return settings.log_dir


def append_event(settings: Settings, event: str, record: dict[str, object], attempt: int) -> None:
    """Add one event to the log directory as a segment of its own. Raises UserError."""
    log = writable_log(settings)
    run_id, rank = UUID(str(record["run_id"])), int(str(record["rank"]))
    transport = LogDirectory(log, run_id=run_id, rank=rank, attempt=attempt, fsync=True)
    try:
        transport.send(0, [Message(event, current(event).encode_datum(record))])
    except TransportDown as error:
        raise UserError(str(error), ExitCode.INCOMPLETE) from error
    finally:
        transport.close()


def deletion(run_id: UUID, until: int, moment: int) -> dict[str, object]:
    """The tag event that deletes the attempts of a run that began at or before `until`; both in microseconds."""
    return {
        "run_id": str(run_id),
        "rank": 0,
        "attempt": moment,
        "time": moment,
        "key": DELETED_TAG,
        "value": str(until),
    }
