"""The command line that started the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..plain import cut_text, valid_text
from ..secrets import redact_arguments
from .bounds import keep_first

MAX_ARGUMENT_CHARACTERS: Final = 4096
"""A longer argument is a document, such as a program behind `python -c`; its beginning is kept."""


def capture_command(arguments: Sequence[str]) -> list[str]:
    """The arguments as they may be recorded: credentials redacted, cut with marks. Never raises."""
    texts = redact_arguments([valid_text(str(argument)) for argument in arguments])
    return keep_first([cut_text(text, MAX_ARGUMENT_CHARACTERS) for text in texts])
