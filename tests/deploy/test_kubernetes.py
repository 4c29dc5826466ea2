import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runstream_schemas import settings

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifests(root: Path) -> dict[tuple[str, str], Manifest]:
    """Every manifest of docs/kubernetes.md by kind and name."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (root / "docs/kubernetes.md").read_text(), re.MULTILINE | re.DOTALL)
    found = [manifest for block in blocks for manifest in yaml.safe_load_all(block)]
    named = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}
    assert len(named) == len(found) >= 9
    return named


@pytest.fixture(scope="module")
def pods(manifests: dict[tuple[str, str], Manifest]) -> list[Manifest]:
    """The pods of the workers and of the job."""
    return [manifest["spec"]["template"] for (kind, _), manifest in manifests.items() if kind in ("Deployment", "Job")]


def containers(pods: list[Manifest]) -> list[Manifest]:
    return [one for pod in pods for kind in ("initContainers", "containers") for one in pod["spec"].get(kind, [])]


def test_pods_run_as_the_image_s_user_and_cannot_write(pods: list[Manifest], root: Path) -> None:
    dockerfile = (root / "Dockerfile").read_text()
    for pod in pods:
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in dockerfile
    for container in containers(pods):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])


def test_images_are_pinned(pods: list[Manifest]) -> None:
    assert {container["image"] for container in containers(pods)} == {"registry.example/runstream:0.1.0"}


def test_what_pods_refer_to_is_defined(manifests: dict[tuple[str, str], Manifest], pods: list[Manifest]) -> None:
    for pod in pods:
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        maps = [volume["configMap"]["name"] for volume in volumes.values() if "configMap" in volume]
        assert {("ConfigMap", name) for name in maps} <= set(manifests)
        for container in containers([pod]):
            assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
            for source in container["envFrom"]:
                [(kind, reference)] = source.items()
                assert ({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"]) in manifests


def test_settings_are_known_and_secrets_are_empty(manifests: dict[tuple[str, str], Manifest]) -> None:
    from runstream_ingest import settings as worker

    known = {f"RUNSTREAM_{name.upper()}" for name in settings.DESCRIPTIONS}
    known |= {f"RUNSTREAM_INGEST_{name.upper()}" for name in worker.DESCRIPTIONS}
    given = [manifest.get("data", manifest.get("stringData", {})) for manifest in manifests.values()]
    assert {name for data in given for name in data if name.startswith("RUNSTREAM_")} - known == set()
    for (kind, _), manifest in manifests.items():
        assert kind != "Secret" or set(manifest["stringData"].values()) == {""}


def test_worker_is_selected_probed_and_scraped_at_its_port(
    manifests: dict[tuple[str, str], Manifest], root: Path
) -> None:
    spec = manifests["Deployment", "runstream-ingest"]["spec"]
    pod = spec["template"]
    budget = manifests["PodDisruptionBudget", "runstream-ingest"]["spec"]
    assert spec["selector"]["matchLabels"] == budget["selector"]["matchLabels"] == pod["metadata"]["labels"]
    [worker] = pod["spec"]["containers"]
    [port] = worker["ports"]
    assert f"RUNSTREAM_INGEST_METRICS_PORT={port['containerPort']}" in (root / "Dockerfile").read_text()
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    for probe in ("readinessProbe", "livenessProbe"):
        assert worker[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}


def test_autoscaler_follows_the_worker_s_group_up_to_one_worker_a_partition(
    manifests: dict[tuple[str, str], Manifest],
) -> None:
    scaled = manifests["ScaledObject", "runstream-ingest"]["spec"]
    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in manifests
    assert "replicas" not in manifests["Deployment", "runstream-ingest"]["spec"], "two would own the number"
    [topics] = manifests["Job", "runstream-setup"]["spec"]["template"]["spec"]["initContainers"]
    partitions = topics["command"][topics["command"].index("--partitions") + 1]
    assert scaled["maxReplicaCount"] == int(partitions)
    [trigger] = scaled["triggers"]
    assert trigger["metadata"]["consumerGroup"] == "runstream.ingest"
    assert trigger["metadata"]["topic"] == "runstream.metric"
    assert ("TriggerAuthentication", trigger["authenticationRef"]["name"]) in manifests
    assert trigger["metadata"]["bootstrapServers"] == manifests["ConfigMap", "runstream"]["data"][
        "RUNSTREAM_URL"
    ].removeprefix("kafka://")


def test_commands_exist_with_the_options_that_are_given(pods: list[Manifest]) -> None:
    for container in containers(pods):
        words = container.get("command", ["runstream-ingest", *container.get("args", [])])
        command = [word for word in words if word.isalpha() or "ingest" in word]
        program = [str(Path(sys.executable).parent / command[0]), *command[1:], "--help"]
        shown = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0, shown.stderr
        assert [word for word in words if word.startswith("--") and word not in shown.stdout] == []
