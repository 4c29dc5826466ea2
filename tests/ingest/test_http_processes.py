"""Several processes and one server; processes that die; the commands with a server."""

import json
import threading
from pathlib import Path
from typing import Any

import ingest_support
import worker_process
from http_stores import ended, settings_for, shown
from ingest_support import RUN, batch_record, segment_path, write_history, write_segment

from http_front.control import RunningFront
from runstream_ingest.store import open_store
from runstream_schemas.exit_codes import ExitCode

pytest_plugins = ("http_front.fixture", "http_fixtures")

COMMANDS = "from runstream_analytics.cli.app import main; main()"


def test_workers_that_start_together_on_an_empty_server_load_everything_once(
    front: RunningFront, tmp_path: Path, model: dict[str, list[str]]
) -> None:
    write_history(tmp_path / "log")
    url = front.store_url()
    workers = [worker_process.start(tmp_path, "--once", "--store", url) for _ in range(3)]
    for worker in workers:
        _, said = worker.communicate(timeout=100)
        assert worker.returncode == 0, said
    assert shown(url, tmp_path) == model


def test_threads_that_migrate_together_leave_one_complete_store(front: RunningFront, tmp_path: Path, url: str) -> None:
    other = front.store_url()
    together = threading.Barrier(4)
    failed: list[Exception] = []

    def migrate() -> None:
        together.wait(30)
        try:
            with open_store(settings_for(other, tmp_path)):
                pass
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert tables(other, tmp_path) == tables(url, tmp_path)


def tables(url: str, directory: Path) -> list[Any]:
    with open_store(settings_for(url, directory)) as store:
        query = "SELECT name, engine FROM system.tables WHERE database = currentDatabase() ORDER BY name"
        return list(store.client.query(query).result_rows)


def test_a_worker_killed_in_the_middle_of_an_insert_is_followed_by_one_that_loads_everything(
    front: RunningFront, tmp_path: Path, model: dict[str, list[str]]
) -> None:
    write_history(tmp_path / "log")
    url = front.store_url()
    front.fail("hold", table="^landing_metric$")
    worker = worker_process.start(tmp_path, "--once", "--store", url)
    front.inserts(holding=1)
    worker.kill()
    worker.communicate()
    front.release()
    done = ended(worker_process.WORKER, *worker_process.arguments(tmp_path, "--once", "--store", url))
    assert done.returncode == 0, done.stderr
    assert shown(url, tmp_path) == model


def test_the_commands_work_with_a_server(front: RunningFront, tmp_path: Path) -> None:
    write_history(tmp_path / "log")
    bad = ingest_support.datum("metric", batch_record(50) | {"attempt": 5})
    write_segment(segment_path(tmp_path / "log", "metric", number=1), [bad])
    at = ("--dir", str(tmp_path / ".runstream"), "--store", front.store_url())

    def run(code: str, *arguments: str, status: int = 0) -> Any:
        done = ended(code, *arguments)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr

    worker = worker_process.WORKER
    assert "up to date" in run(worker, "migrate", *at)
    (loaded,) = run(worker, "run", "--once", "--json", "--log-dir", str(tmp_path / "log"), *at)
    assert (loaded["points"], loaded["dead_letters"]) == (526, 1)
    (letter,) = run(worker, "deadletters", "list", "--json", *at[:2])
    assert "attempt_in_range" in letter["error"]
    replayed = run(worker, "deadletters", "replay", "--all", "--json", *at, status=ExitCode.INCOMPLETE)
    assert replayed["stored"] == []
    assert "attempt_in_range" in replayed["refused"][0]["error"]
    (row,) = run(COMMANDS, "ls", "--json", *at)
    assert row["run_id"] == str(RUN)
