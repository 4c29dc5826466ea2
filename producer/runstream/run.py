"""`Run`: what training code holds. A thin front on its parts: attempt (journal, shipping), config, artifacts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from uuid import UUID

from .attempt import Attempt
from .background import Background
from .config import Config
from .description import RunDescription
from .errors import describe_error
from .notices import Notices
from .params import flatten
from .plain import key_text
from .tags import RESERVED, as_tags
from .timeouts import Deadline, bounded_seconds
from .values import shown

if TYPE_CHECKING:
    from .artifacts import Artifacts

DEFAULT_FINISH_S = 10.0
"""How long `finish` waits for the event log before it leaves the rest in the journal."""
ARTIFACTS_SHARE = 0.8
"""Part of `finish`'s time that uploads may take: when their root is away, the points still need time to arrive."""


class LogFunction(Protocol):
    """`run.log`."""

    def __call__(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See JournalWriter.append."""


class Run:
    """One training job, as this process sees it. Made by `runstream.init`.

    No method raises, blocks for long or stops training once `init` has returned: what cannot be logged is dropped,
    counted (see `runstream verify`) and warned about once.
    """

    log: LogFunction
    """Record one value for each metric at a step, `run.log({"train/loss": 0.3}, step=7)`: see JournalWriter.append."""

    def __init__(self, description: RunDescription, config: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        self._description = description
        self._notices = Notices(description.name)
        self._attempt = Attempt(description, self._notices)
        self._artifacts: Artifacts | None = None
        self._end: tuple[str, str] | None = None
        self._delivered = False
        self.log = self._attempt.writer.append
        self.config = Config({}, self.log_params)
        if description.identity.rank == 0:
            self.config.update(config)
            self.set_tags(tags)
        else:
            self.config = Config(config, self.log_params)
        self._background = Background(self._attempt, self._notices)
        self._background.start()

    @property
    def id(self) -> str:
        """The run's id, a UUID as text."""
        return str(self._description.run_id)

    @property
    def name(self) -> str:
        """The run's name."""
        return self._description.name

    @property
    def experiment(self) -> str:
        """The experiment that holds the run."""
        return self._description.experiment

    @property
    def rank(self) -> int:
        """This process's number in the job, 0 when alone."""
        return self._description.identity.rank

    @property
    def run_id(self) -> UUID:
        """The run's id as a UUID."""
        return self._description.run_id

    @property
    def attempt(self) -> int:
        """This life of the run: the moment of `init` in µs since the epoch."""
        return self._attempt.number_us

    @property
    def is_open(self) -> bool:
        """Whether this process logs into it: it is not ended, and is not just inherited from a parent process."""
        return self._end is None and not self._attempt.dormant

    @property
    def is_delivered(self) -> bool:
        """Whether it is ended and all of it has arrived: the end of the process has nothing to do for it."""
        return self._delivered

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Record one value; the same as `log({name: value}, step)`."""
        # The type in the place of a name that is none makes a mapping of any of them; `log` counts and tells it.
        self.log({name if isinstance(name, str) else type(name): value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """The same as `log`."""
        self.log(metrics, step)

    def log_param(self, key: str, value: Any) -> None:
        """Record one hyperparameter, or those of a mapping with the key in front."""
        self._record_params(value, key)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record hyperparameters; nested ones are flattened with a dot, secrets redacted."""
        self._record_params(params, "")

    def set_tag(self, key: str, value: Any = "") -> None:
        """Set one tag; a later value replaces an earlier one."""
        self.set_tags({key_text(key): value})

    def set_tags(self, tags: Mapping[str, Any] | Iterable[str]) -> None:
        """Set tags, by name and value or just by name."""
        try:
            named = as_tags(tags)
        except Exception as error:
            self._notices.warn("tags", f"tags could not be set, use a dict or a list of names: {describe_error(error)}")
            return
        for key, value in named.items():
            if key.startswith(RESERVED):
                self._notices.warn(
                    "reserved", f"tag {key!r:.80} was not set: keys with {RESERVED!r} in front are reserved"
                )
            else:
                self._attempt.emit("tag", key=key, value=value)

    def log_artifact(
        self,
        path_or_uri: str | os.PathLike[str],
        name: str | None = None,
        type: str = "file",
        step: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        aliases: Iterable[str] = (),
        *,
        immutable: bool = False,
    ) -> None:
        """Keep a file or a directory as it is now, or record an existing URI.

        Returns once a snapshot is taken, so the file may be overwritten at once; the upload goes on in the background.

        Args:
            path_or_uri: A local path, or a URI such as `s3://bucket/key`, which is recorded and not read.
            name: Its name; default: the last part of the path. Artifacts of one name are versions of one thing.
            type: What it is: model, dataset, plot, file, …
            step: The step it belongs to.
            metadata: Anything that JSON holds.
            aliases: Names that now point to this version, such as "best".
            immutable: The file will not change: no snapshot is taken, and a change is reported.
        """
        if self._end is not None:
            self._notices.warn("closed artifact", "an artifact was dropped: log_artifact was called after finish")
            return
        try:
            self._artifact_front().log(
                path_or_uri,
                name=name,
                type=type,
                step=step,
                metadata=metadata,
                aliases=aliases,
                immutable=immutable,
                time=self._attempt.writer.now_us(),
            )
        except Exception as error:
            self._notices.warn("artifact", f"an artifact could not be logged: {describe_error(error)}")

    def finish(self, timeout: float = DEFAULT_FINISH_S) -> bool:
        """End the run as finished and deliver what is left. Returns whether everything has arrived.

        Waits at most `timeout` seconds; then it says what is not delivered and where it lies. May be called again.
        """
        return self._finish("finished", "", timeout)

    def fail(self, error: BaseException | str, timeout: float = DEFAULT_FINISH_S) -> bool:
        """End the run as failed; otherwise like `finish`."""
        return self._finish("failed", describe_error(error), timeout)

    def kill(self, reason: str, timeout: float = DEFAULT_FINISH_S) -> bool:
        """End the run as killed from outside, such as by a signal; otherwise like `finish`."""
        return self._finish("killed", reason, timeout)

    def kill_in_signal_handler(self, reason: str, timeout: float) -> None:
        """The same as `kill` where this thread may have been interrupted inside `log`."""
        if self._end is None:
            self._end = ("killed", reason)
            try:
                self._attempt.finish_in_signal_handler("killed", reason, timeout)
            except Exception:
                pass  # what was logged is in the journal, and the signal must still end the process

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.kill("KeyboardInterrupt")
        else:
            self.fail(error)

    def __deepcopy__(self, memo: dict[int, Any]) -> Run:
        """The run itself: whoever copies a model that holds its run, such as for an average of weights, goes on."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Run cannot be pickled or sent to another process; send run.id, and call "
            "runstream.init(run_id=…) there to log into the same run"
        )

    def after_fork(self) -> None:
        """In a forked child: go on as another attempt of the same rank, if and when something is logged here."""
        self._end = None
        self._delivered = False
        self._artifacts = None
        self._background.after_fork()
        self._attempt.after_fork()

    def _record_params(self, params: Any, key: str) -> None:
        try:
            flat = flatten(params, key) if key or not isinstance(params, Mapping) or params else []
        except Exception as error:
            self._notices.warn("params", f"params could not be logged: {describe_error(error)}")
            return
        for param in flat:
            self._attempt.emit("param", key=param.key, kind=param.kind, value=param.value_json, number=param.number)

    def _finish(self, state: str, error: str, timeout_s: float) -> bool:
        try:
            deadline = Deadline(self._bounded(timeout_s))
            if self._end is None:
                self._end = (state, error)
                self._attempt.note_end(state, error)
                self._background.stop(deadline.left_s)
                self._finish_artifacts(ARTIFACTS_SHARE * deadline.left_s)
            self._delivered = self._attempt.finish(*self._end, deadline.left_s)
            if not self._delivered:
                self._notices.warn("undelivered", f"the run ended, {self._attempt.undelivered()}")
            return self._delivered
        except Exception as failure:
            self._notices.warn("finish", f"finish failed: {describe_error(failure)}")
            return False

    def _bounded(self, timeout_s: object) -> float:
        seconds = bounded_seconds(timeout_s)
        if seconds is None:
            self._notices.warn("timeout", f"timeout is {shown(timeout_s)}; {DEFAULT_FINISH_S:g} seconds are taken")
            return DEFAULT_FINISH_S
        return seconds

    def _finish_artifacts(self, timeout_s: float) -> None:
        if self._artifacts is None:
            return
        unfinished = self._artifacts.drain(timeout_s)
        self._artifacts.close()
        if unfinished:
            self._notices.warn(
                "staging",
                f"not uploaded: {unfinished} artifact{'s' * (unfinished != 1)}, in {self._description.staging_dir}; "
                f"{self._description.sync_command} uploads them",
            )
        failed = self._artifacts.outcomes.get("failed", 0)
        if failed > 1:
            self._notices.warn("artifacts lost", f"{failed} artifacts could not be kept; `runstream show` lists them")

    def _artifact_front(self) -> Artifacts:
        from .artifacts import Artifacts, Identity

        if self._artifacts is None:
            settings = self._description.settings
            self._artifacts = Artifacts(
                self._description.staging_dir,
                settings.artifacts,
                emit=lambda record: self._attempt.emit("artifact", **record),
                warn=self._notices.warn,
                identity=lambda: Identity(self.id, self.rank, self.attempt),
            )
        return self._artifacts
