"""What an error of the store means for the batch that met it.

An error never says that nothing was written: some views may have taken the block before another one failed. So a batch
is sent again as it is, or without proven culprits; it is never taken apart by guessing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError


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

FATAL_CODES: Final = frozenset(
    {
        16,  # NO_SUCH_COLUMN_IN_TABLE
        47,  # UNKNOWN_IDENTIFIER
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        164,  # READONLY
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        291,  # DATABASE_ACCESS_DENIED
        452,  # SETTING_CONSTRAINT_VIOLATION
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    }
)


def code_of(error: BaseException) -> int | None:
    """The store's error code, None when the error carries none (a timeout, a lost connection)."""
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None


def classify(error: BaseException) -> ErrorClass:
    """The class of an error. Whatever is unknown is transient: nothing is dropped for a reason that nobody knows."""
    if isinstance(error, UnicodeDecodeError):
        # The embedded engine's error text quoted bytes of a message that are not UTF-8.
        return ErrorClass.DATA
    code = code_of(error)
    if isinstance(error, ClickHouseError) and code in DATA_CODES:
        return ErrorClass.DATA
    if isinstance(error, ClickHouseError) and code in FATAL_CODES:
        return ErrorClass.FATAL
    return ErrorClass.TRANSIENT
