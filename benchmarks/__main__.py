"""All benchmarks, one after the other, each in a process of its own: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from .report import RESULTS

NAMES = ("log_call", "throughput", "sigkill", "lifecycle", "ingest", "fleet", "queries")
"""From the caller to the reader: the way that a point takes."""

QUICK = {
    "log_call": ("--calls", "20000", "--pairs", "3", "--window", "1"),
    "throughput": ("--calls", "200000"),
    "sigkill": ("--trials", "2"),
    "lifecycle": ("--runs", "8", "--seconds", "0.5", "--alone", "3", "--in-a-row", "5"),
    "ingest": ("--points", "1000000"),
    "fleet": ("--runs", "100", "--seconds", "5", "--calls", "100", "--points", "1000000"),
    "queries": ("--points", "1000000", "--times", "3"),
}
"""A minute or two in all, to see that everything works; its numbers say little."""


def main(arguments: list[str] | None = None) -> int:
    """Run them; the exit status is that of the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[], help="which ones; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, not how fast it is")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory for the JSON")
    parser.add_argument("--markdown", type=Path, help="also fill the tables of this file, such as docs/benchmarks.md")
    parser.add_argument("--scratch", type=Path, help="directory for logs and stores (default: a temporary one)")
    chosen = parser.parse_args(arguments)
    common = ["--results", str(chosen.results)]
    for option in ("markdown", "scratch"):
        if value := getattr(chosen, option):
            common += [f"--{option}", str(value)]
    failed = []
    for name in chosen.names or NAMES:
        began = time.monotonic()
        extra = QUICK[name] if chosen.quick else ()
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *common, *extra], check=False).returncode
        print(f"{name}: {time.monotonic() - began:.0f} s\n", flush=True)
        if status:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
