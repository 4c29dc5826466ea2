"""Colours, words and units that mean the same in every panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ValueMap, ValueMapping, ValueMappingResult

GRAFANA_VERSION: Final = "12.3.3"
"""Of the panels: without it some draw nothing."""

STATE_COLOURS: Final = {
    "running": "blue",
    "finished": "green",
    "failed": "red",
    "killed": "orange",
    "lost": "purple",
    "unknown": "#808080",
}

VERDICT_COLOURS: Final = {
    "diverged": "red",
    "lost": "purple",
    "silent rank": "dark-purple",
    "stalled": "dark-orange",
    "overfitting": "orange",
    "worsening": "light-orange",
    "straggler": "yellow",
    "plateau": "blue",
    "improving": "green",
    "too early": "#808080",
    "unknown": "#808080",
}
"""The words of the view diagnosis, worst first."""

LEDGER_COLOURS: Final = {"complete": "green", "pending": "blue", "missing": "red"}
"""The words of the view ledger."""

RAW_COLOUR: Final = "rgba(128,128,128,0.35)"
"""Of lines behind smoothed ones. Lines have no opacity of their own."""
BAND_COLOUR: Final = "#3274D9"
BAD_COLOUR: Final = "red"
SLOT_COLOURS: Final = ("#3274D9", "#FF9830")
"""Of two runs that are set against each other."""


def coloured(words: Mapping[str, str]) -> list[ValueMapping]:
    """Value mappings that colour words."""
    options = {
        word: ValueMappingResult(text=word, color=colour, index=index)
        for index, (word, colour) in enumerate(words.items())
    }
    return [ValueMap(options=options)] if words else []


def fixed(colour: str) -> dict[str, str]:
    """The colour of a field, whatever its place."""
    return {"mode": "fixed", "fixedColor": colour}


def properties(values: Mapping[str, object]) -> list[DynamicConfigValue]:
    """Properties of fields, as overrides want them."""
    return [DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]
