"""What a worker says while it works, on standard error: lines for people, or JSON for whoever collects logs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from runstream_ingest import console
from runstream_ingest.loop import Loaded


class Reporter(Protocol):
    """Receives what happens."""

    def say(self, text: str, *, level: str = "info", **fields: Any) -> None:
        """Something for a person, with its parts for a program; level is info, warning or error."""


class TextReporter:
    """Lines for people."""

    def say(self, text: str, *, level: str = "info", **fields: Any) -> None:
        """The text alone."""
        console.say(text if level == "info" else f"{level}: {text}")


@dataclass
class JsonReporter:
    """One object a line: time, level, message, and the parts."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    write: Callable[[str], Any] = sys.stderr.write

    def say(self, text: str, *, level: str = "info", **fields: Any) -> None:
        """All of it. What JSON has no word for is written as text."""
        line = {"time": self.now().isoformat(), "level": level, "message": text, **fields}
        self.write(orjson.dumps(line, default=str).decode() + "\n")


def report_loaded(loaded: Loaded, reporter: Reporter) -> None:
    """Tell what was loaded and noticed; nothing when there was nothing."""
    for notice in loaded.notices:
        place = "/".join(filter(None, notice.partition))
        reporter.say(f"{place} {notice.text}", level="warning", kind=notice.kind, place=place)
    if loaded.messages or not loaded.notices:
        rate = loaded.points / loaded.seconds if loaded.seconds else 0.0
        reporter.say(
            f"loaded {loaded.messages:,} events with {loaded.points:,} points in {loaded.seconds:.1f} s"
            + (f" ({rate / 1e6:.1f} M points/s)" if loaded.points > 1_000_000 else ""),
            events=loaded.messages,
            points=loaded.points,
            bytes=loaded.bytes,
            batches=loaded.batches,
            seconds=round(loaded.seconds, 3),
        )
    if loaded.dead_letters:
        reporter.say(
            f"{loaded.dead_letters} events were refused; see `runstream-ingest deadletters list`",
            level="warning",
            dead_letters=loaded.dead_letters,
            dead_points=loaded.dead_points,
        )
