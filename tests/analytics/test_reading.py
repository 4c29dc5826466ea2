"""Commands that read, through the real engine."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_tasks import Result
from logged_runs import FOX, LONG, NAMES, OTHER_TWIN, OTTER, RATES, STEPS, TWIN, loss

from runstream_schemas.exit_codes import ExitCode

Invoke = Callable[..., Result]


def listed(invoke: Invoke, logged: Path, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = invoke(logged, "ls", "--json", *arguments)
    assert (code, err) == (0, "")
    objects: list[dict[str, Any]] = json.loads(out)
    return objects


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["run_id"] for row in rows]


def test_every_run_is_listed_newest_first(invoke: Invoke, logged: Path) -> None:
    rows = listed(invoke, logged)
    assert ids(rows) == [str(run_id) for run_id in reversed(NAMES)]
    assert rows[-1] | {"duration": 60.0} == {
        "run_id": str(OTTER),
        "name": 'brave "otter"',
        "experiment": "digits",
        "state": "finished",
        "started": "2025-10-09T08:53:20Z",
        "duration": 60.0,
        "step": STEPS - 1,
    }


def test_runs_sort_by_any_aggregate_of_a_metric_and_those_without_come_last(invoke: Invoke, logged: Path) -> None:
    assert ids(listed(invoke, logged, "--sort", "train/loss:max"))[0] == str(OTTER)
    assert ids(listed(invoke, logged, "--sort", "train/loss:min"))[:2] == [str(OTHER_TWIN), str(OTTER)]
    assert ids(listed(invoke, logged, "--sort", "val/accuracy")) == [
        str(run_id) for run_id in (OTHER_TWIN, OTTER, FOX, LONG, TWIN)
    ]
    assert ids(listed(invoke, logged, "--sort", "lr"))[:4] == [str(run) for run in (FOX, OTTER, TWIN, OTHER_TWIN)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--where", "lr > 0.05"], {OTTER, TWIN, OTHER_TWIN}),
        (["--where", "lr > 0.05 and not lr >= 2"], {OTTER, TWIN}),
        (["--where", "val/accuracy:max > 0.5"], {OTTER, OTHER_TWIN}),
        (["--where", "train/loss:first_nonfinite_step = 121"], {FOX}),
        (["--where", "seed = 7 or tag.team = vision"], {OTTER}),
        (["--where", "seed = 007 and model.name ~ ML"], set(RATES)),
        (["--where", "name ~ 'OTTER'"], {OTTER}),
        (["--where", r"name = 'it\'s 🦊; DROP TABLE point --'"], {FOX}),
        (["--where", "id ~ abcdef"], {TWIN, OTHER_TWIN}),
        (["--where", "started < '2025-10-09 10:00' and duration = 60"], {OTTER, FOX}),
        (["--where", "dirty = true"], set()),
        (["--where", "step < 100"], set()),
        (["--state", "failed"], {FOX}),
        (["--state", "failed,finished"], set(NAMES)),
        (["--tag", "team"], set(RATES)),
        (["--tag", "team=vision"], {OTTER}),
        (["--experiment", "digits' OR 1=1"], set()),
        (["--where", "lr > 0.05", "--where", "lr < 0.5"], {OTTER}),
    ],
)
def test_a_filter_lets_through_what_it_says(
    invoke: Invoke, logged: Path, arguments: list[str], found: set[Any]
) -> None:
    code, out, _ = invoke(logged, "ls", "--json", *arguments)
    assert code == 0
    assert set(ids(json.loads(out))) == {str(run_id) for run_id in found}


def test_columns_are_chosen_and_params_keep_their_type(invoke: Invoke, logged: Path) -> None:
    rows = listed(invoke, logged, "-c", "lr,seed,tag.team", "-c", "train/loss:max_step,train/loss:first_nonfinite_step")
    assert rows[-1] == {
        "run_id": str(OTTER),
        "config.lr": 0.1,
        "config.seed": "007",
        "tag.team": "vision",
        "train/loss:max_step": 77,
        "train/loss:first_nonfinite_step": None,
    }


def test_a_table_in_a_pipe_has_full_ids_and_no_escapes(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "ls")
    assert code == 0
    assert all(str(run_id) in out for run_id in NAMES)
    assert "\x1b" not in out
    assert "x" * 300 in out


def test_a_limit_says_how_many_there_are(invoke: Invoke, logged: Path) -> None:
    code, out, err = invoke(logged, "ls", "--json", "--limit", "2")
    assert (code, len(json.loads(out))) == (0, 2)
    assert "2 of 5 runs" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ls", "--sort", "trian/loss:min"], "train/loss"),
        (["ls", "--columns", "l"], "no run has the param 'l'; there are:.*lr"),
        (["ls", "--where", "lr >"], r"--where: expected a value, but the filter ends\n  lr >\n      \^"),
        (["ls", "--state", "happy"], "there is no state happy"),
        (["ls", "--nonsense"], "No such option"),
        (["ls", "--limit", "-1"], "'--limit'"),
        (["show", "twin"], "names 2 runs(.|\n)*0002ccabcdef(.|\n)*0001ccabcdef"),
        (["show", "abcdef"], "names 2 runs"),
        (["show", "111"], "counts from 6 characters"),
        (["show", "brave ottre"], 'nearest are:\n  01935000-0000-7000-8000-00000a111111  brave "otter"'),
        (["show", ""], "no run is called"),
        (["plot", "train/los"], "train/loss"),
        (["plot", "train/loss", "--runs", "nobody"], "no run is called 'nobody'"),
        (["plot", "train/los", "--runs", "a111111"], "train/loss"),
        (["plot"], "Missing argument"),
        (["sql", "SELEC 1"], "SYNTAX_ERROR"),
        (["sql", "SELECT * FROM nothing"], "SHOW TABLES"),
        (["sql", "  ; "], "empty"),
        (["verify", "nobody"], "no run is called"),
        (["delete", "nobody", "--yes"], "no run is called"),
        (["nonsense"], "No such command"),
    ],
)
def test_a_slip_gets_one_clear_message_and_status_2(
    invoke: Invoke, logged: Path, arguments: list[str], message: str
) -> None:
    code, out, err = invoke(logged, *arguments)
    assert (code, out) == (ExitCode.USAGE, "")
    assert re.search(message, err), err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", [str(OTTER), "00000A111111", "a111111", 'brave "otter"'])
def test_a_run_is_named_by_id_end_of_id_or_name(invoke: Invoke, logged: Path, name: str) -> None:
    code, out, _ = invoke(logged, "show", name, "--json")
    assert (code, json.loads(out)[0]["run_id"]) == (0, str(OTTER))


def test_show_tells_everything_about_a_run(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "show", str(OTTER), "--json")
    detail = json.loads(out)[0]
    assert code == 0
    assert detail["params"] == {"lr": 0.1, "model.name": "mlp", "seed": "007"}
    assert detail["tags"] == {"team": "vision"}
    assert {row["metric"]: row["max"] for row in detail["metrics"]} == {
        "train/loss": 5.0,
        "val/accuracy": pytest.approx(0.61, abs=0.01),
    }
    assert [(row["name"], row["version"], row["aliases"]) for row in detail["artifacts"]] == [("model.pt", 1, ["best"])]
    assert [row["state"] for row in detail["attempts"]] == ["finished"]
    assert [row["commit"] for row in detail["environment"]] == ["c0ffee"]
    assert [row["verdict"] for row in detail["ledger"]] == ["complete"]


def test_show_prints_pages_without_control_characters(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "show", *map(str, NAMES))
    assert code == 0
    assert "first NaN at step 121" in out
    assert "\\x1b[31mred" in out
    assert "\x1b" not in out


def test_plot_draws_each_metric_and_marks_the_first_nan(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "plot", "train/loss", "val/accuracy", "--by", "lr", "--top", "2")
    assert code == 0
    assert "× first NaN at step 121" in out
    assert "val/accuracy" in out
    assert "twin" not in out


def test_plot_says_when_no_run_has_the_metric_and_where_the_axis_has_no_place(invoke: Invoke, logged: Path) -> None:
    code, out, err = invoke(logged, "plot", "train/loss", "val/accuracy", "--runs", str(TWIN))
    assert (code, out) == (0, "")
    assert err == "none of these has logged 'train/loss'\nnone of these has logged 'val/accuracy'\n"
    code, out, err = invoke(logged, "plot", "train/loss", "--where", "lr > 100", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert err == "none of the runs that match has logged 'train/loss'\n"
    code, out, _ = invoke(logged, "plot", "val/accuracy", "--log", "--runs", str(OTTER))
    assert code == 0
    assert "0.1┤" in out
    assert "values at or below 0 are not drawn" in out


@pytest.mark.parametrize("axis", ["step", "time"])
@pytest.mark.parametrize("metric", ["all/nan", "one"])
def test_a_metric_of_one_point_or_of_nan_alone_is_drawn(invoke: Invoke, logged: Path, metric: str, axis: str) -> None:
    code, out, err = invoke(logged, "plot", metric, "--x", axis)
    assert (code, err) == (0, "")
    assert out.startswith(metric)


def test_plotted_numbers_lose_no_extremum(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "plot", "train/loss", "--runs", f"{OTTER},{FOX}", "--json")
    rows = json.loads(out)
    assert code == 0
    for run_id in (OTTER, FOX):
        values = [value for step in range(STEPS) if math.isfinite(value := loss(run_id, step))]
        mine = [row for row in rows if row["run_id"] == str(run_id)]
        assert max(row["max"] for row in mine if row["max"] is not None) == max(values)
        assert min(row["min"] for row in mine if row["min"] is not None) == min(values)


def test_a_chart_over_time_has_the_same_extremes(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "plot", "train/loss", "--runs", str(OTTER), "--json", "--x", "time")
    assert code == 0
    assert max(row["max"] for row in json.loads(out)) == 5.0
    assert json.loads(out)[0]["seconds"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "--where", "lr > 100"],
        ["show", str(OTTER)],
        ["plot", "train/loss"],
        ["sql", "SELECT * FROM metric_summary"],
        ["sql", "SELECT 1 WHERE 0"],
        ["sql", "SHOW TABLES"],
        ["verify"],
        ["sync"],
        ["delete", str(OTTER)],
        ["doctor"],
    ],
)
def test_json_is_a_list_of_objects(invoke: Invoke, logged: Path, arguments: list[str]) -> None:
    answer = json.loads(invoke(logged, *arguments, "--json").out)
    assert isinstance(answer, list)
    assert all(isinstance(row, dict) for row in answer)


def test_verify_is_content_only_with_complete_ledgers(invoke: Invoke, logged: Path) -> None:
    code, out, _ = invoke(logged, "verify", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["verdict"] for row in rows} == {"complete"}
    assert all(row["logged"] == row["stored"] for row in rows)
    assert len(rows) == len(NAMES)


def test_doctor_finds_nothing_wrong_here(invoke: Invoke, logged: Path) -> None:
    invoke(logged, "ls")  # loads; doctor only looks
    code, out, _ = invoke(logged, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == 0
    assert {
        "setting dir",
        "python",
        "clock",
        "journal",
        "log directory",
        "store",
        "journals",
        "attempts",
    } <= checks.keys()
    assert "5 runs" in checks["store"]["detail"]
    assert all(check["fix"] for check in checks.values() if check["status"] != "ok")
