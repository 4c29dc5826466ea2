"""The commands of `runstream-ingest`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from runstream_ingest import console, deadletter_cli
from runstream_ingest.clock import SystemClock
from runstream_ingest.console import DirOption, JsonOption, StoreOption
from runstream_ingest.follow import Follower
from runstream_ingest.lock import WAIT_S
from runstream_ingest.loop import Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.store import load_new, open_store
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The ingest worker: moves events from the log into the store.",
)
app.add_typer(deadletter_cli.app, name="deadletters")

SHOW_PROGRESS_BYTES = 32 * 1024 * 1024
"""Less is loaded before a progress bar could be read."""


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Load what is there, then end.")] = False,
    log_dir: Annotated[
        list[Path] | None,
        typer.Option("--log-dir", help="A log directory; may be given several times. Default: that of the settings."),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", help="Serve Prometheus metrics at this port.", min=1, max=65535)
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="With --once: how long to wait for a store that is held.")
    ] = WAIT_S,
    directory: DirOption = None,
    store_url: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load events into the store: follow the log until stopped (SIGTERM, Ctrl-C), or drain it with --once.

    Safe to kill and to run twice; nothing is lost or counted double.

    Examples:
    runstream-ingest run --once

    runstream-ingest run --log-dir /nfs/team-a/log --log-dir /nfs/team-b/log --metrics-port 9108
    """
    settings = console.settings(dir=directory, store=store_url)
    log_dirs = log_dir or ([settings.log_dir] if settings.log_dir else [])
    if not log_dirs:
        console.fail("the event log is a broker, which this version cannot read: give --log-dir", ExitCode.USAGE)
    stop = _stop_on_signals()
    with console.store_errors():
        if once:
            _once(settings, log_dirs, stop, as_json, wait)
        else:
            observer = Observer() if metrics_port is None else _metrics(metrics_port)
            _follow(settings, log_dirs, stop, observer, as_json)


@app.command()
def migrate(directory: DirOption = None, store_url: StoreOption = None) -> None:
    """Create the store's tables and views, or bring them to this version; opening the store does it as well.

    Example: runstream-ingest migrate --store https://user:password@clickhouse:8443/runstream
    """
    settings = console.settings(dir=directory, store=store_url)
    with console.store_errors(), open_store(settings, on_wait=console.on_wait):
        console.say("the store is up to date")


def _once(settings: Settings, log_dirs: Sequence[Path], stop: threading.Event, as_json: bool, wait_s: float) -> None:
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
    _report(loaded, as_json)


def _follow(
    settings: Settings, log_dirs: Sequence[Path], stop: threading.Event, observer: Observer, as_json: bool
) -> None:
    console.say(f"following {', '.join(str(path) for path in log_dirs)}")
    Follower(
        settings,
        log_dirs,
        clock=SystemClock(),
        stop=stop,
        observer=observer,
        on_loaded=lambda loaded: _report(loaded, as_json),
        on_trouble=console.say,
    ).run()
    console.say("stopped")


def _report(loaded: Loaded, as_json: bool) -> None:
    for notice in loaded.notices:
        console.say_notice(notice)
    if as_json:
        notices = [{"place": "/".join(n.partition), "kind": n.kind, "text": n.text} for n in loaded.notices]
        console.print_json([{**asdict(loaded), "notices": notices}])
        return
    if loaded.messages or not loaded.notices:
        rate = loaded.points / loaded.seconds if loaded.seconds else 0.0
        console.say(
            f"loaded {loaded.messages:,} events with {loaded.points:,} points in {loaded.seconds:.1f} s"
            + (f" ({rate / 1e6:.1f} M points/s)" if loaded.points > 1_000_000 else "")
        )
    if loaded.dead_letters:
        console.say(f"{loaded.dead_letters} events were refused; see `runstream-ingest deadletters list`")


def _metrics(port: int) -> Observer:
    # Imported here because only this option needs the client library.
    from runstream_ingest import metrics

    try:
        metrics.serve(port)
    except OSError as error:
        console.fail(f"cannot serve metrics at port {port}: {error.strerror or error}", ExitCode.USAGE)
    return metrics.PrometheusObserver()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        stop.set()
        # A second signal ends the process at once; that is safe, only slower for whoever comes next.
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
