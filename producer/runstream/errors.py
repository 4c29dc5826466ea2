"""An exception as one line that may be shown and recorded. Pure."""

from __future__ import annotations

from typing import Final

from .plain import valid_text
from .secrets import redact_text

MAX_ERROR_CHARACTERS: Final = 4096
"""The journal keeps a quarter of it; more is a program's output, not a reason."""


def describe_error(error: BaseException | str) -> str:
    """Type and message on one line, credentials out, cut. Never raises, whatever the exception's own text does."""
    if isinstance(error, str):
        kind, text = "", error
    else:
        kind = type(error).__name__
        try:
            text = str(error)
        except Exception:
            text = "<its text cannot be read>"
    line = " ".join(redact_text(valid_text(text)).split())[:MAX_ERROR_CHARACTERS]
    return ": ".join(part for part in (kind, line) if part)
