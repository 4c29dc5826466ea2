"""What went wrong, for a person: one message, an exit status, no traceback."""

from __future__ import annotations

from runstream_schemas.exit_codes import ExitCode


class UserError(Exception):
    """A command cannot do what was asked; the message says why and what to do instead."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NothingHere(UserError):
    """Neither a log nor a store is where the settings point: nobody has logged a run there yet."""
