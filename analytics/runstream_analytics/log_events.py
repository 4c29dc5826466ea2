"""Events that the command line itself adds to the event log."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from runstream.batches import Message
from runstream.transport.base import TransportDown
from runstream.transport.broker import Broker, Offer
from runstream.transport.connection import MISSING_TOPIC_MS, Unusable
from runstream.transport.log_directory import LogDirectory
from runstream_analytics.errors import UserError
from runstream_schemas.avro import current
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.limits import DELETED_TAG
from runstream_schemas.settings import Settings

ANSWER_S: Final = MISSING_TOPIC_MS / 1000 + 2.0
"""How long the broker may take for one event: about as long as its restart, and longer than the client waits for a
topic, so that one that is missing is told from a broker that is away."""


def append_event(settings: Settings, event: str, record: dict[str, object], attempt: int) -> None:
    """Add one event to the event log, and wait until it is there. Raises UserError."""
    message = Message(event, current(event).encode_datum(record))
    run_id, rank = UUID(str(record["run_id"])), int(str(record["rank"]))
    if settings.log_dir is None:
        _send(Broker(settings.url, settings.kafka, run_id, rank), message)
        return
    # A segment of its own: nobody else writes to it.
    transport = LogDirectory(settings.log_dir, run_id=run_id, rank=rank, attempt=attempt, fsync=True)
    try:
        transport.send(0, [message])
    except TransportDown as error:
        raise UserError(str(error), ExitCode.INCOMPLETE) from error
    finally:
        transport.close()


def _send(broker: Broker, message: Message) -> None:
    offer = Offer(message.event, current(message.event).header, message.datum, None)
    try:
        broker.offer(offer)
        reports = broker.reports(ANSWER_S)
    except Unusable as error:
        raise UserError(str(error), ExitCode.LOG_FAILED) from error
    if not reports or reports[0].error is not None:
        said = reports[0].error if reports else broker.trouble
        raise UserError(broker.complaint(said, message.event), ExitCode.LOG_FAILED)


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
