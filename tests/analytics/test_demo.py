import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tasks import Result

from runstream_analytics.cli import demo, demo_results
from runstream_analytics.cli.options import settings_from
from runstream_analytics.errors import UserError

Invoke = Callable[..., Result]

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_without_the_examples_the_demo_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clone it.*make demo"):
        demo._find_script([tmp_path])
    (tmp_path / demo.SCRIPT).touch()
    assert demo._find_script([tmp_path / "nowhere", tmp_path]) == tmp_path / demo.SCRIPT


def test_the_demo_writes_nowhere_but_into_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNSTREAM_URL", "kafka://production:9092")
    monkeypatch.setenv("RUNSTREAM_RUN_ID", "mine")
    directory = tmp_path / "demo"
    settings = settings_from(directory, f"file:{directory}/log", f"chdb:{directory}/store")
    ours = {name: value for name, value in demo._environment(settings).items() if name.startswith("RUNSTREAM_")}
    assert set(ours) == {"RUNSTREAM_DIR", "RUNSTREAM_URL", "RUNSTREAM_STORE", "RUNSTREAM_ARTIFACTS"}
    assert all(re.sub("^(file|chdb):", "", value).startswith(str(directory)) for value in ours.values())


def test_lines_that_are_no_progress_are_passed_over() -> None:
    lines = io.BytesIO(b'warning\n[1]\n{"done": 1}\n{"done": 1, "total": 2, "job": "a", "ok": true}\n')
    assert [report["job"] for report in demo._reports(lines)] == ["a"]


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory in which a small sweep was trained before the demo, and what the demo printed into a pipe."""
    pytest.importorskip("sklearn", reason="the demo needs scikit-learn")
    directory = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNSTREAM_")}
    earlier = [sys.executable, EXAMPLES / demo.SCRIPT, "--only", "mlp-1x16", "--sweep", "earlier"]
    subprocess.run(earlier, cwd=directory, env=environment | {"RUNSTREAM_DIR": ".demo"}, check=True, timeout=100)
    command = [sys.executable, "-c", "from runstream_analytics.cli.app import main; main()", "demo"]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "training a sweep of small models, which takes less than a minute\n"
    return directory, done.stdout


def test_a_demo_shows_its_own_sweep_and_tells_of_earlier_ones(demonstrated: tuple[Path, str]) -> None:
    _, out = demonstrated
    assert out.startswith("The best 10 of 28 runs on digits by validation accuracy:")
    assert "4 more runs of earlier sweeps" in out
    assert re.search(r"logged by 29 runs in 33 attempts, .* stored: complete", out)
    assert all(len(line) <= 100 for line in out.split("Look at next")[0].splitlines())


def test_the_commands_that_the_demo_names_work_as_printed(invoke: Invoke, demonstrated: tuple[Path, str]) -> None:
    directory, out = demonstrated
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("    ") and "--dir .demo" in line]
    assert [arguments[1] for arguments in commands] == ["show", "plot", "plot", "ls", "sql", "verify"]
    answers = {" ".join(arguments[1:3]): invoke(directory, *arguments[1:]) for arguments in commands}
    assert {(answer.code, answer.err) for answer in answers.values()} == {(0, "")}
    shown = next(answer.out for name, answer in answers.items() if name.startswith("show"))
    assert "killed-and-resumed" in shown
    assert "\xd7 first NaN at step" in answers["plot train/loss"].out
    waits = [float(line.split(",")[1]) for line in answers[f"sql {demo_results.RANKS}"].out.splitlines()[1:]]
    assert len(waits) == 4


RESUMED = "run_id IN (SELECT run_id FROM runs WHERE attempts > 1)"

PROMISES = {
    "every job is a run": ("SELECT count() AS n FROM runs", [{"n": 29}]),
    "hyperparameters are nested, and several of each are tried": (
        "SELECT key FROM params WHERE key IN ('model.depth', 'model.width', 'optimizer.lr', 'optimizer.weight_decay') "
        "GROUP BY key HAVING uniq(number) > 1 ORDER BY key",
        [{"key": key} for key in ("model.depth", "model.width", "optimizer.lr", "optimizer.weight_decay")],
    ),
    "every run logs loss and learning rate by step, with the epoch beside them": (
        "SELECT metric, uniq(run_id) AS runs FROM metric_summary WHERE metric IN ('epoch', 'train/loss', 'train/lr') "
        "GROUP BY metric ORDER BY metric",
        [{"metric": metric, "runs": 29} for metric in ("epoch", "train/loss", "train/lr")],
    ),
    "every classifier is scored after every epoch": (
        "SELECT metric, uniq(p.run_id) AS runs FROM points AS p INNER JOIN params AS e ON e.run_id = p.run_id "
        "WHERE e.key = 'epochs' AND metric LIKE 'val/%' AND step = e.number - 1 "
        "GROUP BY metric HAVING runs = 28 ORDER BY metric",
        [{"metric": f"val/{score}", "runs": 28} for score in ("accuracy", "f1", "loss", "precision", "recall")],
    ),
    "every classifier leaves predictions, a confusion matrix and its best checkpoint": (
        "SELECT name, uniq(run_id) AS runs FROM artifacts WHERE state = 'stored' AND (type = 'table' OR "
        "has(aliases, 'best')) AND name != 'predictions.json' GROUP BY name ORDER BY name",
        [{"name": name, "runs": 28} for name in ("confusion_matrix.json", "digits-mlp", "predictions.csv")],
    ),
    "the best checkpoint is that of the best validation accuracy": (
        "SELECT count() AS n FROM artifacts AS a INNER JOIN metric_summary AS m ON m.run_id = a.run_id "
        "WHERE m.metric = 'val/accuracy' AND has(a.aliases, 'best') "
        "AND JSONExtractFloat(a.metadata, 'val/accuracy') = m.max",
        [{"n": 28}],
    ),
    "one run over-fits": (
        "SELECT r.name AS name FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id "
        "WHERE metric = 'val/loss' AND last > 1.1 * min",
        [{"name": "overfitting"}],
    ),
    "one run diverges": (
        "SELECT r.name AS name FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id "
        "WHERE metric = 'train/loss' AND isNotNull(first_nonfinite_step)",
        [{"name": "diverging"}],
    ),
    "every rank of the data-parallel job logs its own loss and timing": (
        "SELECT rank, uniq(metric) AS n FROM metric_summary_by_rank WHERE metric IN ('train/loss', 'time/step_ms', "
        "'time/wait_ms') AND run_id IN (SELECT run_id FROM runs WHERE world_size = 4) GROUP BY rank ORDER BY rank",
        [{"rank": rank, "n": 3} for rank in range(4)],
    ),
    "one run was killed and resumed": (
        f"SELECT number, state FROM attempts WHERE {RESUMED} ORDER BY number",
        [{"number": 1, "state": "lost"}, {"number": 2, "state": "finished"}],
    ),
    "what it repeated from its checkpoint on is there once": (
        f"SELECT uniq(attempt) AS attempts, count() AS points, uniq(step) AS steps, minIf(step, attempt = "
        f"(SELECT max(attempt) FROM attempts WHERE {RESUMED})) AS first FROM points "
        f"WHERE metric = 'train/loss' AND {RESUMED}",
        [{"attempts": 2, "points": 240, "steps": 240, "first": 80}],
    ),
    "a regression is scored": (
        "SELECT metric FROM metric_summary AS s INNER JOIN runs AS r ON r.run_id = s.run_id "
        "WHERE r.experiment = 'diabetes' AND metric LIKE 'test/%' ORDER BY metric",
        [{"metric": f"test/{score}"} for score in ("mae", "mse", "r2", "rmse")],
    ),
    "every ledger is complete": (
        "SELECT verdict, count() AS n FROM ledger GROUP BY verdict",
        [{"verdict": "complete", "n": 33}],
    ),
}


@pytest.fixture(scope="module")
def sweep_only(demonstrated: tuple[Path, str], invoke: Invoke) -> Path:
    """The directory of the demo without what was trained there before it."""
    directory, _ = demonstrated
    earlier = json.loads(invoke(directory, "ls", "--tag", "sweep=earlier", "--dir", ".demo", "--json").out)
    assert len(earlier) == 4
    invoke(directory, "delete", "--yes", "--dir", ".demo", *(row["run_id"] for row in earlier))
    return directory


@pytest.mark.parametrize("promise", PROMISES)
def test_the_demo_is_the_experiment_that_it_promises(invoke: Invoke, sweep_only: Path, promise: str) -> None:
    question, answer = PROMISES[promise]
    code, out, err = invoke(sweep_only, "sql", question, "--json", "--dir", ".demo")
    assert (code, err) == (0, "")
    assert json.loads(out) == answer


def test_a_command_is_named_by_its_path_where_a_shell_would_not_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / ".venv" / "bin" / "runstream"
    ours.parent.mkdir(parents=True)
    ours.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(ours.with_name("python")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert demo_results._called() == ".venv/bin/runstream"
    monkeypatch.setenv("PATH", f"{ours.parent}:/usr/bin")
    assert demo_results._called() == "runstream"


def test_a_command_whose_run_is_not_there_is_left_out(tmp_path: Path) -> None:
    text = demo_results.next_commands("runstream", tmp_path / "a b", {"best": "aaaaaa", "overfitting": "bbbbbb"})
    assert f"    runstream plot val/loss --runs bbbbbb,aaaaaa --dir '{tmp_path}/a b'" in text
    assert "runstream show" not in text
