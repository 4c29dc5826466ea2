"""What `init` is given: what is wrong is refused with the argument's name and a remedy, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
from event_files import events
from runs import start

from runstream.api import init
from runstream_schemas.settings import SettingsError


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


class BrokenMapping(dict[str, int]):
    def keys(self) -> Any:
        raise OSError("gone")

    __iter__ = keys


WRONG_ARGUMENTS = [
    ({"experiment": ""}, "experiment is ''.*; use text that is not empty"),
    ({"experiment": 5}, "experiment is 5; use text"),
    ({"name": ""}, "name is ''.*; use text that is not empty"),
    ({"name": "x" * 10_000_000}, "name has 10,000,000 characters; use at most 1,024"),
    ({"config": 3}, "config is 3; use a mapping, such as vars"),
    ({"config": Unprintable()}, "config is an object of type Unprintable; use a mapping"),
    ({"config": BrokenMapping(a=1)}, "config cannot be read: OSError; use a dict"),
    ({"tags": 5}, "tags is 5; use a mapping of names to values, or a list of names"),
    ({"resume": "maybe"}, "resume is 'maybe'; use one of allow, never, must"),
    ({"start_step": "x"}, "start_step is 'x'.*; use an integer of 64 bits"),
    ({"start_step": True}, "start_step is True; use an integer"),
    ({"start_step": 2**63}, "start_step is 9223372036854775808; use an integer of 64 bits"),
    ({"run_id": ""}, "run_id must have 1 to 512 characters"),
    ({"run_id": 7}, "run_id must be a string or a uuid.UUID, not int"),
    ({"dir": 123}, "dir is 123; use text or a path"),
    ({"artifacts": ["a"]}, "artifacts is an object of type list; use text or a path"),
    ({"mode": True}, "mode is True; use text"),
    ({"url": "http://nonsense"}, "use file:/path or kafka"),
    ({"url": "kafka://broker"}, "url names the broker 'broker'; use kafka://host:port"),
    ({"mode": "offline"}, "mode is 'offline'.*use online, disabled"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS, ids=[m[:30] for _, m in WRONG_ARGUMENTS])
def test_init_raises_a_value_error_for_a_wrong_argument_that_names_it_and_a_remedy_and_makes_nothing(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        init(**{"dir": tmp_path / "dir", **arguments})
    assert list(tmp_path.rglob("*")) == []


def test_resume_without_a_run_id_means_nothing_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(tmp_path, resume="must").finish()
    assert [r.getMessage() for r in caplog.records if "means nothing without run_id=" in r.getMessage()]


def test_a_name_of_any_text_is_kept(tmp_path: Path) -> None:
    name = "run \ud800 of 'mine'\n🔥"
    start(tmp_path, name=name, experiment="'; DROP TABLE run").finish()
    described = events(tmp_path, "run")[-1]
    assert (described["experiment"], described["name"]) == ("'; DROP TABLE run", name.replace("\ud800", "\\ud800"))


def test_settings_errors_name_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNSTREAM_HEARTBEAT_S", "often")
    with pytest.raises(SettingsError, match="heartbeat_s is 'often'"):
        start(tmp_path)
