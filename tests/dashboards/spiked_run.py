"""A run of ten million dense steps, made inside the engine, with one high and one low value among them.

And one of as many ranks as have their extremes drawn, with so many steps that a chart gives nearly four times the
points that it is asked for.
"""

from typing import Any
from uuid import UUID

from fleet_of_runs import BULK

import support_events as events
from runstream_dashboards.ranks import MOST_EXTREMES
from support_events import ATTEMPT

RUN = UUID(int=0x5B1CE)
LOSS = "train/loss"
STEPS = 10_000_000
STEPS_A_MESSAGE = 1_000
MESSAGES_AN_INSERT = 2_000
SPIKE_AT, SPIKE = 7_654_321, 1000.0
DIP_AT, DIP = 7_654_400, -1000.0
STEP_US = 1_000
WIDE_RUN = UUID(int=0x3A1D)
WIDE_STEPS = 7_900


def fill(client: Any) -> None:
    """Both runs. Of the long one, all but two values lie between 0 and 2."""
    end = ATTEMPT + (STEPS + 1) * STEP_US
    value = "1 + cos(step / 1e6) * (intHash64(step) % 1000) / 1e3"
    value = f"multiIf(step = {SPIKE_AT}, {SPIKE}, step = {DIP_AT}, {DIP}, {value})"
    events.insert(client, "run", [events.run(RUN, name="spiked")])
    for first in range(0, STEPS // STEPS_A_MESSAGE, MESSAGES_AN_INSERT):
        messages = f"SELECT {first} + number AS message, 0 AS rank FROM numbers({MESSAGES_AN_INSERT})"
        client.command(_insert(RUN, messages, STEPS_A_MESSAGE, value), settings=BULK)
    events.insert(client, "status", [events.status(RUN, time=end, state="finished", final=True)])
    ranks = f"SELECT 0 AS message, number AS rank FROM numbers({MOST_EXTREMES})"
    client.command(_insert(WIDE_RUN, ranks, WIDE_STEPS, "rank + step % 2"), settings=BULK)


def _insert(run: UUID, messages: str, steps: int, value: str) -> str:
    return f"""
        INSERT INTO landing_metric (run_id, rank, attempt, seq, frames)
        SELECT toUUID('{run}'), rank, {ATTEMPT}, message,
            [(false, steps, arrayMap(step -> {ATTEMPT} + (step + 1) * {STEP_US}, steps),
              [('{LOSS}', arrayMap(step -> toFloat64({value}), steps))])]
        FROM (SELECT *, arrayMap(n -> toInt64(message * {steps} + n), range({steps})) AS steps FROM ({messages}))
    """
