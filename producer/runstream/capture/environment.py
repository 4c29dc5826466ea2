"""Environment variables that explain a run: an allow-list, since an environment is full of credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..plain import cut_text, valid_text
from ..secrets import redact_value

NAMES: Final = frozenset(
    {
        *(
            "RANK",
            "LOCAL_RANK",
            "WORLD_SIZE",
            "LOCAL_WORLD_SIZE",
            "GROUP_RANK",
            "NODE_RANK",
            "MASTER_ADDR",
            "MASTER_PORT",
        ),
        *("RUNSTREAM_RUN_ID", "RUNSTREAM_RANK", "RUNSTREAM_WORLD_SIZE", "RUNSTREAM_NODE", "RUNSTREAM_JOB_ID"),
        *("PYTHONHASHSEED", "PYTHONPATH", "PYTHONOPTIMIZE", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX"),
        *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "TOKENIZERS_PARALLELISM", "TF_DETERMINISTIC_OPS", "PBS_JOBID", "LSB_JOBID"),
    }
)
"""Variables that are recorded."""

PREFIXES: Final = (
    *("SLURM_", "CUDA_", "NCCL_", "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "TORCH_", "TORCHELASTIC_", "PYTORCH_"),
    *("XLA_", "JAX_", "GLOO_", "UCX_", "FI_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_RANK"),
)
"""Variables that begin like this are recorded too."""

MAX_VALUE_CHARACTERS: Final = 1024
"""Node lists and search paths are longer at times; their beginning says enough."""

MAX_VARIABLES: Final = 128


def capture_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed variables as `env.NAME`, by name, credentials redacted. Never raises."""
    names = sorted(name for name in list(environ) if name in NAMES or name.startswith(PREFIXES))
    return {
        f"env.{name}": cut_text(redact_value(name, valid_text(environ.get(name, ""))), MAX_VALUE_CHARACTERS)
        for name in names[:MAX_VARIABLES]
    }
