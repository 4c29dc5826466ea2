"""In the network of network.py: start Prometheus with compose's configuration beside two workers' metrics.

Tells as JSON what Prometheus saw, once it has scraped every target and evaluated every rule.
"""

import json
import subprocess
import sys
import time
import urllib.request
from typing import Any

from prometheus_client import start_http_server

from runstream_ingest.metrics import REGISTRY

API = "http://127.0.0.1:9090/api/v1"
GIVE_UP_S = 90.0
"""Scrapes and rules begin at a moment of their own within the interval of 15 s."""


def main(configuration: str, data: str) -> None:
    start_http_server(9108, registry=REGISTRY)  # on all addresses, of which the name ingest has two
    command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={data}"]
    server = subprocess.Popen([*command, "--web.listen-address=127.0.0.1:9090"], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + GIVE_UP_S
        while not (seen := look()) and time.monotonic() < until and server.poll() is None:
            time.sleep(0.2)
        if not seen:
            server.terminate()
            sys.exit(f"Prometheus saw nothing:\n{server.communicate(timeout=30)[1][-4000:]}")
        series = ask("/query?query=runstream_ingest_messages_read_total")["result"]
        print(json.dumps(seen | {"series": [one["metric"] for one in series]}))
    finally:
        server.kill()


def look() -> dict[str, Any]:
    """Targets with their health and rules with theirs; empty while one is unknown."""
    try:
        targets = [
            (one["labels"]["job"], one["labels"]["instance"], one["health"]) for one in ask("/targets")["activeTargets"]
        ]
        rules = [(rule["name"], rule["health"]) for group in ask("/rules")["groups"] for rule in group["rules"]]
    except OSError:
        return {}  # not started yet
    pending = not targets or not rules or any("unknown" in one for one in (*targets, *rules))
    return {} if pending else {"targets": sorted(targets), "rules": rules}


def ask(path: str) -> Any:
    with urllib.request.urlopen(API + path, timeout=10) as answer:
        return json.load(answer)["data"]


main(*sys.argv[1:])
