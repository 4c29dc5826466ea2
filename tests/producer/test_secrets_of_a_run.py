"""No credential that a training program touches is found in anything that tracking wrote or said."""

import os
import subprocess
import sys
from pathlib import Path

TRAINER = """
import os, sys
import runstream

run = runstream.init("test", config={
    "api_key": os.environ["S_CONFIG"],
    "nested": [{"db_password": os.environ["S_NESTED"]}],
    "endpoint": "postgres://user:" + os.environ["S_URL"] + "@host/db",
    "note": "uses " + os.environ["S_SHAPED"],
    "max_tokens": 4096,
}, tags={"hf_token": os.environ["S_TAG"]})
run.log_param("access_token", os.environ["S_PARAM"])
run.set_tag("url", "https://user:" + os.environ["S_TAG_URL"] + "@host")
run.log_artifact(f"s3://key:{os.environ['S_ARTIFACT']}@bucket/model", metadata={"secret": os.environ["S_METADATA"]})
run.log({"loss": 1.0, "bad": os.environ["S_SHAPED"]}, 0)
runstream.init("test", tags={"again": ""}).log({"password": os.environ["S_PARAM"]})
print("up", flush=True)
sys.stdin.readline()
raise ConnectionError("no answer from\\nhttps://user:" + os.environ["S_ERROR"] + "@host")
"""


def holding(directory: Path, word: str) -> list[str]:
    return [str(path) for path in sorted(directory.rglob("*")) if path.is_file() and word.encode() in path.read_bytes()]


def test_a_credential_is_written_and_said_nowhere(tmp_path: Path) -> None:
    names = ["CONFIG", "NESTED", "URL", "TAG", "PARAM", "TAG_URL", "ARTIFACT", "METADATA", "ERROR", "ARGUMENT", "DIFF"]
    secrets = {name: f"q7{name.lower().replace('_', '')}Zx93" for name in names}
    secrets["SHAPED"] = "hf_" + "a1B2c3D4" * 4
    work = tmp_path / "work"
    work.mkdir()
    git = ["git", "-C", str(work), "-c", "user.name=x", "-c", "user.email=x@x"]
    (work / "train.py").write_text(TRAINER)
    (work / "settings.yaml").write_text("password: none\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    (work / "settings.yaml").write_text(f"password: {secrets['DIFF']}\n")

    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    process = subprocess.Popen(
        [sys.executable, "train.py", "--api-key", secrets["ARGUMENT"]],
        cwd=work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **environ,
            **{f"S_{name}": value for name, value in secrets.items()},
            "RUNSTREAM_DIR": str(tmp_path / "dir"),
            "RUNSTREAM_SYSTEM_PERIOD_S": "0",
            "OPENAI_API_KEY": secrets["SHAPED"],
        },
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    while_running = {name: holding(tmp_path / "dir", value) for name, value in secrets.items()}
    _, stderr = process.communicate("go on\n", timeout=30)
    said = [line for line in stderr.splitlines() if line.startswith("runstream")]
    assert len(said) == 3 and all("is not a number" in line or "is still open" in line for line in said)
    for name, value in secrets.items():
        assert while_running[name] == []
        assert holding(tmp_path / "dir", value) == []
        assert value not in "".join(said)
    assert holding(tmp_path / "dir/log", "[redacted]")
    assert holding(tmp_path / "dir/log/status", "ConnectionError: no answer from https://user:[redacted]@host")
    assert holding(tmp_path / "dir/log/param", "max_tokens") and holding(tmp_path / "dir/log/run", "settings.yaml")
