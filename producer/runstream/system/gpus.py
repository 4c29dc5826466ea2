"""NVIDIA GPUs through NVML (`nvidia-ml-py`): what they are and how busy they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..forks import no_fork

_NO_GPU_MACHINE: Final = ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded", "NVMLError_NoPermission")
"""What NVML says on a machine without its driver: nothing is broken there."""

_NOT_OFFERED: Final = ("NVMLError_NotSupported", "NVMLError_NoPermission")
"""What it says of a value that this kind of GPU does not have, such as the power of a MIG slice."""


class Gpus:
    """The GPUs of this job on this node. Use `open_gpus`."""

    def __init__(self, nvml: Any, indices: Sequence[int]) -> None:
        self._nvml = nvml
        self._handles = {index: nvml.nvmlDeviceGetHandleByIndex(index) for index in indices}

    @property
    def driver(self) -> str:
        """Version of the driver. Raises NVML's errors."""
        return _text(self._nvml.nvmlSystemGetDriverVersion())

    def names(self) -> dict[int, str]:
        """The model of each GPU by its number on the node. Raises NVML's errors."""
        return {index: _text(self._nvml.nvmlDeviceGetName(handle)) for index, handle in self._handles.items()}

    def sample(self) -> dict[str, float]:
        """`gpu.N.utilization` and `gpu.N.memory_percent` in percent, `.memory_bytes`, `.temperature_c`, `.power_w`.

        A value that a GPU does not have is left out. Raises NVML's other errors, such as for a GPU off the bus.
        """
        values: dict[str, float] = {}
        for index, handle in self._handles.items():
            for read in (self._utilization, self._memory, self._temperature, self._power):
                for name, value in self._offered(read, handle).items():
                    values[f"gpu.{index}.{name}"] = float(value)
        return values

    def _utilization(self, handle: Any) -> dict[str, float]:
        return {"utilization": self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu}

    def _memory(self, handle: Any) -> dict[str, float]:
        info = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return {"memory_bytes": info.used, "memory_percent": 100 * info.used / info.total if info.total else 0.0}

    def _temperature(self, handle: Any) -> dict[str, float]:
        return {"temperature_c": self._nvml.nvmlDeviceGetTemperature(handle, self._nvml.NVML_TEMPERATURE_GPU)}

    def _power(self, handle: Any) -> dict[str, float]:
        return {"power_w": self._nvml.nvmlDeviceGetPowerUsage(handle) / 1000}

    def _offered(self, read: Callable[[Any], dict[str, float]], handle: Any) -> dict[str, float]:
        try:
            return read(handle)
        except self._nvml.NVMLError as error:
            if type(error).__name__ in _NOT_OFFERED:
                return {}
            raise


def open_gpus(environ: Mapping[str, str], nvml: Any = None) -> Gpus | None:
    """The GPUs that this job may use; None without NVML's Python module, driver, or GPUs.

    `nvml` is the module, by default `pynvml`. Takes up to a second on a machine with many GPUs. Raises NVML's errors
    where there is a driver that does not work.
    """
    if nvml is None:
        try:
            with no_fork:
                nvml = importlib.import_module("pynvml")
        except ImportError:
            return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if type(error).__name__ in _NO_GPU_MACHINE:
            return None
        raise
    count = nvml.nvmlDeviceGetCount()
    uuids = [_text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(index))) for index in range(count)]
    indices = chosen_gpus(environ, uuids)
    return Gpus(nvml, indices) if indices else None


def chosen_gpus(environ: Mapping[str, str], uuids: Sequence[str]) -> list[int]:
    """Which of the node's GPUs belong to this job; `uuids` are those of all of them, by number.

    SLURM says it for the job, CUDA_VISIBLE_DEVICES for this process. Where neither speaks, or speaks of numbers that
    are not there (a container that shows a part of the GPUs numbers them anew), all of them.
    """
    for name in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES"):
        value = environ.get(name)
        if value is None:
            continue
        entries = [entry.strip() for entry in value.split(",") if entry.strip()]
        if name == "CUDA_VISIBLE_DEVICES" and entries[:1] in ([], ["-1"], ["NoDevFiles"]):
            return []
        indices = [_index(entry, uuids) for entry in entries]
        if indices and None not in indices:
            return sorted({index for index in indices if index is not None})
    return list(range(len(uuids)))


def _index(entry: str, uuids: Sequence[str]) -> int | None:
    if entry.isascii() and entry.isdigit():
        return int(entry) if int(entry) < len(uuids) else None
    matching = [index for index, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
