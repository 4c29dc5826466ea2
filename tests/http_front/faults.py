"""Faults that a test plants for coming INSERTs, and the list of the INSERTs that came."""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What is to happen to one INSERT."""

    kind: str
    """refuse (an exception), page (of a proxy), redirect (to the same place), reset (the connection), hang (never
    answer), hold (read nothing until released), late (an exception after the status), cut (an answer breaks off)."""
    after_write: bool = False
    """The INSERT is run first."""
    code: int = 0
    """Of the exception, or the status of the page."""
    text: str = ""
    """Of the exception."""
    table: str = "^landing_"
    """Pattern of the tables that it is meant for."""


@dataclass
class Seen:
    """An INSERT that came."""

    table: str
    digest: str
    """Of its data; of an Avro file without its random sync marker, so that equal batches have equal digests."""
    bytes: int
    settings: dict[str, str]
    encoding: str
    connection: str
    """The client's port."""
    outcome: str


@dataclass
class Plan:
    """What a test planted and what came of it; used by many threads."""

    readonly: int = 0
    """Every request runs as a user who may only read would run it."""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    holding: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    release: threading.Event = field(default_factory=threading.Event)

    def clear(self) -> None:
        """Forget everything, and let go of whoever is held."""
        with self.changed:
            self.readonly = 0
            self.faults.clear()
            self.seen.clear()
            self.release.set()
            self.release = threading.Event()

    def plant(self, fault: Fault, times: int) -> None:
        with self.changed:
            self.faults += [fault] * times

    def take(self, table: str) -> Fault | None:
        """The fault for an INSERT that has just come."""
        with self.changed:
            for index, fault in enumerate(self.faults):
                if re.search(fault.table, table):
                    return self.faults.pop(index)
        return None

    def note(self, seen: Seen) -> None:
        with self.changed:
            self.seen.append(seen)
            self.changed.notify_all()

    def hold(self, timeout_s: float) -> None:
        """Wait until the test releases what is held."""
        with self.changed:
            release = self.release
            self.holding += 1
            self.changed.notify_all()
        release.wait(timeout_s)
        with self.changed:
            self.holding -= 1

    def report(self, inserts: int, holding: int, timeout_s: float) -> dict[str, Any]:
        """What came, once at least so many INSERTs did and so many are held."""

        def enough() -> bool:
            return len(self.seen) >= inserts and self.holding >= holding

        with self.changed:
            self.changed.wait_for(enough, timeout_s)
            return {"enough": enough(), "seen": [asdict(seen) for seen in self.seen], "planted": len(self.faults)}
