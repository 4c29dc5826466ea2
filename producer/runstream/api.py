"""The module-level interface: `init`, and `log` and its kin for the current run."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from runstream_schemas.settings import load

from . import endings
from .arguments import RESUME, checked_config, checked_setting, checked_start_step, checked_tags, checked_text
from .description import RunDescription
from .disabled import DisabledRun
from .errors import describe_error
from .identity import JobIdentity, identify, read_facts
from .notices import logger, say_once
from .run import Run
from .seen import SeenAttempts

_inits = itertools.count()
_current: Run | DisabledRun | None = None
_last_name = ""
"""Name of the last run that the module-level `finish` ended."""


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
    settings = load(
        cwd=_working_directory(),
        dir=checked_setting("dir", dir),
        url=checked_setting("url", url),
        artifacts=checked_setting("artifacts", artifacts),
        mode=checked_setting("mode", mode),
    )
    if resume not in RESUME:
        raise ValueError(f"resume is {resume!r}; use one of {', '.join(RESUME)}")
    experiment = checked_text("experiment", experiment)
    name = None if name is None else checked_text("name", name)
    config = checked_config(config)
    tags = checked_tags(tags)
    start_step = checked_start_step(start_step)
    if settings.mode == "disabled":
        _current = DisabledRun(experiment, name or experiment, config)
        return _current
    identity = identify(os.environ, read_facts(), next(_inits), run_id)
    _check_resume(resume, identity, settings.journal_dir, run_id)
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
    before = _current
    try:
        run = Run(description, config, tags)
        endings.watch(run)
    except Exception as error:
        # No memory, no threads, a bug: whatever it is, training without tracking is better than no training.
        logger.warning(
            "runstream: tracking is off for run %s, nothing is recorded: %s", description.name, describe_error(error)
        )
        _current = DisabledRun(experiment, description.name, config)
        return _current
    if isinstance(before, Run) and before.is_open:
        say_once(
            "two runs",
            f"run {before.name} is still open while run {run.name} begins; runstream.log now goes to the new one. "
            "Call finish() on a run before the next init, or keep both and use their own methods",
        )
    _current = run
    return run


def current_run() -> Run | DisabledRun | None:
    """The run of the last `init` in this process, or None."""
    return _current


def log(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """`Run.log` of the current run; without one it warns once and does nothing."""
    run = _current
    if run is None:
        _no_run("log")
    else:
        run.log(metrics, step)


def log_metric(name: str, value: Any, step: int | None = None) -> None:
    """`Run.log_metric` of the current run."""
    (_current or _no_run("log_metric")).log_metric(name, value, step)


def log_param(key: str, value: Any) -> None:
    """`Run.log_param` of the current run."""
    (_current or _no_run("log_param")).log_param(key, value)


def log_params(params: Mapping[str, Any]) -> None:
    """`Run.log_params` of the current run."""
    (_current or _no_run("log_params")).log_params(params)


def set_tag(key: str, value: Any = "") -> None:
    """`Run.set_tag` of the current run."""
    (_current or _no_run("set_tag")).set_tag(key, value)


def set_tags(tags: Mapping[str, Any] | Iterable[str]) -> None:
    """`Run.set_tags` of the current run."""
    (_current or _no_run("set_tags")).set_tags(tags)


def log_artifact(path_or_uri: str | os.PathLike[str], name: str | None = None, type: str = "file", **more: Any) -> None:
    """`Run.log_artifact` of the current run."""
    (_current or _no_run("log_artifact")).log_artifact(path_or_uri, name, type, **more)


def finish(timeout: float = 10.0) -> bool:
    """`Run.finish` of the current run; True without one."""
    global _current, _last_name
    run, _current = _current, None
    if run is None:
        return True
    _last_name = run.name
    return run.finish(timeout)


def _no_run(function: str) -> DisabledRun:
    if _last_name:
        state = f"after run {_last_name} was finished"
        remedy = "call it before runstream.finish(), or begin another run with runstream.init()"
    else:
        state, remedy = "before runstream.init()", "call runstream.init(experiment=…) first"
    say_once(state, f"{function} was called {state}, so nothing is recorded; {remedy}")
    return DisabledRun("", "", {})


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:
        # It was removed. What is logged is better kept under its old name than lost.
        return Path(os.environ.get("PWD") or tempfile.gettempdir())


def _check_resume(resume: str, identity: JobIdentity, journal_dir: Path, run_id: str | UUID | None) -> None:
    if identity.run_id_source not in ("argument", "RUNSTREAM_RUN_ID"):
        if resume != "allow":
            logger.warning("runstream: resume=%r means nothing without run_id= or RUNSTREAM_RUN_ID", resume)
        return
    shown = f"{run_id if run_id is not None else os.environ['RUNSTREAM_RUN_ID']} (rank {identity.rank})"
    seen = SeenAttempts(journal_dir)
    if resume == "never" and seen.newest(identity.run_id, identity.rank) is not None:
        raise ValueError(f"run {shown} exists and resume is 'never'; choose another run_id, or resume='allow'")
    # Any rank: a job may come back with more of them than before.
    if resume == "must" and not seen.any_rank(identity.run_id):
        raise ValueError(
            f"run {shown} was never seen in {journal_dir.parent} and resume is 'must'; "
            "check run_id and dir, or use resume='allow'"
        )
