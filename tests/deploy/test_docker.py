import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker import container

START_S = 900.0
"""Images are fetched and built."""

pytestmark = pytest.mark.timeout(2 * START_S)

PROJECT = "runstream-test"

SERVERS = ("kafka", "clickhouse", "ingest", "kafka-exporter", "prometheus", "grafana")


def _why_not() -> str:
    if why := container.missing():
        return why
    plugin = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True, text=True, timeout=60)
    return "no docker compose on this machine" if plugin.returncode else ""


def docker_compose(root: Path, environment: Path, *arguments: str) -> str:
    command = ["docker", "compose", "--project-name", PROJECT, "--env-file", str(environment), *arguments]
    done = subprocess.run(command, check=False, cwd=root, capture_output=True, text=True, timeout=START_S)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def up(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The whole compose file, started; gives the file with its passwords."""
    if why := _why_not():
        pytest.skip(why)
    environment = tmp_path_factory.mktemp("compose") / ".env"
    example = (root / ".env.example").read_text().splitlines()
    environment.write_text("".join(f"{line}{os.urandom(24).hex()}\n" for line in example if line.endswith("=")))
    try:
        docker_compose(root, environment, "up", "--detach", "--build")
        yield environment
    finally:
        docker_compose(root, environment, "--profile", "demo", "down", "--volumes", "--timeout", "30")


def services_that_are(root: Path, environment: Path) -> dict[str, str]:
    lines = docker_compose(root, environment, "ps", "--all", "--format", "json").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["Service"]: row["Health"] or f"{row['State']} {row['ExitCode']}" for row in rows}


def test_every_service_becomes_healthy(root: Path, up: Path) -> None:
    expected = dict.fromkeys(SERVERS, "healthy")
    expected |= {"topics": "exited 0", "migrate": "exited 0"}
    until = time.monotonic() + 300
    while services_that_are(root, up) != expected and time.monotonic() < until:
        time.sleep(1)
    assert services_that_are(root, up) == expected


def test_demo_is_in_clickhouse_and_grafana_may_read_it(root: Path, up: Path) -> None:
    docker_compose(root, up, "run", "--rm", "demo")
    passwords = dict(line.split("=", 1) for line in up.read_text().splitlines())
    query = "SELECT count() FROM runs WHERE experiment = 'digits' FORMAT TSV"
    request = urllib.request.Request("http://127.0.0.1:8123/?database=runstream", data=query.encode())
    request.add_header("X-ClickHouse-User", "grafana")
    request.add_header("X-ClickHouse-Key", passwords["CLICKHOUSE_GRAFANA_PASSWORD"])
    until = time.monotonic() + 120
    runs = 0
    while runs < 20 and time.monotonic() < until:
        with urllib.request.urlopen(request, timeout=30) as answer:
            runs = int(answer.read())
        time.sleep(0.5)
    assert runs >= 20
