"""Which run this process belongs to.

Every rank of a job must arrive at the same run id without talking to the others, and two jobs must never arrive at the
same one. The run id is the first of these that applies:

1. `argument` or `RUNSTREAM_RUN_ID`: what the user says.
2. `process`: a job of one process gets a fresh UUIDv7.
3. `slurm`: ranks started by srun share UUIDv5 of (cluster, job, step, n), on one node as on many: a requeued job keeps
   its run, and wrapper scripts between srun and Python do no harm.
4. `node`: all ranks on this node share UUIDv5 of (boot id, parent's pid and start time, n): the parent is the launcher.
5. `slurm` or `torchrun`: ranks of another launcher on several nodes share UUIDv5 of the SLURM ids or of torchrun's id.
6. `node` with a warning: several nodes without a common id; every node makes its own run.

n counts the `init` calls of this process. `identify` is pure; only `read_facts` looks at the machine.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .ranks import Ranks, job_id, node_number, read_ranks, slurm_step, torchrun_id

_NAMESPACE: Final = uuid.UUID("6d1f3c52-7d6b-5f0e-9b1a-52756e537472")
"""Namespace of all UUIDv5 made here. Changing it changes the run id of every named and every multi-rank run."""

_DAMAGED_UUID: Final = re.compile(
    r"\w{8}-\w{4}-\w{4}-\w{4}-\w{12}|[0-9a-fA-F]{6,10}(-[0-9a-fA-F]{2,6}){3}-[0-9a-fA-F]{8,16}"
)
"""The right shape with wrong characters, or the right characters with some missing or too many."""

_MAX_NAMED_ID_CHARACTERS: Final = 512
"""A longer run id is a mistake, such as a file's content in place of its name."""


@dataclass(frozen=True)
class ProcessFacts:
    """What tells this process's launcher from every other on this machine."""

    boot_id: str
    """Changes at every boot; includes the pid namespace, because containers of one host share the kernel's id."""
    parent_pid: int
    """Process id of the launcher; this process's own where the parent is outside its pid namespace."""
    parent_start: int
    """When that process started, in clock ticks since boot; tells reused pids apart. 0 where it cannot be read."""


@dataclass(frozen=True)
class JobIdentity:
    """Which run this process belongs to and which part of the job it is."""

    run_id: uuid.UUID
    run_id_source: str
    """argument, RUNSTREAM_RUN_ID, process, slurm, node or torchrun: the rule that applied."""
    rank: int
    local_rank: int
    world_size: int
    node: int
    """Number of the node in the job, 0 where the launcher does not say."""
    job_id: str
    """Id of the job in its scheduler, empty without one."""
    warning: str | None
    """To be said once to the user, when the nodes of one job could not agree on a run id."""


def identify(
    environ: Mapping[str, str],
    facts: ProcessFacts,
    n: int,
    run_id: str | uuid.UUID | None = None,
    *,
    new_id: Callable[[], uuid.UUID] | None = None,
) -> JobIdentity:
    """Work out the identity of the n-th `init` of this process (n from 0).

    `new_id` makes the id of a job of one process; default `uuid7`. Raises ValueError, with a message for the user, for
    a run id that is empty, too long or a damaged UUID, and for `RUNSTREAM_*` variables that are no ranks.
    """
    ranks = read_ranks(environ)
    warning = None
    if run_id is not None:
        source, chosen = "argument", parse_run_id(run_id, "run_id")
    elif environ.get("RUNSTREAM_RUN_ID"):
        source, chosen = "RUNSTREAM_RUN_ID", parse_run_id(environ["RUNSTREAM_RUN_ID"], "RUNSTREAM_RUN_ID")
    elif ranks.world_size == 1:
        source, chosen = "process", (new_id or uuid7)()
    else:
        source, scope = _shared_scope(environ, facts, ranks)
        chosen = _uuid5(source, *scope, n)
        if source == "node" and not ranks.one_node and ranks.local_rank == 0:
            warning = (
                f"this job has {ranks.world_size} ranks but no id that all its nodes share, so every node makes its "
                "own run; set RUNSTREAM_RUN_ID to the same value on every node to have one run"
            )
    return JobIdentity(
        run_id=chosen,
        run_id_source=source,
        rank=ranks.rank,
        local_rank=ranks.local_rank,
        world_size=ranks.world_size,
        node=node_number(environ),
        job_id=job_id(environ),
        warning=warning,
    )


def parse_run_id(value: str | uuid.UUID, name: str = "run_id") -> uuid.UUID:
    """The UUID that a user's run id means: a UUID itself, any other text by UUIDv5, so that ids may be names.

    The same text always means the same run. Raises ValueError, naming `name`, for other types, for empty or overlong
    text, and for text that is written like a UUID but is none (a damaged id must not silently become another run).
    """
    if isinstance(value, uuid.UUID):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string or a uuid.UUID, not {type(value).__name__}")
    text = value.strip()
    if not text or len(text) > _MAX_NAMED_ID_CHARACTERS:
        raise ValueError(f"{name} must have 1 to {_MAX_NAMED_ID_CHARACTERS} characters, not {len(text)}")
    try:
        return uuid.UUID(text)
    except ValueError:
        pass
    if _DAMAGED_UUID.fullmatch(text):
        raise ValueError(f"{name} is {text!r}, which looks like a UUID but is none; use a UUID or any other name")
    return _uuid5("name", text)


def uuid7(unix_ms: int | None = None) -> uuid.UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix time in milliseconds, then 74 random bits.

    Ids therefore sort by the time they were made, and their last characters tell them apart.
    """
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    bits = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=bits)


def read_facts(proc: Path = Path("/proc")) -> ProcessFacts:
    """Look at this machine and this process's parent. Never raises; what cannot be read is empty or 0."""
    try:
        boot_id = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = socket.gethostname()
    try:
        namespace = str((proc / "self/ns/pid").readlink())
    except OSError:
        namespace = ""
    pid = os.getppid() or os.getpid()
    return ProcessFacts(f"{boot_id}/{namespace}", pid, _start_time(proc, pid))


def _start_time(proc: Path, pid: int) -> int:
    try:
        # Field 22 of proc(5) stat, counted behind the command name, which may itself hold blanks and parentheses.
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _shared_scope(environ: Mapping[str, str], facts: ProcessFacts, ranks: Ranks) -> tuple[str, tuple[object, ...]]:
    """The rule that gives several ranks one run id, and what all of them know and no other job knows."""
    step, torchrun = slurm_step(environ), torchrun_id(environ)
    if step and (ranks.launcher == "slurm" or not ranks.one_node):
        return "slurm", step
    if torchrun and not ranks.one_node:
        return "torchrun", (torchrun,)
    scope: tuple[object, ...] = (facts.boot_id, facts.parent_pid, facts.parent_start)
    if facts.parent_pid == 1 and "TORCHELASTIC_RUN_ID" not in environ:
        # Orphans of a launcher that ended all have process 1 as their parent; jobs that run at once differ in the port.
        scope += (environ.get("MASTER_ADDR", ""), environ.get("MASTER_PORT", ""))
    return "node", scope


def _uuid5(*parts: object) -> uuid.UUID:
    """UUIDv5 of the parts, separated by a character that environment variables cannot hold."""
    name = "\0".join(map(str, parts))
    return uuid.uuid5(_NAMESPACE, name.encode("utf-8", "backslashreplace").decode())
