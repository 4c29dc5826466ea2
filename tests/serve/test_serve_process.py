"""The program: it loads while it serves, commands find it, and it ends cleanly."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import logged_runs
import pytest
from serving import Served, announcement, command, environment, serving

import support_events as events
from runstream_ingest.announcement import serving as found_in

INGEST = [sys.executable, "-c", "from runstream_ingest.cli import main; main()"]


def log_more(directory: Path, numbers: range) -> None:
    log = directory / ".runstream" / "log"
    for number in numbers:
        attempt = events.ATTEMPT + number * 1_000_000
        frame = events.frame([number], [attempt + 1000], {"more": [float(number)]})
        logged_runs.put(log, "metric", [events.metric(logged_runs.OTTER, [frame], attempt=attempt)])


def test_what_is_logged_while_it_serves_is_seen(serve: Callable[..., Served]) -> None:
    served = serve()
    for number in range(1, 4):
        log_more(served.directory, range(number, number + 1))
        served.await_load()
        assert served.text("SELECT count() FROM points WHERE metric = 'more'") == f"{number}\n"


def test_what_is_logged_while_it_serves_is_diagnosed_some_seconds_later(serve: Callable[..., Served]) -> None:
    served = serve()
    run_id = uuid4()
    losses = events.frame(range(20), range(events.ATTEMPT, events.ATTEMPT + 20), {"loss": [2.0**-n for n in range(20)]})
    logged_runs.put(served.directory / ".runstream" / "log", "metric", [events.metric(run_id, [losses])])
    verdict = f"SELECT verdict FROM diagnosis WHERE run_id = '{run_id}'"
    until = time.monotonic() + 60
    while not (said := served.text(verdict)):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert said == "improving\n"


def test_sixteen_clients_read_while_it_loads_and_nothing_is_lost(serve: Callable[..., Served]) -> None:
    served = serve()
    wrong: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        client = served.client()
        while not stop.is_set():
            if client.query("SELECT count() FROM runs").result_rows != [(len(logged_runs.NAMES),)]:
                wrong.append("runs")
            client.query("SELECT step, value FROM points WHERE metric = 'more'")

    served.await_load()
    clients = [threading.Thread(target=ask) for _ in range(16)]
    for client in clients:
        client.start()
    try:
        log_more(served.directory, range(1, 201))
        served.await_load()
        assert served.text("SELECT count(), sum(value) FROM points WHERE metric = 'more'") == "200\t20100\n"
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert not wrong


def test_commands_ask_it_and_see_what_was_just_logged(serve: Callable[..., Served]) -> None:
    served = serve()
    log_more(served.directory, range(1, 2))
    asked = command(served.directory, "sql", "SELECT count() FROM points WHERE metric = 'more'", "--format", "csv")
    assert (asked.returncode, asked.stdout) == (0, '"count()"\n1\n')
    for arguments in (["ls"], ["show", 'brave "otter"'], ["plot", "train/loss"], ["doctor"]):
        done = command(served.directory, *arguments)
        assert done.returncode == 0, done.stderr
        assert "waiting" not in done.stderr
    assert command(served.directory, "verify").returncode in (0, 1)


def test_deleted_runs_are_gone_from_it(serve: Callable[..., Served]) -> None:
    served = serve()
    assert command(served.directory, "delete", 'brave "otter"', "--yes").returncode == 0
    assert served.text("SELECT count() FROM runs") == f"{len(logged_runs.NAMES) - 1}\n"


def test_writing_sql_says_who_holds_the_store(serve: Callable[..., Served]) -> None:
    served = serve()
    refused = command(served.directory, "sql", "OPTIMIZE TABLE point", "--write")
    assert refused.returncode == 3
    assert str(served.process.pid) in refused.stderr


def test_a_worker_and_a_second_server_say_that_one_loads_already(serve: Callable[..., Served]) -> None:
    served = serve()
    worker = subprocess.run(
        [*INGEST, "run"],
        check=False,
        cwd=served.directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    again = command(served.directory, "serve", "--port", "0")
    for refused in (worker, again):
        assert refused.returncode == 3
        assert str(served.process.pid) in refused.stderr
        assert served.url in refused.stderr


def test_a_killed_server_leaves_nothing_that_hinders(tmp_path: Path) -> None:
    logged_runs.write(tmp_path / ".runstream" / "log")
    with serving(tmp_path) as served:
        served.stop(signal.SIGKILL)
        assert announcement(tmp_path)["pid"] == served.process.pid
    assert found_in(tmp_path / ".runstream" / "store") is None
    assert command(tmp_path, "ls").returncode == 0
    with serving(tmp_path) as served:
        served.await_load()
        assert served.text("SELECT count() FROM runs") == f"{len(logged_runs.NAMES)}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_with_all_that_it_loaded(serve: Callable[..., Served], number: int) -> None:
    served = serve()
    log_more(served.directory, range(1, 50))
    served.await_load()
    with socket.create_connection(("127.0.0.1", served.port)) as hanging:
        hanging.sendall(b"GET /?query=SELECT+number+FROM+numbers(100000000000) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert hanging.recv(100).startswith(b"HTTP/1.1 200")
        assert served.stop(number) == 0
        served.listener.join(30)
        assert served.said[-1] == "stopped\n"
        assert "Traceback" not in "".join(served.said)
    assert not (served.directory / ".runstream" / "store.serve.json").exists()
    again = command(served.directory, "sql", "SELECT count() FROM points WHERE metric = 'more'", "--format", "csv")
    assert again.stdout == '"count()"\n49\n'


def test_it_waits_for_a_store_that_another_command_uses(tmp_path: Path) -> None:
    logged_runs.write(tmp_path / ".runstream" / "log")
    worker = subprocess.Popen([*INGEST, "run"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    assert worker.stderr is not None
    try:
        while "loaded" not in worker.stderr.readline():
            assert worker.poll() is None
        with serving(tmp_path) as served:
            assert served.text("SELECT 1") == "1\n"
    finally:
        worker.terminate()
        worker.wait(30)
        worker.stderr.close()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = command(tmp_path, "serve", "--port", port)
    assert refused.returncode == 2
    assert port in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_store_on_a_server_needs_no_serving(tmp_path: Path) -> None:
    refused = command(tmp_path, "serve", "--store", "http://localhost:1/runstream")
    assert refused.returncode == 2
    assert "ClickHouse server" in refused.stderr


def test_a_store_of_a_later_runstream_is_refused(tmp_path: Path) -> None:
    logged_runs.write(tmp_path / ".runstream" / "log")
    later = "INSERT INTO schema_version (number, name) VALUES (9999, 'later')"
    columns = command(tmp_path, "sql", "SELECT groupArray(name) FROM system.columns WHERE table = 'schema_version'")
    assert columns.returncode == 0, columns.stderr
    assert command(tmp_path, "sql", later, "--write").returncode == 0, columns.stdout
    refused = command(tmp_path, "serve", "--port", "0")
    assert refused.returncode == 4
    assert "Traceback" not in refused.stderr


def test_help_shows_how(tmp_path: Path) -> None:
    shown = command(tmp_path, "serve", "--help")
    assert shown.returncode == 0
    assert "RUNSTREAM_SERVE_TOKEN" in shown.stdout
