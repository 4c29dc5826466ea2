"""What the broker and its client complain about, in words that name what to mend. Pure."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from runstream_schemas.kafka import KafkaSettings, brokers

REASON_CHARACTERS: Final = 200
"""Of the client's own words; they may hold a whole chain of certificates."""

_RIGHTS: Final = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)
_MISSING: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_TOO_LARGE: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
_SETTINGS: Final = frozenset([KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED])
_REFUSALS: Final = frozenset(
    [
        *_RIGHTS,
        *_MISSING,
        *_TOO_LARGE,
        *(KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_MSG, KafkaError.TOPIC_EXCEPTION, KafkaError.POLICY_VIOLATION),
        *(KafkaError.INVALID_RECORD, KafkaError.INVALID_REQUIRED_ACKS),
    ]
)


def is_settings(code: int) -> bool:
    """Whether the client cannot connect because of what it was told."""
    return code in _SETTINGS or code in _RIGHTS


def says_more(code: int, than: int) -> bool:
    """Whether an error says more of what to mend than the one before it, or something newer."""
    if is_settings(than):
        return is_settings(code)  # that no broker is up, say, follows from them
    return code != KafkaError._ALL_BROKERS_DOWN  # it comes with the reason of each


def is_refusal(code: int) -> bool:
    """Whether the broker is well and does not want this message."""
    return code in _REFUSALS


def complaint(error: KafkaError | None, url: str, settings: KafkaSettings, topic: str) -> str:
    """One sentence about an error, or about silence for None."""
    where = f"the broker {brokers(url)}"
    code = None if error is None else error.code()
    reason = "" if error is None else f" ({error.str()[:REASON_CHARACTERS]})"
    user = f"user {settings.username!r}" if settings.username else "this client"
    if code in _RIGHTS:
        said = f"{user} may not write to topic {topic} at {where}: give it WRITE, or check RUNSTREAM_KAFKA_USERNAME"
    elif code in _MISSING:
        remedy = "make it with `runstream topics create`, or check RUNSTREAM_TOPIC_PREFIX"
        said = f"topic {topic} is missing at {where}: {remedy}"
    elif code in _TOO_LARGE:
        said = f"topic {topic} at {where} takes no messages of this size: `runstream topics create` raises its limit"
    elif code == KafkaError._SSL:
        said = f"no TLS with {where}: check RUNSTREAM_KAFKA_CA and RUNSTREAM_KAFKA_SECURITY{reason}"
    elif code in _SETTINGS:
        remedy = "check RUNSTREAM_KAFKA_USERNAME, RUNSTREAM_KAFKA_PASSWORD and RUNSTREAM_KAFKA_SASL_MECHANISM"
        said = f"{where} does not let {user} in: {remedy}{reason}"
    elif code is not None and is_refusal(code):
        said = f"topic {topic} at {where} refuses what is sent to it{reason}"
    else:
        said = f"{where} does not answer: is it running, and does RUNSTREAM_URL name it?{reason}"
    return said
