"""What an error of the store means for the batch that met it.

An error never says that nothing was written: some views may have taken the block before another one failed. So a batch
is sent again as it is, or without proven culprits; it is never taken apart by guessing.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest import transport


class ErrorClass(Enum):
    """What to do."""

    DATA = "some message is bad: find out which"
    FATAL = "schema or rights are wrong: no retry can help, a person must look"
    TRANSIENT = "try the same batch again later"


DATA_CODES: Final = frozenset(
    {
        8,  # THERE_IS_NO_COLUMN: a field of the datum has no column
        33,  # CANNOT_READ_ALL_DATA
        44,  # ILLEGAL_COLUMN
        117,  # INCORRECT_DATA
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        376,  # CANNOT_PARSE_UUID
        469,  # VIOLATED_CONSTRAINT
        1001,  # STD_EXCEPTION, which is how the Avro library reports bytes that are no datum
    }
)

LOGIN_CODES: Final = frozenset(
    {
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        516,  # AUTHENTICATION_FAILED
    }
)

FATAL_CODES: Final = LOGIN_CODES | frozenset(
    {
        16,  # NO_SUCH_COLUMN_IN_TABLE
        47,  # UNKNOWN_IDENTIFIER
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        164,  # READONLY
        291,  # DATABASE_ACCESS_DENIED
        452,  # SETTING_CONSTRAINT_VIOLATION
        497,  # ACCESS_DENIED
    }
)


def code_of(error: BaseException) -> int | None:
    """The store's error code, None when the error carries none (a timeout, a lost connection)."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    quoted = _CODE.search(_undecoded(error))
    return int(quoted[1]) if quoted else None


def reason(error: BaseException) -> str:
    """Why the store refuses something, for people: without names and numbers that mean something only inside it."""
    text = _undecoded(error).decode(errors="backslashreplace") or _from_server(error)
    violated = _VIOLATION.search(text)
    if violated is None:
        return text
    name, table, expression, values = violated.groups()
    return f"constraint {name} of {table} is violated: {expression} is not true of {values}"


def classify(error: BaseException) -> ErrorClass:
    """The class of an error. Whatever is unknown is transient: nothing is dropped for a reason that nobody knows."""
    if not isinstance(error, ClickHouseError | UnicodeDecodeError):
        return ErrorClass.TRANSIENT
    code = code_of(error)
    if code in DATA_CODES:
        return ErrorClass.DATA
    return ErrorClass.FATAL if code in FATAL_CODES else ErrorClass.TRANSIENT


_CODE: Final = re.compile(rb"Code: (\d+)\.")

_VIOLATION: Final = re.compile(
    r"Constraint `(\w+)` for table (?:\S*\.)?(?:probe_[0-9a-f]+_)?(\w+) .*?Expression: (.*?)\. Column values: (.*)\."
    r" \(VIOLATED_CONSTRAINT\)",
    re.DOTALL,
)


_OVER_HTTP: Final = re.compile(
    r"(?:Received ClickHouse exception, code: \d+|HTTP driver received HTTP status (?P<status>\d+))"
    r"(?:, server response: (?P<text>.*?))?(?: \(for url \S+\))?",
    re.DOTALL,
)
"""How the client wraps what a server answered."""

_VERSION: Final = re.compile(r" \(version [^()]*(?:\([^()]*\))?\)$")


def _from_server(error: BaseException) -> str:
    """The text of an error without what the client wraps around it."""
    found = _OVER_HTTP.fullmatch(str(error))
    if found is None:
        return transport.words(error) or str(error)
    if found["status"]:
        return f"HTTP status {found['status']} without an error of ClickHouse, as a proxy gives it"
    return _VERSION.sub("", found["text"] or str(error))


def _undecoded(error: BaseException) -> bytes:
    """The text of an error that the embedded client cannot decode: it quotes bytes of a message that are not UTF-8."""
    for found in (error, error.__cause__):
        if isinstance(found, UnicodeDecodeError):
            return found.object
    return b""
