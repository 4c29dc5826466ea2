"""The status event: state and the sender's own counters, the left-hand side of the ledger. Pure."""

from __future__ import annotations

from runstream_schemas.avro import current

from .batches import Message
from .journal.ring import Ring, Shipment

LOST = "lost"
"""State that whoever recovers a journal writes for a process that died without a word."""


def status_message(ring: Ring, last: Shipment, *, time: int, state: str, error: str, final: bool) -> Message:
    """A status of the attempt as of the shipment `last`, the newest that was cut.

    `final` says that the counters will not change any more: everything logged is cut.
    """
    dropped = ring.dropped
    record = {
        "run_id": str(ring.run_id),
        "rank": ring.rank,
        "attempt": ring.attempt,
        "time": time,
        "state": state,
        "final": final,
        "last_step": last.last_step,
        "error": error,
        "logged": last.queued + sum(dropped.values()),
        "queued": last.queued,
        "dropped": dropped,
        "last_seq": last.next_seq - 1,
        "crash_safe": ring.path is not None,
    }
    return Message("status", current("status").encode_datum(record))
