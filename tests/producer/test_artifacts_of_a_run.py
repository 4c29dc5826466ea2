"""`Run.log_artifact`, from the call to the event."""

import os
from pathlib import Path
from typing import Any

import fastavro
import pytest

from runstream.api import init
from runstream.run import Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in list(os.environ):
        if name.startswith("RUNSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNSTREAM_SYSTEM_PERIOD_S", "0")
    made = init("test", dir=tmp_path / "dir")
    assert isinstance(made, Run)
    return made


def artifacts(tmp_path: Path) -> dict[str, dict[str, Any]]:
    found: list[Any] = []
    for path in sorted((tmp_path / "dir" / "log" / "artifact").glob("*.avro")):
        with path.open("rb") as file:
            found += fastavro.reader(file)
    return {record["name"]: record for record in found}


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
