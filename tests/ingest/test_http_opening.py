"""Opening a store on a server: who is let in, and what everybody else is told."""

import itertools
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import worker_process
from http_stores import ended, settings_for, shown
from ingest_support import write_history

from http_front.control import RunningFront, running
from runstream_ingest import connect
from runstream_ingest.store import StoreFailed, load_new, open_store
from runstream_schemas.exit_codes import ExitCode

pytest_plugins = ("http_front.fixture", "http_fixtures")

WRONG = {
    "password": ("{scheme}://ada:s3cret@{place}/x", "check the user name and the password"),
    "no password": ("{scheme}://{place}/x", "check the user name and the password"),
    "unescaped password": ("{scheme}://ada:s3cret#x@{place}/x", "%23"),
    "host": ("http://ada:s3cret@nowhere.invalid:8123/x", "check the host"),
    "port": ("http://ada:s3cret@localhost:1/x", "nothing listens there"),
    "TLS where there is none": ("https://ada:s3cret@{place}/x", "does that port speak HTTPS"),
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFront]:
    """A server with a user."""
    with running(tmp_path_factory.mktemp("guarded"), "--user", "ada", "--password", "p:a/ss#w@rd%") as front:
        yield front


@pytest.mark.parametrize(("url", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_server_that_cannot_be_used_is_named_with_the_remedy_and_without_the_password(
    guarded: RunningFront, tmp_path: Path, url: str, says: str
) -> None:
    scheme, _, place = guarded.url.partition("://")
    wrong = url.format(scheme=scheme, place=place)
    done = ended(worker_process.WORKER, "migrate", "--dir", str(tmp_path), "--store", wrong)
    assert done.returncode == ExitCode.STORE_FAILED
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
    # One line of its own, and no warning of a library.
    assert done.stderr.count("\n") == 1


def test_a_password_with_every_awkward_character_gets_in(guarded: RunningFront, tmp_path: Path) -> None:
    with open_store(settings_for(guarded.store_url(account="ada:p%3Aa%2Fss%23w%40rd%25"), tmp_path)) as store:
        assert store.client.command("SELECT 1") == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n", "no ClickHouse server"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nhello\n", "no ClickHouse server"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\n", "8123"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "redirects"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "speaks no HTTP"),
        (b"", "closed the connection"),
    ],
    ids=["page", "no page", "native port", "redirect", "no HTTP", "nothing"],
)
def test_what_is_no_clickhouse_server_is_told_from_one(tmp_path: Path, answer: bytes, says: str) -> None:
    with stub(answer) as url, pytest.raises(StoreFailed, match=says), open_store(settings_for(url, tmp_path)):
        pass


def test_a_certificate_is_checked_and_its_authority_can_be_named(tmp_path: Path) -> None:
    mine, other = certificate(tmp_path, "localhost"), certificate(tmp_path, "elsewhere")
    with running(tmp_path / "store", "--cert", str(mine), "--key", str(mine.with_suffix(".key"))) as front:
        url = front.store_url("here")
        client = connect.server(url, ca=str(mine))()
        assert client.command("SELECT 1") == 1
        client.close()
        for ca in ("", str(other)):
            with pytest.raises(connect.CannotConnect, match=r"not trusted.*store_ca"):
                connect.server(url, ca=ca)()
        with pytest.raises(connect.CannotConnect, match="HTTP"):
            connect.server(url.replace("https", "http"))()
    with (
        running(tmp_path / "store", "--cert", str(other), "--key", str(other.with_suffix(".key"))) as front,
        pytest.raises(connect.CannotConnect, match="use a host name"),
    ):
        connect.server(front.store_url(), ca=str(other))()
    for missing in (tmp_path / "missing.pem", mine.with_suffix(".key")):
        with pytest.raises(connect.CannotConnect, match="store_ca"):
            connect.server("https://localhost:1", ca=str(missing))


def test_who_may_only_read_can_read_a_store_that_others_fill(
    front: RunningFront, tmp_path: Path, model: dict[str, list[str]]
) -> None:
    write_history(tmp_path / "log")
    url = front.store_url()
    with open_store(settings_for(url, tmp_path)) as store:
        load_new(store, [tmp_path / "log"])
    front.readonly(True)
    assert shown(url, tmp_path) == model


def test_who_may_not_create_the_database_is_told_so(front: RunningFront, tmp_path: Path) -> None:
    front.readonly(True)
    with (
        pytest.raises(StoreFailed, match=r"Code: 164\. DB::Exception: .*readonly"),
        open_store(settings_for(front.store_url(), tmp_path)),
    ):
        pass


_names = itertools.count()


def certificate(directory: Path, host: str) -> Path:
    """A certificate that signs itself, with its key beside it."""
    made = directory / f"{host}{next(_names)}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", made.with_suffix(".key"), "-out", made, "-days", "2", "-subj", f"/CN={host}"),
            *("-addext", f"subjectAltName=DNS:{host}"),
        ],
        check=True,
        capture_output=True,
    )
    return made


@contextmanager
def stub(answer: bytes) -> Iterator[str]:
    """Something that gives everybody the same answer; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        listener.shutdown(socket.SHUT_RDWR)
