"""Which process of which job this is, as its launcher left it in the environment. Pure over the mapping.

Known are runstream's own `RUNSTREAM_*`, torchrun and everything that imitates it, MPI (Open MPI, MVAPICH2, MPICH and
Intel MPI, PMIx) and SLURM's srun, in this order: the innermost launcher counts, so a torchrun started by srun is
believed and srun is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_FIRST_RESERVED_STEP: Final = 0xFFFF_FFF0
"""SLURM numbers its batch, extern and interactive steps from the top of 32 bits: no srun started them."""

_THIS_HOST: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Values of MASTER_ADDR that only a job of one node can use."""

_JOB_IDS: Final = ("RUNSTREAM_JOB_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")
_NODES: Final = ("RUNSTREAM_NODE", "GROUP_RANK", "NODE_RANK", "SLURM_NODEID")


@dataclass(frozen=True)
class Ranks:
    """A process's place in its job."""

    launcher: str
    """runstream, torchrun, mpi, slurm, or none."""
    rank: int
    local_rank: int
    world_size: int
    one_node: bool
    """True when all ranks are known to be on this node."""


def read_ranks(environ: Mapping[str, str]) -> Ranks:
    """The place that the innermost launcher gave this process; rank 0 of 1 where no launcher speaks.

    What a launcher left damaged or incomplete is passed over. Raises ValueError only for `RUNSTREAM_*` variables.
    """
    for ranks in _candidates(environ):
        if ranks is not None and 0 <= ranks.rank < ranks.world_size:
            return ranks
    return Ranks("none", 0, 0, 1, one_node=True)


def node_number(environ: Mapping[str, str]) -> int:
    """Number of the node in the job, 0 where no launcher says."""
    return _first(environ, *_NODES) or 0


def job_id(environ: Mapping[str, str]) -> str:
    """The scheduler's id of the job, else torchrun's, else empty."""
    return next((environ[name] for name in _JOB_IDS if environ.get(name)), "") or torchrun_id(environ) or ""


def torchrun_id(environ: Mapping[str, str]) -> str | None:
    """The rendezvous id of torchrun; None for its default `none`, which every job in the world has."""
    value = environ.get("TORCHELASTIC_RUN_ID", "").strip()
    return value if value and value.lower() != "none" else None


def slurm_step(environ: Mapping[str, str]) -> tuple[str, str, str] | None:
    """(cluster, job, step) that all ranks of one srun share; None outside of a step that srun started."""
    job, step = environ.get("SLURM_JOB_ID"), _first(environ, "SLURM_STEP_ID", "SLURM_STEPID")
    if not job or step is None or step >= _FIRST_RESERVED_STEP:
        return None
    return environ.get("SLURM_CLUSTER_NAME", ""), job, str(step)


def _candidates(environ: Mapping[str, str]) -> Iterator[Ranks | None]:
    yield _runstream(environ)
    yield _torchrun(environ)
    for prefix in ("OMPI_COMM_WORLD_", "MV2_COMM_WORLD_"):
        names = (prefix + "RANK", prefix + "LOCAL_RANK", prefix + "SIZE", prefix + "LOCAL_SIZE")
        yield _sized("mpi", *(_first(environ, name) for name in names))
    # MPICH's mpirun inside of a batch script inherits SLURM_PROCID=0 from it, so MPI is asked before SLURM.
    yield _sized(
        "mpi",
        _first(environ, "PMI_RANK"),
        _first(environ, "MPI_LOCALRANKID"),
        _first(environ, "PMI_SIZE"),
        _first(environ, "MPI_LOCALNRANKS"),
    )
    yield _slurm(environ)


def _runstream(environ: Mapping[str, str]) -> Ranks | None:
    names = ("RUNSTREAM_RANK", "RUNSTREAM_LOCAL_RANK", "RUNSTREAM_WORLD_SIZE", "RUNSTREAM_LOCAL_WORLD_SIZE")
    for name in names:
        if environ.get(name) and _first(environ, name) is None:
            raise ValueError(f"{name} is {environ[name]!r}; it must be a whole number, 0 or above")
    rank, local_rank, world_size, local_size = (_first(environ, name) for name in names)
    if rank is None and world_size is None:
        return None
    if rank is None or world_size is None or rank >= world_size:
        raise ValueError(
            f"RUNSTREAM_RANK is {rank} and RUNSTREAM_WORLD_SIZE is {world_size}; set both, and the rank below the size"
        )
    return _sized("runstream", rank, local_rank, world_size, local_size)


def _torchrun(environ: Mapping[str, str]) -> Ranks | None:
    world_size = _first(environ, "WORLD_SIZE")
    local_size = _first(environ, "LOCAL_WORLD_SIZE", "LOCAL_SIZE")
    if local_size is None and environ.get("MASTER_ADDR") in _THIS_HOST:
        local_size = world_size
    return _sized("torchrun", _first(environ, "RANK"), _first(environ, "LOCAL_RANK"), world_size, local_size)


def _slurm(environ: Mapping[str, str]) -> Ranks | None:
    if slurm_step(environ) is None:
        # A batch script sees SLURM_PROCID=0 and SLURM_NTASKS=8 as well, but is one process.
        return None
    world_size = _first(environ, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    nodes = _first(environ, "SLURM_STEP_NUM_NODES", "SLURM_NNODES")
    local_size = world_size if nodes == 1 else None
    return _sized("slurm", _first(environ, "SLURM_PROCID"), _first(environ, "SLURM_LOCALID"), world_size, local_size)


def _sized(
    launcher: str, rank: int | None, local_rank: int | None, world_size: int | None, local_size: int | None
) -> Ranks | None:
    if rank is None or world_size is None:
        return None
    one_node = world_size in (1, local_size)
    return Ranks(launcher, rank, (rank if one_node else 0) if local_rank is None else local_rank, world_size, one_node)


def _first(environ: Mapping[str, str], *names: str) -> int | None:
    """The first of these variables that holds a whole number of 0 or above."""
    for name in names:
        value = environ.get(name, "").strip()
        if value.isascii() and value.isdigit() and len(value) < 12:
            return int(value)
    return None
