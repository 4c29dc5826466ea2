import io
import re
from pathlib import Path

import pytest

from runstream_analytics.cli import demo
from runstream_analytics.cli.options import settings_from
from runstream_analytics.errors import UserError


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


def test_the_commands_to_look_at_next_exist(tmp_path: Path) -> None:
    from runstream_analytics.cli.app import app

    known = {command.name for command in app.registered_commands}
    assert set(re.findall(r"runstream (\w+)", demo._next(tmp_path, "best"))) <= known
