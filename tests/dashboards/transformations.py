"""Grafana's transformations, in Node."""

import json
import shutil
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from engine import Answer

HERE = Path(__file__).parent / "node"
CACHE = Path(__file__).parent / ".cache" / "node"


def missing() -> str:
    """Why there is no Node here; empty when there is."""
    return "" if shutil.which("node") and shutil.which("npm") else "node and npm are not installed"


def transformed(answer: Answer, transformations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The frames that a panel draws of rows."""
    kinds = ["number" if "Int" in kind or "Float" in kind else "string" for kind in answer.types]
    fields = [
        {"name": name, "type": kind, "values": [row[place] for row in answer.rows]}
        for place, (name, kind) in enumerate(zip(answer.names, kinds, strict=True))
    ]
    asked = {"frame": {"refId": "A", "fields": fields}, "transformations": transformations}
    done = subprocess.run(
        ["node", str(_installed() / "transform.cjs")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _installed() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE.parent / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        wanted = (HERE / "package.json").read_text()
        stamp = CACHE / "installed.json"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.copy(HERE / "package.json", CACHE)
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
            subprocess.run(command, cwd=CACHE, check=True, timeout=300, capture_output=True)
            stamp.write_text(wanted)
        shutil.copy(HERE / "transform.cjs", CACHE)
    return CACHE
