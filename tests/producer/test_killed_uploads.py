"""A trainer that is killed in the middle of an upload: the command line completes it."""

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cli_processes import clean_environment, command

SIZE = 50_000_000

TRAINER = """
import os, sys, time
import runstream
from runstream.artifacts import root

def half_of_it(source, destination):
    with source.open("rb") as file, destination.open("xb") as copy:
        copy.write(file.read(os.fstat(file.fileno()).st_size // 2))
    print("half", flush=True)
    time.sleep(60)

def no_link(source, destination):
    raise OSError("the root is another file system")

run = runstream.init("test", name="killed")
run.log({"loss": 1.0}, 7)
root.clone_file, os.link = half_of_it, no_link
run.log_artifact("ckpt.pt", type="model", step=7, aliases=["best"])
os.truncate("ckpt.pt", 0)
time.sleep(60)
"""


@pytest.mark.parametrize("root", ["its own", "another"])
def test_sync_completes_the_upload_of_a_killed_trainer_and_show_lists_the_artifact(tmp_path: Path, root: str) -> None:
    weights = os.urandom(SIZE)
    (tmp_path / "ckpt.pt").write_bytes(weights)
    trainer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TRAINER)],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert trainer.stdout is not None and trainer.stdout.readline() == "half\n"
    trainer.kill()
    trainer.wait()

    elsewhere = ["--artifacts", str(tmp_path / "elsewhere")] if root == "another" else []
    assert [(item["kind"], item["outcome"]) for item in command(tmp_path, "sync", *elsewhere)] == [
        ("journal", "shipped"),
        ("artifact", "stored"),
    ]
    assert command(tmp_path, "sync") == []
    (shown,) = command(tmp_path, "show", "killed")
    (artifact,) = shown["artifacts"]
    assert (artifact["name"], artifact["type"], artifact["size"], artifact["step"], artifact["aliases"]) == (
        "ckpt.pt",
        "model",
        SIZE,
        7,
        ["best"],
    )
    path = Path(unquote(urlsplit(artifact["uri"]).path))
    assert path.read_bytes() == weights
    assert artifact["sha256"] == hashlib.sha256(weights).hexdigest() == path.name
    assert path.is_relative_to(tmp_path / ("elsewhere" if root == "another" else ".runstream/artifacts"))
    assert not any((tmp_path / ".runstream/staging").iterdir())
