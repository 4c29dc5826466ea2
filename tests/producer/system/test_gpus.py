from __future__ import annotations

import types
from typing import Any

import pytest

from runstream.capture.machine import capture_machine
from runstream.system.counters import Counters
from runstream.system.gpus import chosen_gpus, open_gpus
from runstream.system.sampler import SystemSampler


class NVMLError(Exception):
    pass


class NVMLError_NotSupported(NVMLError):  # noqa: N801 - the name that pynvml gives it
    pass


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801
    pass


class FakeNvml:
    """NVML of a machine with two GPUs; the second is old and tells no power."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, broken: dict[str, Exception] | None = None) -> None:
        self.broken = broken or {}

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "broken"):
            raise self.broken[name]
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index + 100

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}aa"

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:  # noqa: N802
        return "NVIDIA H100" if handle == 100 else b"NVIDIA A100"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "550.54"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return types.SimpleNamespace(gpu=handle - 50)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return types.SimpleNamespace(used=handle, total=400)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        return 60 + sensor

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if handle == 101:
            raise NVMLError_NotSupported
        return 350_500


class NoCounters:
    def read(self) -> Counters:
        return Counters()


def sampler(nvml: FakeNvml, said: list[str]) -> SystemSampler:
    return SystemSampler(NoCounters(), gpus=lambda: open_gpus({}, nvml), warn=said.append)


def test_each_gpu_is_sampled_and_what_one_lacks_is_left_out() -> None:
    said: list[str] = []
    assert sampler(FakeNvml(), said).sample() == {
        "system/gpu.0.utilization": 50.0,
        "system/gpu.0.memory_bytes": 100.0,
        "system/gpu.0.memory_percent": 25.0,
        "system/gpu.0.temperature_c": 60.0,
        "system/gpu.0.power_w": 350.5,
        "system/gpu.1.utilization": 51.0,
        "system/gpu.1.memory_bytes": 101.0,
        "system/gpu.1.memory_percent": 25.25,
        "system/gpu.1.temperature_c": 60.0,
    }
    assert said == []


def test_a_gpu_that_is_lost_is_reported_once_and_training_goes_on() -> None:
    said: list[str] = []
    nvml = FakeNvml()
    subject = sampler(nvml, said)
    assert subject.sample()
    nvml.broken["nvmlDeviceGetMemoryInfo"] = NVMLError_GpuIsLost("GPU is lost")
    assert [subject.sample(), subject.sample()] == [{}, {}]
    assert len(said) == 1
    assert "GPU is lost" in said[0]


def test_a_broken_nvml_is_reported_once_and_not_asked_again() -> None:
    said: list[str] = []
    nvml = FakeNvml({"nvmlInit": NVMLError("driver mismatch")})
    subject = sampler(nvml, said)
    assert [subject.sample(), subject.sample()] == [{}, {}]
    assert len(said) == 1
    nvml.broken.clear()
    assert subject.sample() == {}


def test_a_machine_without_a_driver_is_nothing_to_report() -> None:
    said: list[str] = []
    assert sampler(FakeNvml({"nvmlInit": NVMLError_LibraryNotFound()}), said).sample() == {}
    assert said == []


def test_a_machine_without_the_python_module_has_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert open_gpus({}) is None


def test_models_and_driver_are_captured() -> None:
    facts = capture_machine({}, {}, nvml=FakeNvml())
    assert (facts["gpus"], facts["driver"]) == ("NVIDIA H100, NVIDIA A100", "550.54")


UUIDS = ["GPU-aa11", "GPU-bb22", "GPU-cc33", "GPU-cc44"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, [0, 2]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,7"}, [0, 1, 2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-cc"}, [0, 1, 2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1234"}, [0, 1, 2, 3]),
        ({"SLURM_JOB_GPUS": "1,2", "CUDA_VISIBLE_DEVICES": "0"}, [1, 2]),
        ({"SLURM_JOB_GPUS": "6,7", "CUDA_VISIBLE_DEVICES": "0,1"}, [0, 1]),
    ],
)
def test_the_gpus_of_the_job_are_sampled(environ: dict[str, str], expected: list[int]) -> None:
    assert chosen_gpus(environ, UUIDS) == expected
