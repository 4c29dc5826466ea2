"""Whole example programs in processes of their own, read back from the log directory."""

import collections
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fastavro
import pytest

pytest.importorskip("sklearn", reason="the examples need scikit-learn")

from digits_sweep import jobs

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(directory, program, *arguments):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    return subprocess.run(
        [sys.executable, EXAMPLES / program, *arguments],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def events(directory):
    """The records of the log directory by event, and all points by (rank, metric)."""
    found = collections.defaultdict(list)
    for event in ("run", "param", "tag", "artifact", "metric", "status"):
        for segment in sorted((directory / ".runstream" / "log" / event).glob("*")):
            if segment.is_file():
                with segment.open("rb") as file:
                    found[event] += fastavro.reader(file)
    points = collections.defaultdict(list)
    for batch in found["metric"]:
        for frame in batch["frames"]:
            for column in frame["columns"]:
                key = (batch["rank"], column["metric"])
                points[key] += zip(frame["steps"], column["values"], strict=True)
    return SimpleNamespace(
        points=points, **{event: found[event] for event in ("run", "param", "tag", "artifact", "status")}
    )


def run_job(tmp_path, name):
    done = run_example(tmp_path, "digits_sweep.py", "--only", name, "--json-progress", "--sweep", "mine")
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(report["done"], report["total"], report["job"]) for report in reports] == [(0, 1, ""), (1, 1, name)]
    log = events(tmp_path)
    assert "mine" in {tag["value"] for tag in log.tag if tag["key"] == "sweep"}
    return log


def test_the_sweep_has_every_job_that_it_promises():
    names = [job.name for job in jobs()]
    assert len(set(names)) == len(names) >= 28
    kinds = collections.Counter(job.kind for job in jobs())
    assert kinds["single"] >= 24
    assert {"data parallel", "interrupted", "regression"} <= set(kinds)
    sweep = [job.config for job in jobs() if job.tags.get("kind") == "sweep"]
    assert len({json.dumps(config) for config in sweep}) == len(sweep) == 24
    for section, key in (("model", "depth"), ("model", "width"), ("optimizer", "lr"), ("optimizer", "weight_decay")):
        assert len({config[section][key] for config in sweep}) >= 2


def test_a_job_logs_every_step_every_epoch_its_scores_and_its_artifacts(tmp_path):
    name = "mlp-1x16-lr0.01-wd0.001"
    log = run_job(tmp_path, name)
    epochs = 12
    train = dict(log.points[0, "train/loss"])
    assert sorted(train) == list(range(20 * epochs))
    assert train[239] < train[0] / 4
    assert len(log.points[0, "epoch"]) == len(log.points[0, "train/lr"]) == len(train)
    for score in ("loss", "accuracy", "precision", "recall", "f1"):
        assert sorted(dict(log.points[0, f"val/{score}"])) == list(range(epochs))
        assert dict(log.points[0, f"test/{score}"]).keys() == {epochs - 1}
    assert {"optimizer.lr", "model.width", "data.train_share"} <= {param["key"] for param in log.param}
    by_name = {artifact["name"]: artifact for artifact in log.artifact}
    assert by_name.keys() == {"confusion_matrix.json", "predictions.csv", "digits-mlp"}
    assert all(artifact["state"] == "stored" for artifact in log.artifact)
    model = by_name["digits-mlp"]
    assert (model["type"], model["aliases"]) == ("model", ["best"])
    best = max(value for _, value in log.points[0, "val/accuracy"])
    assert json.loads(model["metadata"])["val/accuracy"] == best
    assert ("outcome", "trained") in {(tag["key"], tag["value"]) for tag in log.tag}


def test_the_diverging_job_begins_finite_and_ends_in_nan(tmp_path):
    log = run_job(tmp_path, "diverging")
    losses = [value for _, value in sorted(log.points[0, "train/loss"])]
    assert math.isfinite(losses[0])
    assert math.isnan(losses[-1])
    assert math.isnan(sorted(log.points[0, "val/loss"])[-1][1])
    assert ("outcome", "diverged") in {(tag["key"], tag["value"]) for tag in log.tag}


def test_the_overfitting_job_gets_worse_on_validation_while_training_gets_better(tmp_path):
    log = run_job(tmp_path, "overfitting")
    validation = [value for _, value in sorted(log.points[0, "val/loss"])]
    assert validation[-1] > 1.1 * min(validation)
    assert sorted(log.points[0, "train/loss"])[-1][1] < 0.01


def test_the_data_parallel_job_is_one_run_of_four_ranks_and_one_is_slow(tmp_path):
    log = run_job(tmp_path, "data-parallel-4")
    assert len({event["run_id"] for event in log.run}) == 1
    assert {event["rank"] for event in log.run} == {0, 1, 2, 3}
    assert {event["world_size"] for event in log.run} == {4}
    losses = [dict(log.points[rank, "train/loss"]) for rank in range(4)]
    assert {len(loss) for loss in losses} == {160}
    assert len({loss[0] for loss in losses}) == 4
    waits = [sum(value for _, value in log.points[rank, "time/wait_ms"]) for rank in range(4)]
    assert waits.index(min(waits)) == 2
    assert {rank for rank, metric in log.points if metric == "val/loss"} == {0}


def test_the_killed_job_goes_on_from_its_checkpoint_as_a_second_attempt(tmp_path):
    log = run_job(tmp_path, "killed-and-resumed")
    second = max(log.run, key=lambda event: event["attempt"])
    assert (second["resume"], second["start_step"]) == ("must", 80)
    assert len(list((tmp_path / ".runstream" / "journal").glob("*.journal"))) == 1, "what the killed process left"
    resumed = dict(log.points[0, "train/loss"])
    assert sorted(resumed)[-160:] == list(range(80, 240))


def test_the_regression_explains_variance(tmp_path):
    log = run_job(tmp_path, "diabetes")
    for score in ("mse", "rmse", "mae", "r2"):
        assert len(log.points[0, f"val/{score}"]) == 30
    assert log.points[0, "test/r2"][0][1] > 0.3


@pytest.mark.parametrize("program", ["quickstart.py", "diabetes_regression.py"])
def test_a_single_example_runs_alone_and_says_nothing(tmp_path, program):
    done = run_example(tmp_path, program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = events(tmp_path)
    assert len(log.points[0, "train/loss"]) >= 300
    assert [artifact["state"] for artifact in log.artifact] == ["stored"]


def test_ctrl_c_ends_all_processes_of_a_sweep_without_a_traceback_and_their_runs_say_so(tmp_path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    sweep = subprocess.Popen(
        [sys.executable, EXAMPLES / "digits_sweep.py", "--workers", "2"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group as a terminal's job is one
    )
    assert sweep.stdout is not None
    assert "/29 " in sweep.stdout.readline()
    os.killpg(sweep.pid, signal.SIGINT)
    _, err = sweep.communicate(timeout=60)  # until no process has these pipes any more
    assert (sweep.returncode, err) == (130, "")
    assert {status["error"] for status in events(tmp_path).status if status["state"] == "killed"} == {"SIGTERM"}


@pytest.mark.parametrize("arguments", [["--only", "no such job"], ["--workers", "0"], ["--workers", "x"]])
def test_wrong_arguments_get_a_sentence(tmp_path, arguments):
    done = run_example(tmp_path, "digits_sweep.py", *arguments)
    assert done.returncode == 2
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
