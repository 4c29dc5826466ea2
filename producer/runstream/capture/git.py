"""The code that runs, as git knows it: commit, branch, remote, and how the work tree differs from the commit."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from runstream_schemas.limits import MAX_DIFF_BYTES

from ..secrets import redact_text
from .bounds import cut_to_bytes, keep_first
from .output import read_output

TIMEOUT_S: Final = 10.0
"""For all of git together: a cold repository of a million files on a network file system is given up."""

MAX_NAMES_READ_BYTES: Final = 1024 * 1024
"""Names of untracked files that are read before the rest is given up; a data directory may hold millions."""

READ_AHEAD_BYTES: Final = 64 * 1024
"""How far beyond the cut a diff is read, so that a credential at the cut is seen whole."""

CUT_MARK: Final = f"\n[cut: the diff is longer than {MAX_DIFF_BYTES} bytes]\n"
UNTRUSTED_MARK: Final = "[no diff: the directory belongs to another user and git's safe.directory does not name it]\n"
UNKNOWN_MARK: Final = "[no diff: git could not tell it in time]\n"

_EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without files, against which a repository without commits is compared."""

_SECRET_FILES: Final = ("**/.env*", "**/*.pem", "**/*.key", "**/id_rsa*", "**/id_ed25519*", "**/.netrc", "**/*.kdbx")
"""Files whose content is never part of a diff."""

_DIFF: Final = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty", "--submodule=short"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)


@dataclass(frozen=True)
class Code:
    """The code of a run; the fields of the run event's `code`."""

    commit: str = ""
    branch: str = ""
    """Empty when detached."""
    remote: str = ""
    """Without credentials."""
    dirty: bool = False
    diff: str = ""
    """To the commit, credentials redacted, at most MAX_DIFF_BYTES."""
    untracked: list[str] = field(default_factory=list)


def capture_code(
    directories: Iterable[Path], environ: Mapping[str, str] = os.environ, timeout_s: float = TIMEOUT_S
) -> Code:
    """The code of the first of these directories that lies in a repository; an empty Code where none does.

    Takes at most about `timeout_s`; what git could not tell by then is empty. Never raises.
    """
    deadline = time.monotonic() + timeout_s
    for directory in directories:
        root = _Git(directory, environ, deadline).line("rev-parse", "--show-toplevel")
        if root:
            return _code(_Git(Path(root), environ, deadline))
    return Code()


def remote_without_credentials(url: str) -> str:
    """The URL of a remote without user and password, which may both be a token; `git@host:path` keeps its user."""
    return redact_text(re.sub(r"(?<=://)[^/@\s]*@(?=[^/])", "", url.strip()))


class _Git:
    """git in one directory, told to start no other program and to change nothing."""

    def __init__(self, directory: Path, environ: Mapping[str, str], deadline: float) -> None:
        self._directory = directory
        self._environ = {**environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        self._deadline = deadline

    def line(self, *arguments: str) -> str:
        """A fact, empty where git does not know. Asked whoever owns the directory: it makes git run nothing."""
        return _text(self._read(("-c", "safe.directory=*", *arguments), 64 * 1024) or b"").strip()

    def output(self, *arguments: str, max_bytes: int) -> bytes | None:
        """The output of a command that reads the work tree, None where git refuses or fails."""
        return self._read(arguments, max_bytes)

    def _read(self, arguments: tuple[str, ...], max_bytes: int) -> bytes | None:
        command = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotepath=false", *arguments)
        return read_output(command, self._directory, self._environ, deadline=self._deadline, max_bytes=max_bytes)


def _code(git: _Git) -> Code:
    commit = git.line("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    branch = git.line("symbolic-ref", "--quiet", "--short", "HEAD")
    code = Code(commit, branch, _remote(git, branch))
    # Unlike the facts above, these are only asked of a repository that git trusts: its filters are programs.
    status = git.output("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty", max_bytes=1)
    if status is None:
        trusted = git.output("rev-parse", "--git-dir", max_bytes=4096)
        return replace(code, diff=UNTRUSTED_MARK if trusted is None else UNKNOWN_MARK)
    names = git.output("ls-files", "--others", "--exclude-standard", "-z", max_bytes=MAX_NAMES_READ_BYTES)
    return replace(
        code,
        dirty=bool(status),
        diff=_diff(git, commit or _EMPTY_TREE) if status else "",
        untracked=keep_first([redact_text(name) for name in _text(names or b"").split("\0") if name]),
    )


def _diff(git: _Git, base: str) -> str:
    excluded = [f":(exclude,glob){pattern}" for pattern in _SECRET_FILES]
    output = git.output(*_DIFF, base, "--", ":/", *excluded, max_bytes=MAX_DIFF_BYTES + READ_AHEAD_BYTES)
    return UNKNOWN_MARK if output is None else cut_to_bytes(redact_text(_text(output)), MAX_DIFF_BYTES, CUT_MARK)


def _remote(git: _Git, branch: str) -> str:
    """The remote that the branch follows, else origin, else the first."""
    followed = git.line("config", "--get", f"branch.{branch}.remote") if branch else ""
    names = git.line("remote").split()
    name = next((name for name in (followed, "origin", *names) if name in names), "")
    return remote_without_credentials(git.line("config", "--get", f"remote.{name}.url")) if name else ""


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")
