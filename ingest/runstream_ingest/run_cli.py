"""`runstream-ingest run`: which log, which store, and for how long."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from runstream_ingest import console, stopping
from runstream_ingest import settings as worker_settings
from runstream_ingest.announcement import serving
from runstream_ingest.clock import SystemClock
from runstream_ingest.console import DirOption, JsonOption, StoreOption, UrlOption
from runstream_ingest.follow import Follower
from runstream_ingest.holding import WornOut
from runstream_ingest.lock import WAIT_S
from runstream_ingest.loop import Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.reporting import JsonReporter, Reporter, TextReporter, report_loaded
from runstream_ingest.settings import DESCRIPTIONS, WorkerSettings
from runstream_ingest.store import load_new, open_store
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.setting_values import SettingsError
from runstream_schemas.settings import Settings

SHOW_PROGRESS_BYTES = 32 * 1024 * 1024
"""Less is loaded before a progress bar could be read."""


HELP: Final = """\
Load events into the store: follow the log until stopped (SIGTERM, Ctrl-C), or drain it with --once.

The log is that of RUNSTREAM_URL: topics at a broker, or a directory. Safe to kill, to run twice and to run on many
machines; nothing is lost or counted double.

Each flag from --group on is also a variable, RUNSTREAM_INGEST_BATCH_BYTES and so on, and a key in the table [ingest] of
runstream.toml. How broker and store are reached are settings of all parts: RUNSTREAM_KAFKA_USERNAME, RUNSTREAM_STORE_CA
and others, which `runstream doctor` lists.

\b
Exit status:
  0  stopped, or drained
  2  a setting or an argument is wrong
  3  another process holds the embedded store
  4  the store cannot be used: wrong login, tables or rights
  5  most of what was read is refused
  6  the broker is not reached or refuses, or topics are missing

\b
Examples:
  runstream-ingest run --once
  runstream-ingest run --log-dir /nfs/team-a/log --log-dir /nfs/team-b/log --metrics-port 9108
  runstream-ingest run --url kafka://broker:9092 --store https://worker@clickhouse:8443/runstream --log json
"""


def _option(name: str) -> Any:
    """A flag for a setting of the worker; what it means and its default stand with the setting."""
    flag = "--" + name.replace("_", "-")
    return typer.Option(flag, metavar="VALUE", help=DESCRIPTIONS[name])


def run(
    once: Annotated[bool, typer.Option("--once", help="Load what is there, then end.")] = False,
    log_dir: Annotated[
        list[Path] | None,
        typer.Option("--log-dir", help="A log directory; may be given several times. Default: the event log."),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="With --once: how long to wait for a store that is held.")
    ] = WAIT_S,
    directory: DirOption = None,
    url: UrlOption = None,
    store_url: StoreOption = None,
    as_json: JsonOption = False,
    group: Annotated[str | None, _option("group")] = None,
    instance: Annotated[str | None, _option("instance")] = None,
    batch_bytes: Annotated[str | None, _option("batch_bytes")] = None,
    batch_age_s: Annotated[str | None, _option("batch_age_s")] = None,
    inserters: Annotated[str | None, _option("inserters")] = None,
    queue_bytes: Annotated[str | None, _option("queue_bytes")] = None,
    unknown_schema_wait_s: Annotated[str | None, _option("unknown_schema_wait_s")] = None,
    metrics_host: Annotated[str | None, _option("metrics_host")] = None,
    metrics_port: Annotated[str | None, _option("metrics_port")] = None,
    stall_s: Annotated[str | None, _option("stall_s")] = None,
    log: Annotated[str | None, _option("log")] = None,
) -> None:
    """Load events into the store."""
    settings = console.settings(dir=directory, url=url, store=store_url)
    worker = _worker_settings(
        settings,
        group=group,
        instance=instance,
        batch_bytes=batch_bytes,
        batch_age_s=batch_age_s,
        inserters=inserters,
        queue_bytes=queue_bytes,
        unknown_schema_wait_s=unknown_schema_wait_s,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        stall_s=stall_s,
        log=log,
    )
    _check_not_served(settings)
    reporter: Reporter = TextReporter() if worker.log == "text" else JsonReporter()
    stop = stopping.stop_on_signals()
    log_dirs = log_dir or ([settings.log_dir] if settings.log_dir else [])
    with console.store_errors(lambda text: reporter.say(text, level="error")):
        if once and log_dirs:
            _once(settings, log_dirs, stop, _on_loaded(reporter, as_json), wait)
        else:
            observer = _observer(worker)
            try:
                _until_stopped(
                    settings, worker, log_dirs, stop, observer, reporter, _on_loaded(reporter, as_json), once
                )
            except WornOut:
                stopping.go_on_as_a_fresh_process()
            reporter.say("stopped")


def _check_not_served(settings: Settings) -> None:
    found = serving(settings.store_dir) if settings.store_dir else None
    if found is not None:
        console.fail(
            f"process {found.pid} serves this store at {found.url} and loads {found.loads} into it already; "
            "stop it to load something else",
            ExitCode.STORE_BUSY,
        )


def _worker_settings(settings: Settings, **flags: str | None) -> WorkerSettings:
    try:
        return worker_settings.load(settings.kafka.topic_prefix, flags, environ=os.environ)
    except SettingsError as error:
        console.fail(str(error), ExitCode.USAGE)


def _once(
    settings: Settings,
    log_dirs: Sequence[Path],
    stop: threading.Event,
    on_loaded: Callable[[Loaded], None],
    wait_s: float,
) -> None:
    with (
        open_store(settings, wait_s=wait_s, on_wait=console.on_wait) as store,
        Progress(
            TextColumn("loading"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console.err,
            transient=True,
            disable=not sys.stderr.isatty(),
        ) as bar,
    ):
        task = bar.add_task("loading", visible=False)

        def show(loaded: Loaded) -> None:
            big = loaded.expected_bytes > SHOW_PROGRESS_BYTES
            bar.update(task, total=loaded.expected_bytes, completed=loaded.bytes, visible=big)

        loaded = load_new(store, log_dirs, on_progress=show, stop=stop)
    on_loaded(loaded)


def _until_stopped(
    settings: Settings,
    worker: WorkerSettings,
    log_dirs: Sequence[Path],
    stop: threading.Event,
    observer: Observer,
    reporter: Reporter,
    on_loaded: Callable[[Loaded], None],
    once: bool,
) -> None:
    def on_trouble(text: str) -> None:
        reporter.say(text, level="warning")

    clock = SystemClock()
    if log_dirs:
        reporter.say(f"following {', '.join(str(path) for path in log_dirs)}")
        Follower(
            settings,
            log_dirs,
            clock=clock,
            stop=stop,
            observer=observer,
            on_loaded=on_loaded,
            on_trouble=on_trouble,
        ).run()
    else:
        # Imported here because the client of the broker takes as long to load as all the rest.
        from runstream_ingest.worker import Worker

        reporter.say(f"reading {settings.kafka.topic_prefix}.* at {settings.url} as a worker of group {worker.group}")
        Worker(
            settings,
            worker,
            clock=clock,
            stop=stop,
            observer=observer,
            on_loaded=on_loaded,
            on_trouble=on_trouble,
        ).run(once=once)


def _on_loaded(reporter: Reporter, as_json: bool) -> Callable[[Loaded], None]:
    def as_object(loaded: Loaded) -> None:
        notices = [{"place": "/".join(n.partition), "kind": n.kind, "text": n.text} for n in loaded.notices]
        console.print_json([{**asdict(loaded), "notices": notices}])

    return as_object if as_json else lambda loaded: report_loaded(loaded, reporter)


def _observer(worker: WorkerSettings) -> Observer:
    if not worker.metrics_port:
        return Observer()
    # Imported here because only this needs the client library.
    from runstream_ingest import telemetry_server
    from runstream_ingest.health import Health
    from runstream_ingest.metrics import PrometheusObserver

    health = Health(worker.stall_s, time.monotonic)
    try:
        telemetry_server.serve(worker.metrics_host, worker.metrics_port, health)
    except OSError as error:
        where = f"{worker.metrics_host}:{worker.metrics_port}"
        console.fail(f"cannot serve metrics at {where}: {error.strerror or error}", ExitCode.USAGE)
    return PrometheusObserver(health)
