"""Who may ask: with a token only who knows it, and never a web page."""

import stat
from collections.abc import Callable
from pathlib import Path

import logged_runs
import pytest
from serving import Served, command, serving


def test_whoever_does_not_show_the_token_gets_nothing(serve: Callable[..., Served]) -> None:
    served = serve("--token", "s3cret:ü/@")
    token = served.token
    served.token = ""
    basic = {"Authorization": "Basic ZGVmYXVsdDpzM2NyZXQ6w7wvQA=="}
    latin = "s3cret:ü/@".encode().decode("latin-1")
    for given in ({}, {"password": "wrong"}, {"password": token + "x"}):
        answer = served.ask("SELECT 1", **given)
        assert (answer.status, answer.code) == (403, 516)
        assert b"1\n" not in answer.body
        assert token.encode() not in answer.body
    assert served.get("/runstream/fresh").status == 403
    assert served.get("/ping").status == 200
    assert served.ask("SELECT 1", basic).body == b"1\n"
    assert served.ask("SELECT 1", user="anybody", password=token).body == b"1\n"
    served.token = latin
    assert served.ask("SELECT 1").status in (200, 403)
    served.token = token
    assert served.client().command("SELECT 1") == 1
    assert command(served.directory, "ls").returncode == 0


def test_the_token_is_readable_by_its_owner_alone(serve: Callable[..., Served]) -> None:
    served = serve("--token", "s3cret")
    file = served.directory / ".runstream" / "store.serve.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret" not in "".join(served.said)


def test_other_machines_are_let_in_only_with_a_token(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        refused = command(tmp_path, "serve", "--host", host)
        assert refused.returncode == 2
        assert "RUNSTREAM_SERVE_TOKEN" in refused.stderr
    logged_runs.write(tmp_path / ".runstream" / "log")
    with serving(tmp_path, "--host", "0.0.0.0", RUNSTREAM_SERVE_TOKEN="t") as served:
        assert served.ask("SELECT 1", {"Host": "laptop.example:8123"}).body == b"1\n"


@pytest.mark.parametrize("host", ["localhost:8123", "127.0.0.1", "[::1]:8123", "127.0.0.2:1"])
def test_names_of_this_machine_are_answered(served: Served, host: str) -> None:
    assert served.ask("SELECT 1", {"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "localhost.evil.example", "192.168.0.1", "x@y"])
def test_a_page_that_points_its_own_name_here_is_refused(served: Served, host: str) -> None:
    for answer in (served.ask("SELECT 1", {"Host": host}), served.get("/ping", {"Host": host})):
        assert (answer.status, answer.code) == (403, 516)


def test_a_page_of_another_origin_is_refused_and_gets_no_permission(served: Served) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = served.ask("SELECT 1", {"Origin": origin, "Content-Type": "text/plain"})
        assert (answer.status, answer.code) == (403, 516)
    answer = served.ask("SELECT 1", {"Origin": served.url})
    assert answer.status == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_nothing_is_left_open_by_those_who_were_refused(served: Served) -> None:
    served.ask("SELECT 1")
    before = served.descriptors()
    for _ in range(50):
        served.ask("SELECT 1", {"Host": "evil.example"})
        served.ask("SELEC")
    assert served.descriptors() <= before + 2
