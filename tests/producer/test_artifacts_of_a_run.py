"""`Run.log_artifact`, from the call to the event."""

from pathlib import Path
from typing import Any

import pytest
from event_files import events
from runs import start

from runstream.artifacts.manifest import read_manifest
from runstream.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return start(tmp_path / "dir")


def artifacts(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in events(tmp_path / "dir", "artifact")}


def test_a_checkpoint_overwritten_right_after_the_call_is_kept_as_it_was(run: Run, tmp_path: Path) -> None:
    checkpoint = tmp_path / "ckpt.pt"
    checkpoint.write_bytes(b"old weights")
    run.log_artifact(checkpoint, type="model", step=3, metadata={"acc": 0.9}, aliases=["best"])
    checkpoint.write_bytes(b"new weights")
    assert run.finish()
    record = artifacts(tmp_path)["ckpt.pt"]
    assert (record["state"], record["size"], record["step"], record["aliases"]) == ("stored", 11, 3, ["best"])
    assert (record["attempt"], str(record["run_id"])) == (run.attempt, run.id)
    assert Path(record["uri"].removeprefix("file://")).read_bytes() == b"old weights"


def test_a_missing_file_is_reported_and_training_goes_on(run: Run, tmp_path: Path) -> None:
    run.log_artifact(tmp_path / "nothing.pt")
    run.log({"m": 1.0}, 0)
    assert run.finish()
    assert artifacts(tmp_path)["nothing.pt"]["state"] == "failed"


def test_a_uri_is_recorded_by_reference(run: Run, tmp_path: Path) -> None:
    run.log_artifact("s3://bucket/data.parquet", type="dataset")
    assert run.finish()
    record = artifacts(tmp_path)["data.parquet"]
    assert (record["state"], record["uri"], record["size"]) == ("referenced", "s3://bucket/data.parquet", None)


def test_a_working_directory_is_kept_without_what_runstream_keeps_in_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    run = start(tmp_path / "dir")
    run.log_artifact(tmp_path, name="code")
    assert run.finish()
    record = artifacts(tmp_path)["code"]
    assert (record["state"], record["error"]) == ("stored", "")
    kept = read_manifest(Path(record["uri"].removeprefix("file://")).read_bytes())
    assert [entry.path for entry in kept] == ["train.py"]
