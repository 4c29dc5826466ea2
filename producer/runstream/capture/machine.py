"""Facts about the software and the machine that a run's speed and results depend on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..system.cgroup import ControlGroup
from ..system.gpus import open_gpus


def capture_machine(
    environ: Mapping[str, str],
    modules: Mapping[str, Any],
    *,
    root: Path = Path("/"),
    group: ControlGroup | None = None,
    nvml: Any = None,
) -> dict[str, str]:
    """The facts by name; what cannot be told is left out. Never raises.

    `modules` are the imported ones (`sys.modules`): torch is asked only if the training code has imported it. Looking
    for GPUs may take a second.
    """
    group = group or ControlGroup()
    facts: dict[str, Callable[[], Any]] = {
        "python": platform.python_version,
        "python_implementation": platform.python_implementation,
        "platform": platform.platform,
        "os": lambda: _os_name(root),
        "kernel": platform.release,
        "machine": platform.machine,
        "cpu": lambda: _cpu_model(root),
        "cpu_count": os.cpu_count,
        "cpu_usable": lambda: len(os.sched_getaffinity(0)),
        "cpu_limit": lambda: None if group.cpu_limit() is None else f"{group.cpu_limit():g}",
        "memory_bytes": lambda: os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "memory_limit_bytes": group.memory_limit,
        "container": lambda: _container(environ, root),
    }
    torch = modules.get("torch")
    if torch is not None:
        facts |= {
            "torch": lambda: torch.__version__,
            "cuda": lambda: torch.version.cuda,
            "rocm": lambda: getattr(torch.version, "hip", None),
            "cudnn": lambda: torch.backends.cudnn.version() if torch.version.cuda else None,
            "nccl": lambda: ".".join(map(str, torch.cuda.nccl.version())) if torch.version.cuda else None,
        }
    told = {name: value for name, tell in facts.items() if (value := _told(tell))}
    return {**told, **_gpu_facts(environ, root, nvml)}


def device_of_rank(gpus: str, local_rank: int, modules: Mapping[str, Any]) -> str:
    """The accelerator that a rank uses by convention, such as `NVIDIA H100 (cuda:0)`: the one with its local number.

    `gpus` is the fact of that name. Empty without GPUs, or when no framework that could use one is imported.
    """
    names = gpus.split(", ") if gpus else []
    if not names or not any(name in modules for name in ("torch", "jax", "tensorflow", "cupy")):
        return ""
    number = local_rank if local_rank < len(names) else 0
    return f"{names[number]} (cuda:{number})"


def _told(tell: Callable[[], Any]) -> str:
    try:
        value = tell()
    except Exception:
        # Half-imported modules, missing files, systems without the call: a fact less.
        return ""
    return "" if value is None else str(value)


def _gpu_facts(environ: Mapping[str, str], root: Path, nvml: Any) -> dict[str, str]:
    """The driver's version and the GPUs' models: from NVML, else from the driver's files."""
    try:
        gpus = open_gpus(environ, nvml)
        if gpus is not None:
            return {"driver": gpus.driver, "gpus": ", ".join(gpus.names().values())}
    except Exception:
        # A broken NVML is reported by the sampler, which meets it too.
        pass
    version = re.search(r"Kernel Module\D*([\d.]+)", _text(root / "proc/driver/nvidia/version"))
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = [match[1] for file in files if (match := re.search(r"^Model:\s*(.*\S)", _text(file), re.MULTILINE))]
    facts = {"driver": version[1] if version else "", "gpus": ", ".join(models)}
    return {name: value for name, value in facts.items() if value}


def _os_name(root: Path) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text(root / "etc/os-release"), re.MULTILINE)
    return match[1] if match else platform.system()


def _cpu_model(root: Path) -> str:
    match = re.search(r"^model name\s*: (.*)", _text(root / "proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else platform.processor()


def _container(environ: Mapping[str, str], root: Path) -> str:
    """What kind of container this is, by the marks that each leaves; empty for none."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    if "APPTAINER_CONTAINER" in environ or "SINGULARITY_CONTAINER" in environ:
        return "apptainer"
    if (root / ".dockerenv").exists():
        return "docker"
    return "podman" if (root / "run/.containerenv").exists() else ""


def _text(file: Path) -> str:
    try:
        with file.open(errors="replace") as stream:
            return stream.read(16 * 1024)
    except OSError:
        return ""
