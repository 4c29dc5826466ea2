"""Where values lie on the axes of a chart, and what is written beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runstream_analytics.render import text

_HIGHEST: Final = 4e307
"""Values beyond are drawn here: the distance between two doubles must itself be one. The legend has the true value."""

_ROUND: Final = (1, 2, 5)
"""Between ticks lies one of these times a power of ten."""

_SLACK: Final = 1e-9
"""Part of a step by which a sum of doubles may miss a round number."""

_PLAIN: Final = (1e-3, 1e6)
"""Numbers from here to there are written out, larger ones as millions and so on, others with a power of ten."""

_LARGE: Final = ((1e6, "M"), (1e9, "G"), (1e12, "T"))

_FEW_DECADES: Final = 2
"""Below, whole powers of ten alone would leave a logarithmic axis nearly bare."""

_FAR: Final = 100
"""Exponents beyond are far from numbers that are written out, and nearer to those that doubles cannot hold."""

_LEAST_SPREAD: Final = 1e-12
"""Part of the value: what is closer together has no labels that tell it apart."""

_TINY: Final = 1e-290
"""Doubles below cannot be divided into ticks; they are drawn as zero."""

_UNITS: Final = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))

_UNITS_SHOWN: Final = 3
"""A unit of time is used from so many of it on."""


@dataclass(frozen=True)
class Ticks:
    """Marks of an axis."""

    positions: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Scale:
    """How values become heights."""

    place: Callable[[float], float | None]
    """The height of a finite value; None where the scale has no place for it."""
    ticks: Callable[[float, float, int], Ticks]
    """Marks between two heights, so many at most."""


@dataclass(frozen=True)
class Across:
    """A horizontal axis."""

    ticks: Callable[[float, float, int], tuple[Ticks, str]]
    """Marks between two positions, so many at most, and what the axis is called."""
    tell: Callable[[float], str]
    """A position in a sentence: first NaN at …"""


def round_ticks(low: float, high: float, most: int, *, least_step: float = 0.0) -> Ticks:
    """Round numbers at equal distances, with as many digits as tell them apart."""
    step = _step(max((high - low) / (most + 1), least_step))
    while len(numbers := _multiples(low, high, step)) > most:
        step = _step(1.5 * step)
    positions = tuple(number * step for number in numbers)
    return Ticks(positions, tuple(_labels(positions, step, max(abs(low), abs(high)))))


def log_ticks(low: float, high: float, most: int) -> Ticks:
    """Marks between two exponents of ten: whole powers, or what lies between them where there are few of those."""
    if high - low >= _FEW_DECADES:
        exponents = round_ticks(low, high, most, least_step=1.0).positions
        return Ticks(exponents, tuple(_power(1, round(exponent)) for exponent in exponents))
    marks = [
        (exponent + math.log10(number), _power(number, exponent))
        for exponent in range(math.floor(low), math.ceil(high) + 1)
        for number in _ROUND
        if low <= exponent + math.log10(number) <= high
    ]
    if 2 <= len(marks) <= most:
        return Ticks(tuple(place for place, _ in marks), tuple(label for _, label in marks))
    values = round_ticks(10.0**low, 10.0**high, most)
    return Ticks(tuple(math.log10(value) for value in values.positions), values.labels)


def spread(low: float, high: float) -> tuple[float, float]:
    """Limits of an axis; around a single value, so that it does not lie on the frame."""
    largest = max(abs(low), abs(high))
    if high - low > max(_LEAST_SPREAD * largest, _TINY):
        return low, high
    room = 0.1 * largest if largest > _TINY else 1.0
    return low - room, high + room


def _multiples(low: float, high: float, step: float) -> range:
    """Which multiples of a step lie between two numbers; 3 × 0.1 counts as 0.3."""
    return range(math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK) + 1)


def _step(least: float) -> float:
    """The smallest round number that is not less."""
    power = 10.0 ** math.floor(math.log10(max(least, 1e-300)))
    return next((number * power for number in _ROUND if number * power >= least * (1 - _SLACK)), 10.0 * power)


def _labels(positions: Sequence[float], step: float, largest: float) -> Iterator[str]:
    """The numbers with as many digits as their distance asks for."""
    unit, suffix = next(((size, name) for size, name in _LARGE if size <= largest < 1000 * size), (1.0, ""))
    digits = -math.floor(math.log10(step / unit) + _SLACK)
    plain = bool(suffix) or largest == 0 or _PLAIN[0] <= largest < _PLAIN[1]
    mantissa = 0 if plain else max(math.floor(math.log10(largest)) + digits, 0)
    for position in positions:
        if position == 0:
            yield f"{0:.{max(digits, 0)}f}" if plain and not suffix else "0"
        elif plain:
            yield f"{position / unit:.{max(digits, 0)}f}{suffix}"
        else:
            # Python writes 1e+06 and 1e-06.
            number, _, exponent = f"{position:.{mantissa}e}".partition("e")
            yield f"{number}e{int(exponent)}"


def _power(number: int, exponent: int) -> str:
    value = number * 10.0**exponent if -_FAR < exponent < _FAR else 0.0
    return f"{value:g}" if _PLAIN[0] <= value < _PLAIN[1] else f"{number}e{exponent}"


def _clamped(value: float) -> float:
    return min(max(value, -_HIGHEST), _HIGHEST)


def _exponent(value: float) -> float | None:
    return math.log10(min(max(value, _TINY), _HIGHEST)) if value > 0 else None


def _step_ticks(low: float, high: float, most: int) -> tuple[Ticks, str]:
    return round_ticks(low, high, most, least_step=1.0), "step"


def _time_ticks(low: float, high: float, most: int) -> tuple[Ticks, str]:
    seconds, unit = next((unit for unit in _UNITS if high >= _UNITS_SHOWN * unit[0]), _UNITS[-1])
    ticks = round_ticks(low / seconds, high / seconds, most)
    return Ticks(tuple(place * seconds for place in ticks.positions), ticks.labels), f"{unit} since the run began"


LINEAR: Final = Scale(_clamped, round_ticks)
LOGARITHMIC: Final = Scale(_exponent, log_ticks)

STEPS: Final = Across(_step_ticks, lambda x: f"step {text.number(int(x))}")
SECONDS: Final = Across(_time_ticks, text.duration)
