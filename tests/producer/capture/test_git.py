from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from runstream.capture.git import CUT_MARK, UNKNOWN_MARK, UNTRUSTED_MARK, Code, capture_code, remote_without_credentials
from runstream_schemas.limits import MAX_DIFF_BYTES

ENVIRON = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


def git(where: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=where, env=ENVIRON, text=True).strip()


@pytest.fixture
def empty_repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


@pytest.fixture
def repository(empty_repository: Path) -> Path:
    (empty_repository / "train.py").write_text("lr = 0.1\n")
    (empty_repository / ".gitignore").write_text("data/\n")
    (empty_repository / ".env").write_text("THING=hunter1\n")
    (empty_repository / "sub").mkdir()
    git(empty_repository, "add", ".")
    git(empty_repository, "commit", "-q", "-m", "first")
    return empty_repository


def capture(where: Path) -> Code:
    return capture_code([where], ENVIRON)


def test_a_clean_work_tree_is_its_commit(repository: Path) -> None:
    assert capture(repository / "sub") == Code(commit=git(repository, "rev-parse", "HEAD"), branch="main")


def test_a_changed_work_tree_is_recorded_with_diff_and_untracked_names(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 0.2\n")
    (repository / "staged.py").write_text("x = 1\n")
    git(repository, "add", "staged.py")
    (repository / "neu é\n.py").write_text("")
    (repository / "data").mkdir()
    (repository / "data" / "ignored.bin").write_text("")
    code = capture(repository / "sub")
    assert code.dirty
    assert "-lr = 0.1\n+lr = 0.2\n" in code.diff
    assert "+x = 1" in code.diff
    assert code.untracked == ["neu é\n.py"]
    undone = git(repository, "stash", "push", "-q")
    assert undone == ""
    subprocess.run(["git", "apply"], input=code.diff, cwd=repository, env=ENVIRON, text=True, check=True)
    assert (repository / "train.py").read_text() == "lr = 0.2\n"


def test_secrets_in_the_diff_are_taken_out_and_secret_files_are_left_out(repository: Path) -> None:
    (repository / "train.py").write_text(
        'lr = 0.1\napi_key = "hunter2"\ntoken = "hf_' + "a1" * 17 + '"\nmax_tokens = 5\n'
    )
    (repository / ".env").write_text("THING=hunter3\n")
    code = capture(repository)
    assert code.dirty
    assert 'api_key = "[redacted]"' in code.diff
    assert "max_tokens = 5" in code.diff
    assert not any(secret in code.diff for secret in ("hunter1", "hunter2", "hunter3", "hf_"))


def test_a_changed_secret_file_alone_still_makes_the_tree_dirty(repository: Path) -> None:
    (repository / ".env").write_text("THING=hunter3\n")
    assert (capture(repository).dirty, capture(repository).diff) == (True, "")


def test_a_huge_diff_is_cut_with_a_mark(repository: Path) -> None:
    (repository / "train.py").write_text("é = 1\n" * 1_000_000)
    code = capture(repository)
    assert MAX_DIFF_BYTES - 4 < len(code.diff.encode()) <= MAX_DIFF_BYTES
    assert code.diff.endswith(CUT_MARK)


def test_a_repository_without_a_commit_has_a_diff_to_nothing(empty_repository: Path) -> None:
    (empty_repository / "train.py").write_text("lr = 0.1\n")
    assert capture(empty_repository) == Code(branch="main", untracked=["train.py"])
    git(empty_repository, "add", "train.py")
    code = capture(empty_repository)
    assert (code.commit, code.dirty) == ("", True)
    assert "+lr = 0.1" in code.diff


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert (capture(repository).branch, len(capture(repository).commit)) == ("", 40)


def test_the_remote_is_the_one_that_the_branch_follows_without_credentials(repository: Path) -> None:
    git(repository, "remote", "add", "first", "https://host/first.git")
    assert capture(repository).remote == "https://host/first.git"
    git(repository, "remote", "add", "origin", "https://me:ghp_secret@host/origin.git")
    assert capture(repository).remote == "https://host/origin.git"
    git(repository, "config", "branch.main.remote", "first")
    assert capture(repository).remote == "https://host/first.git"


def test_a_token_in_place_of_a_user_is_taken_out_and_an_ssh_user_stays() -> None:
    assert remote_without_credentials("https://ghp_short@github.com/a/b") == "https://github.com/a/b"
    assert remote_without_credentials("git@github.com:a/b.git\n") == "git@github.com:a/b.git"


def test_the_first_directory_that_is_in_a_repository_counts(repository: Path, tmp_path: Path) -> None:
    assert capture_code([tmp_path, tmp_path / "gone", repository], ENVIRON).branch == "main"
    assert capture_code([tmp_path, tmp_path / "gone"], ENVIRON) == Code()


def test_without_git_there_is_no_code(repository: Path, tmp_path: Path) -> None:
    assert capture_code([repository], {**ENVIRON, "PATH": str(tmp_path)}) == Code()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to another user")
def test_of_a_directory_of_another_user_only_what_runs_nothing_is_asked(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "config", "filter.evil.clean", f"touch {repository}/ran; cat")
    (repository / ".git" / "info" / "attributes").write_text("*.py filter=evil\n")
    (repository / "train.py").write_text("lr = 0.2\n")
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 1234, 1234)
    assert capture(repository) == Code(commit=commit, branch="main", diff=UNTRUSTED_MARK)
    assert not (repository / "ran").exists()


def test_capturing_changes_nothing_in_the_repository(repository: Path) -> None:
    (repository / "train.py").touch()
    before = (repository / ".git" / "index").stat().st_mtime_ns
    capture(repository)
    assert (repository / ".git" / "index").stat().st_mtime_ns == before


def test_a_git_that_hangs_is_given_up_in_time(repository: Path, tmp_path: Path) -> None:
    """A stand-in for a huge repository on a slow file system: the facts come, the diff does not."""
    real = subprocess.check_output(["which", "git"], text=True).strip()
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ncase "$*" in *status*) exec sleep 60;; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    began = time.monotonic()
    code = capture_code([repository], {**ENVIRON, "PATH": f"{slow.parent}:{ENVIRON['PATH']}"}, timeout_s=1.0)
    assert time.monotonic() - began < 10
    assert (len(code.commit), code.branch, code.dirty) == (40, "main", False)
    assert code.diff in (UNKNOWN_MARK, UNTRUSTED_MARK)
