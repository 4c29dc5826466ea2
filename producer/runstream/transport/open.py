"""From the settings of an event log to its transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from runstream_schemas.settings import Settings

from ..journal.place import is_network
from ..journal.ring import Ring
from .base import Transport
from .broker import Broker
from .kafka import KafkaTransport
from .log_directory import LogDirectory
from .spill import Spill


def destination(settings: Settings) -> dict[str, Any]:
    """What whoever ships later has to know of where to: no credentials, they are those of whoever ships."""
    return {"url": settings.url, "fsync": settings.fsync, "topic_prefix": settings.kafka.topic_prefix}


def towards(settings: Settings, info: dict[str, Any]) -> Settings:
    """The settings with the destination that was written down."""
    kafka = replace(settings.kafka, topic_prefix=info.get("topic_prefix", settings.kafka.topic_prefix))
    return replace(settings, url=info.get("url", settings.url), fsync=info.get("fsync", settings.fsync), kafka=kafka)


def open_transport(
    settings: Settings, ring: Ring, *, pressed: Callable[[], bool], warn: Callable[[str, str], None]
) -> Transport:
    """The transport for the attempt whose journal `ring` is. Connects to nothing yet.

    `pressed` and `warn` are those of KafkaTransport.
    """
    if settings.log_dir is not None:
        force = forces(settings, settings.log_dir)
        return LogDirectory(settings.log_dir, run_id=ring.run_id, rank=ring.rank, attempt=ring.attempt, fsync=force)
    directory = settings.spill_dir / f"{ring.run_id}.{ring.rank}.{ring.attempt}"
    spill = Spill(directory, info=destination(settings), fsync=forces(settings, settings.spill_dir))
    return KafkaTransport(
        Broker(settings.url, settings.kafka, ring.run_id, ring.rank), spill, pressed=pressed, warn=warn
    )


def forces(settings: Settings, directory: Path) -> bool:
    """Whether what is written below a directory is forced to the disk."""
    return settings.fsync == "always" or (settings.fsync == "auto" and is_network(directory))
