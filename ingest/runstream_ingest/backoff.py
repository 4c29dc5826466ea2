"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

FIRST_DELAY_S: Final = 0.1
"""A blip is over at once."""

MAX_DELAY_S: Final = 30.0
"""A store that is back after an outage is used within half a minute."""


@dataclass
class Backoff:
    """Delays that double up to a cap, each drawn from its upper half so that workers do not return all together."""

    first_s: float = FIRST_DELAY_S
    cap_s: float = MAX_DELAY_S
    random: random.Random = field(default_factory=random.Random)
    _attempts: int = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(self._attempts, 60))
        self._attempts += 1
        return ceiling * (0.5 + 0.5 * self.random.random())
