"""What the command lines return, declared once and documented in docs/cli.md."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of `runstream` and `runstream-ingest`."""

    OK = 0
    """Done; for `verify`: every ledger is complete."""
    INCOMPLETE = 1
    """`verify`: a ledger is not complete; `sync`: something could not be shipped; `doctor`: a check failed."""
    USAGE = 2
    """The arguments are wrong, a run name matches nothing or several, or the SQL is refused."""
    STORE_BUSY = 3
    """Another process holds the store and did not let go in time."""
    STORE_FAILED = 4
    """The store cannot be opened, migrated or read."""
    POISONED = 5
    """The worker stopped because most of what it read was bad."""
    LOG_FAILED = 6
    """The event log cannot be used: the broker is not reached or refuses, or topics are missing."""
