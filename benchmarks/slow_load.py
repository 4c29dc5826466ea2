"""Slow loggers through the pipeline: how long until SQL sees a point, and what each part uses."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import slow_fleet
from .parts import Usage, Watch
from .pipeline import ROOT, Pipeline, pipeline

PROBED_RUNS = 50
PROBE_EVERY_S = 0.1
WARM_UP_S = 8.0
"""Consumer group, first inserts, first merges."""
POINTS = "runstream_ingest_points_total"
MESSAGES = "runstream_ingest_messages_total"


@dataclass(frozen=True)
class Load:
    """What a fleet does."""

    runs: int
    linger_s: float = 1.0
    step_s: float = 1.0
    chatty_steps: int = 0
    """Log calls a second of one run among them."""
    partitions: int = 6
    processes: int = 1

    @property
    def name(self) -> str:
        chatty = f", one of them {self.chatty_steps:,} steps/s" if self.chatty_steps else ""
        return f"{self.runs:,} runs, linger {self.linger_s:g} s{chatty}"


@dataclass(frozen=True)
class Slow:
    """What a fleet of slow loggers did to the pipeline."""

    load: Load
    seconds: float
    points_s: float
    messages_s: float
    p50_s: float
    p99_s: float
    worst_s: float
    lag: float
    """Messages not read yet at the end of the measurement."""
    late_s: float
    """How far the simulated fleet fell behind its own schedule: what it was late with counts as latency."""
    stored: float
    """Of the points sent, the share that was stored in the end."""
    usage: dict[str, Usage]


class Prober(threading.Thread):
    """Asks the store again and again for the newest point of some runs, and notes how old what is new to it is."""

    def __init__(self, made: Pipeline, load: Load) -> None:
        super().__init__(daemon=True)
        import clickhouse_connect

        place, _, database = made.store_url.removeprefix("http://").rpartition("/")
        host, _, port = place.partition(":")
        self._client = clickhouse_connect.get_client(
            host=host, port=int(port), database=database, autogenerate_session_id=False
        )
        # Not the first run, which may be the chatty one: its neighbours are what is asked about.
        ids = slow_fleet.run_ids(0, load.runs // load.processes)[1:]
        chosen = ids[:: max(1, len(ids) // PROBED_RUNS)][:PROBED_RUNS]
        listed = ", ".join(f"'{run_id}'" for run_id in chosen)
        self._query = (
            "SELECT toString(run_id), toUnixTimestamp64Micro(max(time)) FROM point "
            f"WHERE metric = '{slow_fleet.PROBE_METRIC}' AND run_id IN ({listed}) GROUP BY run_id"
        )
        self._step_us = int(load.step_s * 1e6)
        self._ended = threading.Event()
        self._recording = threading.Event()
        self.latencies: list[float] = []

    def record(self, wanted: bool) -> None:
        """Note latencies from now on, or no longer."""
        (self._recording.set if wanted else self._recording.clear)()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Ask until told to stop."""
        newest: dict[str, int] = {}
        while not self._ended.wait(PROBE_EVERY_S):
            rows = self._client.query(self._query).result_rows
            seen_us = time.time_ns() // 1000
            for run_id, time_us in rows:
                before = newest.get(run_id, time_us)
                newest[run_id] = time_us
                if self._recording.is_set():
                    # Every step between the two became visible now.
                    steps = range(time_us, before, -self._step_us)
                    self.latencies += [(seen_us - at) / 1e6 for at in steps]
        self._client.close()


def slow(directory: Path, load: Load, seconds: float) -> Slow:
    """One measurement."""
    with pipeline(directory, partitions=load.partitions, embedded=False) as made:
        made.start_worker()
        made.wait_for_partitions(60)
        warm_up = min(WARM_UP_S, seconds)
        fleets = [_start(made, load, fleet, warm_up + seconds) for fleet in range(load.processes)]
        prober = Prober(made, load)
        prober.start()
        time.sleep(warm_up)
        prober.record(True)
        began, points, messages = time.monotonic(), made.counter(POINTS), made.counter(MESSAGES)
        with Watch(made.pids) as watch:
            # The fleet ends a moment after this: what is measured is a fleet at work.
            time.sleep(seconds - 1.0)
            took = time.monotonic() - began
            points, messages = made.counter(POINTS) - points, made.counter(MESSAGES) - messages
            lag = made.counter("runstream_ingest_lag_messages")
        prober.record(False)
        sent = [json.loads(fleet.communicate(timeout=120)[0]) for fleet in fleets]
        total = sum(fleet["points"] for fleet in sent)
        stored = made.wait_for_points(total, 60)
        prober.stop()
    fleet_cores = sum(watch.usage.pop(f"fleet {fleet}").cores for fleet in range(load.processes))
    marks = statistics.quantiles(prober.latencies, n=100)
    return Slow(
        load=load,
        seconds=seconds,
        points_s=points / took,
        messages_s=messages / took,
        p50_s=marks[49],
        p99_s=marks[98],
        worst_s=max(prober.latencies),
        lag=lag,
        late_s=max(fleet["late_s"] for fleet in sent),
        stored=stored / total,
        usage=watch.usage | {"fleet": Usage(fleet_cores)},
    )


def _start(made: Pipeline, load: Load, fleet: int, seconds: float) -> subprocess.Popen[str]:
    words = ["--brokers", made.cluster.bootstrap, "--prefix", made.prefix, "--fleet", str(fleet)]
    words += ["--runs", str(load.runs // load.processes), "--linger-s", str(load.linger_s)]
    words += ["--step-s", str(load.step_s), "--seconds", str(seconds)]
    words += ["--chatty-steps", str(load.chatty_steps if fleet == 0 else 0)]
    command = [sys.executable, "-m", "benchmarks.slow_fleet", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    made.pids[f"fleet {fleet}"] = process.pid
    return process
