"""Settings of the worker: from flags, environment and file, with errors that name the fix."""

from pathlib import Path

import pytest

from runstream_ingest.settings import DESCRIPTIONS, load
from runstream_schemas.setting_values import SettingsError
from runstream_schemas.settings import load as load_shared


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "runstream.toml").write_text('[ingest]\ngroup = "file"\ninserters = 3\nstall_s = 7\n')
    environ = {"RUNSTREAM_INGEST_GROUP": "environment", "RUNSTREAM_INGEST_INSERTERS": "4"}
    worker = load("team", {"group": "flag", "log": None}, environ=environ, cwd=tmp_path)
    assert (worker.group, worker.inserters, worker.stall_s, worker.log) == ("flag", 4, 7.0, "text")
    assert worker.sources["group"] == "argument"
    assert worker.sources["inserters"] == "RUNSTREAM_INGEST_INSERTERS"
    assert worker.sources["stall_s"].endswith("runstream.toml [ingest]")
    assert worker.sources["log"] == "default"
    assert worker.sources.keys() == DESCRIPTIONS.keys()


def test_the_group_is_that_of_the_topics(tmp_path: Path) -> None:
    assert load("team", {}, environ={}, cwd=tmp_path).group == "team.ingest"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("batch_bytes", "-5", "a whole number from 1048576 to"),
        ("batch_bytes", "16M", "a whole number"),
        ("queue_bytes", "99999999999", "to 2146435072"),
        ("inserters", "1.5", "a whole number from 1 to 64"),
        ("inserters", "1000000", "to 64"),
        ("metrics_port", "99999", "from 0 to 65535"),
        ("batch_age_s", "nan", "at least 0"),
        ("stall_s", "0", "at least 1"),
        ("unknown_schema_wait_s", "inf", "at least 0"),
        ("log", "xml", "text, json"),
    ],
)
def test_a_wrong_value_is_named_with_where_it_came_from_and_the_remedy(
    tmp_path: Path, name: str, value: str, remedy: str
) -> None:
    variable = f"RUNSTREAM_INGEST_{name.upper()}"
    with pytest.raises(SettingsError, match=remedy) as error:
        load("team", {}, environ={variable: value}, cwd=tmp_path)
    assert f"{name} is {value!r} (from {variable})" in str(error.value)


@pytest.mark.parametrize(("content", "says"), [("[ingest]\nbatchbytes = 3", "batchbytes"), ("ingest = 3", "a table")])
def test_a_wrong_table_is_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "runstream.toml").write_text(content)
    load_shared(environ={}, cwd=tmp_path)
    with pytest.raises(SettingsError, match=says):
        load("team", {}, environ={}, cwd=tmp_path)
