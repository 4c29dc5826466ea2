"""Sizes that both ends of the pipeline agree on, each with its unit and its reason."""

from typing import Final

MAX_EVENT_BYTES: Final = 900_000
"""No message is larger: Kafka brokers refuse more than 1 MB by default, headers and batch overhead included."""

MAX_METRIC_NAME_BYTES: Final = 1024
"""UTF-8 bytes of a metric name: names are keys of every table, and a longer one is a mistake."""

MAX_PARAM_BYTES: Final = 64 * 1024
"""JSON bytes of a param's value; a larger one is cut with a mark (a document belongs into an artifact)."""

MAX_DIFF_BYTES: Final = 256 * 1024
"""UTF-8 bytes of a code diff in the run event; the rest is cut with a mark."""

MIN_ATTEMPT_US: Final = 1_577_836_800_000_000
"""2020-01-01 in microseconds: an attempt before it comes from a machine without a clock, and would open a partition."""

MAX_ATTEMPT_US: Final = 4_102_444_800_000_000
"""2100-01-01 in microseconds."""

DELETED_TAG: Final = "runstream.deleted"
"""Reserved tag: its value, microseconds in decimal, deletes every attempt that began at or before that time."""
