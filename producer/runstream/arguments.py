"""The arguments of `init`, checked: what is wrong is said with the argument's name and a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .plain import valid_text
from .tags import as_tags
from .values import shown

RESUME: Final = ("allow", "never", "must")

MAX_TEXT_CHARACTERS: Final = 1024
"""Characters of a name of a run or an experiment: it is a label of every chart and table, and more is a mistake."""


def checked_text(what: str, value: object) -> str:
    """A name as any store takes it. Raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {shown(value)}; use text that is not empty")
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"{what} has {len(value):,} characters; use at most {MAX_TEXT_CHARACTERS:,}")
    return valid_text(value)


def checked_config(config: object) -> dict[str, Any]:
    """The top level of the configuration. Raises ValueError."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ValueError(f"config is {shown(config)}; use a mapping, such as vars(args) or dataclasses.asdict(config)")
    try:
        return dict(config)
    except Exception as error:
        raise ValueError(f"config cannot be read: {type(error).__name__}; use a dict") from error


def checked_tags(tags: object) -> dict[str, str]:
    """Tags by name. Raises ValueError."""
    if not isinstance(tags, Iterable):
        raise ValueError(f"tags is {shown(tags)}; use a mapping of names to values, or a list of names")
    try:
        return as_tags(tags)
    except Exception as error:
        raise ValueError(f"tags cannot be read: {type(error).__name__}; use a dict or a list of names") from error


def checked_start_step(start_step: object) -> int | None:
    """The first step of `log` without a step. Raises ValueError."""
    if start_step is None:
        return None
    if isinstance(start_step, bool) or not isinstance(start_step, int) or not -(2**63) <= start_step < 2**63:
        raise ValueError(f"start_step is {shown(start_step)}; use an integer of 64 bits")
    return start_step


def checked_setting(what: str, value: object) -> str | os.PathLike[str] | None:
    """A setting as it may be given in code. Raises ValueError."""
    if value is None or isinstance(value, (str, os.PathLike)):
        return value
    raise ValueError(f"{what} is {shown(value)}; use text or a path")
