from __future__ import annotations

import hashlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from runstream.capture import capture_run
from runstream.capture.bounds import cut_to_bytes, keep_first
from runstream.capture.command import capture_command
from runstream.capture.environment import MAX_VARIABLES, capture_variables
from runstream.capture.machine import capture_machine, device_of_rank
from runstream.capture.packages import capture_packages, packages_hash
from runstream.identity import ProcessFacts, identify
from runstream_schemas.avro import current
from runstream_schemas.limits import MAX_EVENT_BYTES

FACTS = ProcessFacts("boot", 2, 3)
UNKNOWN_TO_THIS_RANK: dict[str, Any] = {
    "code": {"commit": "", "branch": "", "remote": "", "dirty": False, "diff": "", "untracked": []},
    "packages": [],
    "packages_hash": "",
    "environment": {},
    "command": [],
}


def run_event(captured: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": "0190a7c2-7b1e-7c3a-9d2f-0123456789ab",
        "rank": 0,
        "attempt": 1,
        "time": 1,
        "experiment": "",
        "name": "",
        "user": "",
        "world_size": 1,
        "local_rank": 0,
        "node": 0,
        "job_id": "",
        "host": "",
        "pid": 1,
        "resume": "allow",
        "start_step": None,
        "crash_safe": True,
        **captured,
    }


def test_what_is_captured_fits_the_run_event() -> None:
    captured = capture_run(identify({}, FACTS, 0), sys.argv)
    event = run_event(captured)
    schema = current("run")
    assert schema.decode_datum(schema.encode_datum(event)) == {**event, "run_id": schema.decode_datum(
        schema.encode_datum(event))["run_id"]}  # fmt: skip
    assert captured["environment"]["python"] == sys.version.split()[0]
    assert int(captured["environment"]["memory_bytes"]) > 0
    assert captured["command"][1:] == [argument for argument in captured["command"][1:] if argument in sys.argv]
    assert any(package.startswith("fastavro==") for package in captured["packages"])


def test_other_ranks_capture_their_device_only() -> None:
    environ = {"RUNSTREAM_RANK": "1", "RUNSTREAM_WORLD_SIZE": "2"}
    captured = capture_run(identify(environ, FACTS, 0), sys.argv)
    assert captured == {**UNKNOWN_TO_THIS_RANK, "device": ""}


def test_the_largest_capture_still_fits_into_one_event(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(6000):
        (tmp_path / f"{'p' * 20}{number}-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    environ = {f"SLURM_{number:04}": "é" * 5000 for number in range(500)}
    captured = capture_run(identify({}, FACTS, 0), ["é" * 10_000] * 5000, environ={**environ, "PATH": ""})
    captured["code"]["diff"] = "x" * 256 * 1024
    captured["code"]["untracked"] = keep_first(["é" * 200] * 10_000)
    assert len(current("run").encode(run_event(captured))) <= MAX_EVENT_BYTES


def test_the_working_directory_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert capture_run(identify({}, FACTS, 0), ["x"])["command"] == ["x"]


def test_packages_are_sorted_normalized_and_the_first_on_the_path_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for entry in (
        "Typing_Extensions-4.1.dist-info",
        "numpy-2.0.0+cu121.dist-info",
        "old-name-1.0-py3.11.egg-info",
        "x.py",
    ):
        (first / entry).mkdir(parents=True)
    for entry in ("numpy-1.0.dist-info", "scipy-1.2.dist-info", "dev.egg-info"):
        (second / entry).mkdir(parents=True)
    (second / "dev.egg-info" / "PKG-INFO").write_text("Name: dev\nVersion: 0.3\n")
    packages = capture_packages([str(first), str(second), str(tmp_path / "missing")])
    assert packages == [
        "dev==0.3",
        "numpy==2.0.0+cu121",
        "old-name==1.0",
        "scipy==1.2",
        "typing-extensions==4.1",
    ]
    assert packages_hash(packages) == hashlib.sha256("\n".join(packages).encode()).hexdigest()


def test_packages_agree_with_importlib() -> None:
    import importlib.metadata
    import re

    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    # Some write v0.1, which is the same version.
    known = {f"{normal(one.name)}=={one.version.removeprefix('v')}" for one in importlib.metadata.distributions()}
    assert set(capture_packages(sys.path)) == known


def test_only_listed_variables_are_recorded_and_without_secrets() -> None:
    environ = {
        "SLURM_JOB_ID": "7",
        "SLURM_JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "NCCL_DEBUG": "INFO",
        "NCCL_SECRET": "x",
        "PYTHONPATH": "\udcff" + "x" * 5000,
        "HF_TOKEN": "hf_x",
        "HOME": "/root",
        "DATABASE_URL": "postgres://u:p@h",
    }
    captured = capture_variables(environ)
    assert captured.keys() == {
        "env.SLURM_JOB_ID",
        "env.SLURM_JWT",
        "env.CUDA_VISIBLE_DEVICES",
        "env.NCCL_DEBUG",
        "env.NCCL_SECRET",
        "env.PYTHONPATH",
    }
    assert captured["env.NCCL_SECRET"] == captured["env.SLURM_JWT"] == "[redacted]"
    assert captured["env.CUDA_VISIBLE_DEVICES"] == "0,1"
    assert len(captured["env.PYTHONPATH"]) < 1100
    assert len(capture_variables({f"SLURM_{number}": "" for number in range(999)})) == MAX_VARIABLES


def test_the_command_is_redacted_and_cut() -> None:
    command = capture_command(["train.py", "--api-key", "v", "x" * 5000, *["y" * 100] * 5000])
    assert command[:3] == ["train.py", "--api-key", "[redacted]"]
    assert command[3].endswith("… [cut, 5000 characters]")
    assert command[-1].startswith("… and ")
    assert sum(map(len, command)) < 70_000


def test_bounds_keep_whole_characters_and_count_the_rest() -> None:
    assert cut_to_bytes("éé", 4, "…") == "éé"
    assert cut_to_bytes("ééé", 5, "…") == "é…"
    assert keep_first(["ab", "cd", "e"], 4) == ["ab", "cd", "… and 1 more"]
    assert keep_first(["ab", "cd"], 4) == ["ab", "cd"]


class FakeGroup:
    def cpu_limit(self) -> float | None:
        return 2.5

    def memory_limit(self) -> int | None:
        return 1024


def test_machine_facts_come_from_the_files_of_the_system(tmp_path: Path) -> None:
    files = {
        "etc/os-release": 'NAME=x\nPRETTY_NAME="Debian 12"\n',
        "proc/cpuinfo": "processor: 0\nmodel name\t: AMD EPYC 9654\n",
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5",
        "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA H100\nIRQ: 1\n",
        ".dockerenv": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    nvml = types.SimpleNamespace(NVMLError=RuntimeError, nvmlInit=lambda: 1 / 0)
    facts = capture_machine({}, {}, root=tmp_path, group=FakeGroup(), nvml=nvml)  # type: ignore[arg-type]
    expected = {
        "os": "Debian 12",
        "cpu": "AMD EPYC 9654",
        "cpu_limit": "2.5",
        "memory_limit_bytes": "1024",
        "driver": "550.54.15",
        "gpus": "NVIDIA H100",
        "container": "docker",
        "cpu_count": str(os.cpu_count()),
    }
    assert {name: facts[name] for name in expected} == expected
    assert "torch" not in facts
    kubernetes = capture_machine({"KUBERNETES_SERVICE_HOST": "x"}, {}, root=tmp_path)
    assert kubernetes["container"] == "kubernetes"


def test_torch_is_asked_only_when_imported_and_may_be_half_imported() -> None:
    version = types.SimpleNamespace(cuda="12.4")
    whole = types.SimpleNamespace(
        __version__="2.6.0",
        version=version,
        backends=types.SimpleNamespace(cudnn=types.SimpleNamespace(version=lambda: 90100)),
        cuda=types.SimpleNamespace(nccl=types.SimpleNamespace(version=lambda: (2, 21, 5))),
    )
    facts = capture_machine({}, {"torch": whole})
    assert [facts[name] for name in ("torch", "cuda", "cudnn", "nccl")] == ["2.6.0", "12.4", "90100", "2.21.5"]
    half = capture_machine({}, {"torch": types.SimpleNamespace(__version__="2.6.0")})
    assert (half["torch"], "cuda" in half) == ("2.6.0", False)


def test_a_rank_uses_the_gpu_of_its_local_number_if_anything_could_use_one() -> None:
    assert device_of_rank("A, B", 1, {"torch": None}) == "B (cuda:1)"
    assert device_of_rank("A", 1, {"torch": None}) == "A (cuda:0)"
    assert device_of_rank("A, B", 1, {"numpy": None}) == ""
    assert device_of_rank("", 0, {"torch": None}) == ""
