"""Commands of somebody whom the server lets read and nothing else, as the user grafana of deploy/clickhouse."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_tasks import Result
from logged_runs import FOX, NAMES

from http_front.control import RunningFront
from runstream_ingest.store import load_new, open_store
from runstream_schemas import settings
from runstream_schemas.exit_codes import ExitCode

Invoke = Callable[..., Result]

pytest_plugins = ("http_front.fixture",)

MAY_SET_OTHERS = 2
"""What `readonly` is for that user: Grafana's plugin sends settings with its queries."""


@pytest.fixture
def reader(front: RunningFront, logged: Path, tmp_path: Path) -> Iterator[Path]:
    """A working directory whose store is on a server that is filled and may only be read."""
    url = front.store_url()
    with open_store(settings.load(environ={}, cwd=tmp_path, store=url)) as store:
        load_new(store, [logged / ".runstream" / "log"])
    (tmp_path / "runstream.toml").write_text(f'store = "{url}"\n')
    front.readonly(MAY_SET_OTHERS)
    yield tmp_path
    front.readonly(0)


def test_sql_answers_in_every_format(invoke: Invoke, reader: Path) -> None:
    query = "SELECT name FROM runs WHERE state = 'failed'"
    code, out, err = invoke(reader, "sql", query, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == [{"name": NAMES[FOX]}]
    for form in ("csv", "table"):
        assert NAMES[FOX] in invoke(reader, "sql", query, "--format", form).out


@pytest.mark.parametrize("more", [(), ("--write",)], ids=["read", "write"])
def test_sql_writes_nothing(invoke: Invoke, reader: Path, more: tuple[str, ...]) -> None:
    code, out, err = invoke(reader, "sql", "DROP TABLE point", *more)
    assert (code, out) == (ExitCode.USAGE, "")
    assert "Traceback" not in err
    assert invoke(reader, "sql", "SELECT count() > 0 AS there FROM points").out == '"there"\n1\n'


@pytest.mark.parametrize("command", ["ls", "verify", "doctor", "show 00000b222222"])
def test_other_commands_read_as_ever(invoke: Invoke, reader: Path, command: str) -> None:
    code, out, err = invoke(reader, *command.split())
    assert code in (ExitCode.OK, ExitCode.INCOMPLETE), err
    assert out
    assert "cannot" not in err
