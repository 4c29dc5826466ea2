"""Settings: from arguments, environment, file and defaults, in this order, with errors that name the fix."""

from pathlib import Path

import pytest

from runstream_schemas.settings import SettingsError, load, without_password


def test_defaults_lie_in_the_working_directory(tmp_path: Path) -> None:
    settings = load(environ={}, cwd=tmp_path)
    assert settings.dir == tmp_path / ".runstream"
    assert settings.log_dir == tmp_path / ".runstream" / "log"
    assert settings.store_dir == tmp_path / ".runstream" / "store"
    assert settings.artifacts == str(tmp_path / ".runstream" / "artifacts")
    assert settings.mode == "online"


def test_argument_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "runstream.toml").write_text('dir = "from-file"\nstore = "chdb:/file-store"\nheartbeat_s = 3\n')
    settings = load(environ={"RUNSTREAM_DIR": "from-environment"}, cwd=tmp_path, url="file:/argument")
    assert settings.dir == tmp_path / "from-environment"
    assert settings.store == "chdb:/file-store"
    assert settings.url == "file:/argument"
    assert settings.heartbeat_s == 3.0
    assert settings.sources["dir"] == "RUNSTREAM_DIR"
    assert settings.sources["store"].endswith("runstream.toml")
    assert settings.sources["url"] == "argument"
    assert settings.sources["mode"] == "default"


def test_a_path_with_blanks_and_percent_signs_survives_the_url(tmp_path: Path) -> None:
    odd = tmp_path / "a b%20c"
    settings = load(environ={}, cwd=tmp_path, dir=odd)
    assert settings.log_dir == odd / "log"
    assert settings.store_dir == odd / "store"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RUNSTREAM_URL", "redis://x", "use file:/path or kafka://"),
        ("RUNSTREAM_STORE", "mysql://u:secret@h/d", "use chdb:/path"),
        ("RUNSTREAM_MODE", "offline", "use online, disabled"),
        ("RUNSTREAM_JOURNAL_BYTES", "10", "at least"),
        ("RUNSTREAM_FSYNC", "sometimes", "use auto, always, never"),
        ("RUNSTREAM_CONFIG", "/nonexistent.toml", "does not exist"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy_and_without_passwords(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        load(environ={name: value}, cwd=tmp_path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("content", ["dri = 'x'", "dir = [1]", "dir = ", "\x00", "[ingets]\nlog = 'json'"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "runstream.toml").write_text(content)
    with pytest.raises(SettingsError, match=r"runstream\.toml"):
        load(environ={}, cwd=tmp_path)


def test_passwords_are_hidden() -> None:
    assert without_password("https://me:secret@host:8443/db") == "https://me:***@host:8443/db"
    assert without_password("http://u:se/cr@et@host/db") == "http://u:***@host/db"
    assert without_password("kafka://host:9092,other:9092") == "kafka://host:9092,other:9092"
    assert without_password("chdb:/path") == "chdb:/path"
