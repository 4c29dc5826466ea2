import json
import re
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from runstream_dashboards import push
from runstream_ingest import metrics
from runstream_schemas import settings

HERE = Path(__file__).parent
OURS = ("runstream:local", "runstream-demo:local")
"""Images that the compose file builds."""

Services = dict[str, dict[str, Any]]


def binds(service: dict[str, Any]) -> list[str]:
    """The paths in the repository that a service mounts."""
    sources = [volume.partition(":")[0] for volume in service.get("volumes", [])]
    return [source for source in sources if source.startswith((".", "/"))]


def interpolations(text: str) -> list[str]:
    return re.findall(r"\$\{([^}]*)\}", text)


def test_compose_file_obeys_the_compose_specification(compose: dict[str, Any]) -> None:
    validator = Draft202012Validator(json.loads((HERE / "compose-spec.json").read_text()))
    assert [error.message for error in validator.iter_errors(compose)] == []
    compose_with_typo = compose | {"services": {"kafka": {"imagee": "x"}}}
    assert list(validator.iter_errors(compose_with_typo)), "the schema would let anything pass"


def test_every_image_is_pinned_to_a_full_version(services: Services, root: Path) -> None:
    images = {service["image"] for service in services.values()} - set(OURS)
    images |= set(re.findall(r"^FROM (\S+:\S+)", (root / "Dockerfile").read_text(), re.MULTILINE))
    assert len(images) >= 6
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+", image)] == []


def test_images_of_ours_are_built_from_a_stage_of_the_dockerfile(services: Services, root: Path) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", (root / "Dockerfile").read_text(), re.MULTILINE))
    built = {service["image"]: service["build"]["target"] for service in services.values() if "build" in service}
    assert set(built) == {service["image"] for service in services.values()} & set(OURS)
    assert set(built.values()) <= stages


def test_what_the_image_is_made_of_exists_and_reaches_the_builder(root: Path) -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (root / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    assert {"pyproject.toml", "schemas", "ingest"} <= sources
    assert [source for source in sources if not (root / source).exists()] == []
    let_in = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == sources


def test_no_port_listens_beyond_this_machine(services: Services) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) >= 4
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []
    assert [name for name, service in services.items() if service.get("network_mode") == "host"] == []


def test_no_password_has_a_default(compose: dict[str, Any], root: Path) -> None:
    given = interpolations((root / "docker-compose.yml").read_text())
    assert [one for one in given if not re.fullmatch(r"[A-Z_]+:\?set it in \.env, see \.env\.example", one)] == []
    example = dict(
        line.split("=", 1) for line in (root / ".env.example").read_text().splitlines() if line[:1].isupper()
    )
    assert set(example.values()) == {""}
    assert {one.partition(":")[0] for one in given} == set(example)
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            secret = key.endswith(("PASSWORD", "SECRET_KEY")) or re.search("://.*@", value)
            assert not secret or "${" in value, f"{name} has {key} in plain text"


def test_command_in_env_example_makes_every_password(root: Path, tmp_path: Path) -> None:
    text = (root / ".env.example").read_text()
    (tmp_path / ".env.example").write_text(text)
    [command] = re.findall(r"^#     (\(umask .*)$", text, re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=30)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    lines = (tmp_path / ".env").read_text().splitlines()
    values = [line.partition("=")[2] for line in lines if line[:1].isupper()]
    assert [value for value in values if not re.fullmatch("[0-9a-f]{48}", value)] == []
    assert len(set(values)) == len(values) == 5
    assert [line for line in lines if not line[:1].isupper()] == [
        line for line in text.splitlines() if not line[:1].isupper()
    ]


def test_file_with_passwords_is_ignored_by_git_and_by_the_image(root: Path) -> None:
    assert "/.env" in (root / ".gitignore").read_text().splitlines()
    assert (root / ".dockerignore").read_text().split("\n\n")[0].splitlines()[1] == "*", (
        "all but what is named is left out"
    )


def test_every_mounted_file_exists(services: Services, root: Path) -> None:
    mounted = [source for service in services.values() for source in binds(service)]
    assert len(mounted) >= 5
    assert [source for source in mounted if not (root / source).exists()] == []


def test_configuration_is_mounted_read_only(services: Services) -> None:
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    assert [volume for volume in volumes if volume.startswith(".") and not volume.endswith(":ro")] == []


def test_all_that_must_stay_is_in_named_volumes(compose: dict[str, Any], services: Services) -> None:
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    named = {volume.partition(":")[0] for volume in volumes if not volume.startswith(".")}
    assert named == set(compose["volumes"])
    assert {"kafka", "clickhouse", "prometheus", "grafana"} <= named


def test_start_order_has_no_cycle_and_waits_for_what_is_there(services: Services) -> None:
    waits = {name: service.get("depends_on", {}) for name, service in services.items()}
    order = list(TopologicalSorter(waits).static_order())
    assert set(order) == set(services)
    assert order.index("kafka") < order.index("topics") < order.index("ingest")
    assert order.index("clickhouse") < order.index("migrate") < order.index("ingest") < order.index("demo")
    for name, dependencies in waits.items():
        for other, wait in dependencies.items():
            if wait["condition"] == "service_healthy":
                # The worker's is in its image.
                assert "test" in services[other].get("healthcheck", {}) or "build" in services[other], (name, other)
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert services[other].get("restart", "no") == "no", f"{other} would never complete"


def test_every_server_has_a_health_check(services: Services, root: Path) -> None:
    assert "HEALTHCHECK" in (root / "Dockerfile").read_text().partition(" AS worker\n")[2]
    servers = {name: service for name, service in services.items() if service.get("restart") == "unless-stopped"}
    assert len(servers) == 6
    assert [name for name, service in servers.items() if "test" not in service.get("healthcheck", {})] == ["ingest"]


def test_worker_cannot_write_nor_gain_rights(services: Services, root: Path) -> None:
    worker = services["ingest"]
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    assert worker["security_opt"] == ["no-new-privileges:true"]
    assert "USER 10001:10001" in (root / "Dockerfile").read_text()


def test_settings_of_our_services_are_known(services: Services, root: Path) -> None:
    from runstream_ingest import settings as worker

    known = {f"RUNSTREAM_{name.upper()}" for name in settings.DESCRIPTIONS}
    known |= {f"RUNSTREAM_INGEST_{name.upper()}" for name in worker.DESCRIPTIONS}
    given = {
        name
        for service in services.values()
        if service["image"] in OURS
        for name in service.get("environment", {})
        if name.startswith("RUNSTREAM_")
    }
    given |= set(re.findall(r"(RUNSTREAM_[A-Z_]+)=", (root / "Dockerfile").read_text()))
    assert given - known == set()


def test_topics_workers_and_training_use_the_same_broker(services: Services, root: Path) -> None:
    urls = {
        service["environment"]["RUNSTREAM_URL"]
        for service in services.values()
        if "RUNSTREAM_URL" in service.get("environment", {})
    }
    assert urls == {"kafka://kafka:9092"}
    properties = (root / "deploy/kafka/server.properties").read_text()
    assert "advertised.listeners=NETWORK://kafka:9092,HOST://127.0.0.1:9094" in properties
    assert services["kafka"]["ports"] == ["127.0.0.1:9094:9094"]
    assert services["kafka"]["hostname"] == "kafka"


def test_prometheus_scrapes_services_that_exist(services: Services, root: Path) -> None:
    text = (root / "deploy/prometheus/prometheus.yml").read_text()
    hosts = set(re.findall(r'"([a-z-]+):\d+"', text)) | set(re.findall(r"names: \[([a-z-]+)\]", text))
    assert hosts == {"ingest", "kafka-exporter", "clickhouse"}
    assert hosts <= set(services)
    assert "port: 9108" in text
    assert "RUNSTREAM_INGEST_METRICS_PORT=9108" in (root / "Dockerfile").read_text()
    assert "clickhouse:9363" in text
    assert "<port>9363</port>" in (root / "deploy/clickhouse/config.d/runstream.xml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "deploy/prometheus/rules/runstream.yml",
        "docs/operations.md",
        "docs/ingest.md",
        "docs/kubernetes.md",
        "docs/scaling.md",
    ],
)
def test_alerts_and_pages_speak_of_metrics_that_the_worker_has(root: Path, text: str) -> None:
    exposed = {
        name
        for family in metrics.REGISTRY.collect()
        for name in (family.name, *(f"{family.name}_{part}" for part in ("total", "bucket", "sum", "count")))
    }
    spoken = set(re.findall(r"\b(?:runstream_ingest|process)_[a-z_]+", (root / text).read_text()))
    # Not the package, which a path or an import names.
    assert {name for name in spoken if name != "runstream_ingest"} - exposed == set()


def test_pages_name_every_alert(root: Path) -> None:
    rules = set(re.findall(r"alert: (\w+)", (root / "deploy/prometheus/rules/runstream.yml").read_text()))
    page = (root / "docs/operations.md").read_text()
    assert set(re.findall(r"`((?:Runstream|Kafka|ClickHouse)[A-Z]\w+)`", page)) == rules


def test_grafana_reads_as_the_user_that_clickhouse_has(services: Services, root: Path) -> None:
    [source] = yaml.safe_load((root / "deploy/grafana/provisioning/datasources/clickhouse.yml").read_text())[
        "datasources"
    ]
    assert source["jsonData"]["username"] == "grafana"
    assert source["jsonData"]["host"] in services
    plugin, _, version = services["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].partition("@")
    assert (source["type"], source["jsonData"]["version"]) == (plugin, version)
    assert source["secureJsonData"]["password"].removeprefix("$") in services["grafana"]["environment"]


def test_a_grafana_on_a_laptop_has_the_same_but_for_where_things_are(services: Services, root: Path) -> None:
    def provisioned(place: str, file: str) -> Any:
        return yaml.safe_load((root / "deploy/grafana" / place / file).read_text())

    laptop, compose = (provisioned(place, "datasources/clickhouse.yml") for place in ("laptop", "provisioning"))
    del compose["datasources"][0]["secureJsonData"]
    compose["datasources"][0]["jsonData"] |= {"host": "127.0.0.1", "username": "default"}
    assert laptop == compose
    laptop, compose = (provisioned(place, "dashboards/runstream.yml") for place in ("laptop", "provisioning"))
    compose["providers"][0]["options"]["path"] = "$RUNSTREAM_DASHBOARDS"
    assert laptop == compose
    page = (root / "docs/dashboards.md").read_text()
    for told in ("RUNSTREAM_DASHBOARDS=", services["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]):
        assert told in page


def test_grafana_loads_the_dashboards_from_where_they_are_mounted(services: Services, root: Path) -> None:
    [provider] = yaml.safe_load((root / "deploy/grafana/provisioning/dashboards/runstream.yml").read_text())[
        "providers"
    ]
    mounts = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    [place] = [source for source, target in mounts.items() if target == provider["options"]["path"]]
    dashboards = [json.loads(path.read_text()) for path in (root / place).glob("*.json")]
    assert dashboards and len({one["title"] for one in dashboards}) == len(dashboards)
    # What `push` makes and what is loaded from files are one folder.
    assert (provider["folderUid"], provider["allowUiUpdates"]) == (push.FOLDER_UID, False)
    for one in dashboards:
        chosen = {v["current"]["value"] for v in one["templating"]["list"] if v["type"] == "datasource"}
        assert chosen <= {"clickhouse", "prometheus"}
