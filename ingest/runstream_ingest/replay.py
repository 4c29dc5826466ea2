"""Sending dead letters to the store again, after whatever made them bad was mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from runstream_ingest import isolate, shape
from runstream_ingest.dead_letters import DeadLetter, DeadLetters, forget, schema_of
from runstream_ingest.errors import reason
from runstream_ingest.store import Store
from runstream_schemas.avro import Schema, landing_table


@dataclass
class Replayed:
    """What became of dead letters."""

    stored: list[DeadLetter] = field(default_factory=list)
    refused: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Still dead, with the reason of today. They stay as they are; nothing dies twice."""


def replay(store: Store, dead_letters: DeadLetters, letters: Sequence[DeadLetter]) -> Replayed:
    """Store what can be stored now, and forget it as a dead letter.

    A letter is forgotten after its event is in the store, so being killed in between costs nothing: it is replayed
    again. Raises what the client or the disk raises.
    """
    result = Replayed()
    groups: dict[bytes, list[tuple[DeadLetter, bytes]]] = defaultdict(list)
    for letter in letters:
        schema = schema_of(letter)
        if schema is None:
            unknown = f"no schema has the fingerprint {letter.fingerprint}"
            result.refused.append((letter, unknown if letter.fingerprint else letter.error))
            continue
        try:
            datum = dead_letters.datum(letter)
            shape.check(schema, datum)
        except (shape.Malformed, FileNotFoundError) as error:
            result.refused.append((letter, str(error)))
        else:
            groups[schema.fingerprint].append((letter, datum))
    for members in groups.values():
        schema = schema_of(members[0][0])
        assert schema is not None
        _replay_group(store, dead_letters, schema, members, result)
    return result


def _replay_group(
    store: Store,
    dead_letters: DeadLetters,
    schema: Schema,
    members: Sequence[tuple[DeadLetter, bytes]],
    result: Replayed,
) -> None:
    destination = store.destination()
    try:
        datums = [datum for _, datum in members]
        with destination.probe(schema) as attempt:
            refused = isolate.culprits(datums, attempt, limit=len(datums))
        result.refused += [(members[index][0], reason(error)) for index, error in refused.items()]
        good = [member for index, member in enumerate(members) if index not in refused]
        if good:
            destination.inserter.insert(landing_table(schema.event), schema, [datum for _, datum in good])
            forget(store.client, [letter for letter, _ in good], store.layout)
        for letter, _ in good:
            dead_letters.remove(letter)
            result.stored.append(letter)
    finally:
        destination.close()
