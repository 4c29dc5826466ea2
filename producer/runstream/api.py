"""The module-level interface: `init`, and `log` and its kin for the current run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from runstream_schemas.settings import load

from . import endings
from .attempt import RunDescription
from .disabled import DisabledRun
from .identity import identify, read_facts
from .notices import logger
from .run import Run, as_tags
from .seen import SeenAttempts

RESUME = ("allow", "never", "must")
_inits = itertools.count()
_current: Run | DisabledRun | None = None


def init(
    experiment: str = "default",
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | Iterable[str] = (),
    *,
    run_id: str | UUID | None = None,
    resume: Literal["allow", "never", "must"] = "allow",
    start_step: int | None = None,
    dir: str | os.PathLike[str] | None = None,
    url: str | None = None,
    artifacts: str | None = None,
    mode: Literal["online", "disabled"] | None = None,
) -> Run | DisabledRun:
    """Start a run, or a further attempt of one, in this process.

    Every rank of a distributed job calls it; rank and run id come from torchrun, SLURM, MPI or `RUNSTREAM_*`.

    Args:
        experiment: The experiment that holds the run.
        name: The run's name, need not be unique; default: the experiment and the end of the id.
        config: Hyperparameters, nested as you like. Secrets are redacted.
        tags: Names with values, or just names.
        run_id: To resume a run, or to choose the id: a UUID, or any text that always means the same run.
        resume: With an explicit run id: "allow" goes on or begins, "never" raises if it was seen, "must" if it was not.
        start_step: The step that `log` without a step begins at. Given on resume, the new attempt supersedes the
            earlier one's points from its first step on.
        dir: Directory of everything local; see `runstream doctor` for this and the next three.
        url: The event log.
        artifacts: The artifact root.
        mode: "disabled" turns all calls into no-ops.

    Raises:
        ValueError: An argument or a setting is wrong. Nothing else is raised, and nothing later.
    """
    global _current
    settings = load(dir=dir, url=url, artifacts=artifacts, mode=mode)
    if resume not in RESUME:
        raise ValueError(f"resume is {resume!r}; use one of {', '.join(RESUME)}")
    for what, value in (("experiment", experiment), ("name", name if name is not None else "x")):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{what} is {value!r}; use text that is not empty")
    if config is not None and not isinstance(config, Mapping):
        raise ValueError(f"config is a {type(config).__name__}; use a mapping, such as vars(args)")
    if start_step is not None and (isinstance(start_step, bool) or not isinstance(start_step, int)):
        raise ValueError(f"start_step is {start_step!r}; use an integer")
    if settings.mode == "disabled":
        _current = DisabledRun(experiment, name or experiment, dict(config or {}))
        return _current
    identity = identify(os.environ, read_facts(), next(_inits), run_id)
    if identity.run_id_source in ("argument", "RUNSTREAM_RUN_ID") and settings.log_dir is not None:
        _check_resume(
            resume, SeenAttempts(settings.journal_dir).newest(identity.run_id, identity.rank), identity.run_id
        )
    if identity.warning:
        logger.warning("runstream: %s", identity.warning)
    description = RunDescription(
        settings=settings,
        identity=identity,
        experiment=experiment,
        name=name or f"{experiment}-{identity.run_id.hex[-6:]}",
        resume=resume,
        start_step=start_step,
    )
    run = Run(description, dict(config or {}), as_tags(tags))
    endings.watch(run)
    _current = run
    return run


def current_run() -> Run | DisabledRun | None:
    """The run of the last `init` in this process, or None."""
    return _current


def log(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """`Run.log` of the current run; without one it warns once and does nothing."""
    run = _current
    if run is None:
        _warn_no_run()
    else:
        run.log(metrics, step)


def log_metric(name: str, value: Any, step: int | None = None) -> None:
    """`Run.log_metric` of the current run."""
    log({name: value}, step)


def log_param(key: str, value: Any) -> None:
    """`Run.log_param` of the current run."""
    log_params({key: value})


def log_params(params: Mapping[str, Any]) -> None:
    """`Run.log_params` of the current run."""
    (_current or _no_run()).log_params(params)


def set_tag(key: str, value: Any = "") -> None:
    """`Run.set_tag` of the current run."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any] | Iterable[str]) -> None:
    """`Run.set_tags` of the current run."""
    (_current or _no_run()).set_tags(tags)


def log_artifact(path_or_uri: str | os.PathLike[str], name: str | None = None, type: str = "file", **more: Any) -> None:
    """`Run.log_artifact` of the current run."""
    (_current or _no_run()).log_artifact(path_or_uri, name, type, **more)


def finish(timeout: float = 10.0) -> bool:
    """`Run.finish` of the current run; True without one."""
    global _current
    run, _current = _current, None
    return True if run is None else run.finish(timeout)


_warned: set[str] = set()


def _warn_no_run() -> None:
    if not _warned:
        _warned.add("no run")
        logger.warning("runstream: log was called before init: nothing is recorded (said once)")


def _no_run() -> DisabledRun:
    _warn_no_run()
    return DisabledRun("", "", {})


def _check_resume(resume: str, newest: int | None, run_id: UUID) -> None:
    if resume == "never" and newest is not None:
        raise ValueError(f"run {run_id} exists and resume is 'never'; choose another run_id, or resume='allow'")
    if resume == "must" and newest is None:
        raise ValueError(f"run {run_id} was never seen in this directory and resume is 'must'; check run_id and dir")
