"""A real Grafana in a container, set up by this repository's own files; its store is a server on this machine."""

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

ROOT = Path(__file__).parents[2]

START_S = 600.0
"""Grafana fetches its plugin when it starts for the first time."""

PORT = 3000


@dataclass(frozen=True)
class Settings:
    """What docker-compose.yml says of Grafana, with another server as its store."""

    image: str
    environment: dict[str, str]
    mounts: dict[Path, str]
    """Directories of this machine, with their places in the container."""


def settings(scratch: Path, store_port: int, secret: str) -> Settings:
    """`secret` stands for every password, and Grafana shows it to the store. `scratch` becomes a directory."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    mounts = {}
    for source, place, *_ in (volume.split(":") for volume in service["volumes"] if volume.startswith("./")):
        mounts[scratch if place.endswith("/datasources") else ROOT / source] = place
    shutil.copytree(ROOT / "deploy" / "grafana" / "provisioning" / "datasources", scratch)
    file = scratch / "clickhouse.yml"
    made = file.read_text().replace("port: 8123", f"port: {store_port}")
    assert f"port: {store_port}\n" in made
    file.write_text(made)
    environment = {name: secret if "${" in value else value for name, value in service["environment"].items()}
    return Settings(service["image"], environment, mounts)


@contextmanager
def started(chosen: Settings, secret: str, dashboards: Collection[str]) -> Iterator[tuple[str, str]]:
    """Address and token of a Grafana that shows the dashboards of these uids."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    # The data source's file calls the store `clickhouse`: here that is the machine that the container runs on.
    container = DockerContainer(chosen.image).with_envs(**chosen.environment).with_exposed_ports(PORT)
    container.with_kwargs(extra_hosts={"clickhouse": "host-gateway"})
    for source, place in chosen.mounts.items():
        container.with_volume_mapping(source, place, "ro")
    container.waiting_for(HttpWaitStrategy(PORT, "/api/health").with_startup_timeout(int(START_S)))
    with container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
        account = _ask(url, secret, "/api/serviceaccounts", {"name": "tests", "role": "Editor"})
        token = _ask(url, secret, f"/api/serviceaccounts/{account['id']}/tokens", {"name": "tests"})["key"]
        until = time.monotonic() + 60
        for uid in dashboards:
            # They are loaded after Grafana says that it is well.
            while "dashboard" not in _ask(url, secret, f"/api/dashboards/uid/{uid}"):
                assert time.monotonic() < until, f"Grafana has not loaded {uid}"
                time.sleep(0.2)
        yield url, token


def _ask(url: str, secret: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    headers = urllib3.make_headers(basic_auth=f"admin:{secret}")
    answer = urllib3.request("POST" if body else "GET", url + path, json=body, headers=headers, timeout=20)
    found: dict[str, Any] = answer.json()
    return found
