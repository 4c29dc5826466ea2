"""A broker that is away: `sync` ships what `finish` leaves behind, and what the disk does not hold is counted."""

import json
import subprocess
import sys
from pathlib import Path

from oracle import assert_all_is_there, assert_batches, stored_points
from server import Server
from test_spoiled_places import needs_mounts
from whole_pipeline import HASTY, Pipeline
from witness import series
from worker_process import environment

from broker.kafka import Cluster

FINISH_S = 2.0
SMALL_DISK_MIB = 10
JOURNAL_BYTES = 6_000_000
"""The rest of the small disk is for the spill."""
ROWS_AFTER = 200_000
"""More than the journal and the last MiB of the disk hold."""

TRAINING_ON_A_SMALL_DISK = f"""
import os, shutil, sys, time
from witness import row
import runstream

run = runstream.init("pipeline")
print(run.id, flush=True)
assert sys.stdin.readline() == "the broker is away\\n"
step, end = 0, sys.maxsize
while step < end:
    run.log(row(0, step), step)
    step += 1
    if end == sys.maxsize and step % 1000 == 0:
        time.sleep(0.01)  # the spill keeps up
        if shutil.disk_usage(os.environ["RUNSTREAM_DIR"]).free < 1024 * 1024:
            end = step + {ROWS_AFTER}
print(step, flush=True)
assert sys.stdin.readline() == "it is back\\n"
print(run.finish(60), flush=True)
"""


def test_finish_leaves_what_the_broker_does_not_take_and_sync_ships_it_when_it_is_back(
    own_broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    (node,) = own_broker.nodes
    with Pipeline(own_broker, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        pipeline.trainer(finish_s=FINISH_S)
        pipeline.trainer(finish_s=FINISH_S, options=HASTY)
        pipeline.wait_until_seen()
        own_broker.kill(node)
        in_journal, in_spill = pipeline.stop_training()
        for outcome, place in ((in_journal, "journal"), (in_spill, "spill")):
            assert not outcome.delivered
            assert f"points in {pipeline.training_dir}/{place}/" in outcome.said and "runstream sync" in outcome.said
        assert len(pipeline.left_behind()) > 1
        assert pipeline.command("sync", "--timeout", "0.5").returncode != 0
        own_broker.start(node)
        own_broker.wait_until_ready()
        synced = pipeline.command("sync")
        assert synced.returncode == 0, synced.stdout + synced.stderr
        assert pipeline.left_behind() == []
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        assert_all_is_there(pipeline)


@needs_mounts
def test_when_the_disk_of_the_spill_is_full_the_journal_holds_what_fits_and_the_rest_is_counted(
    own_broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    (node,) = own_broker.nodes
    with Pipeline(own_broker, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        with on_a_small_disk(pipeline) as training:
            run_id = line_of(training)
            own_broker.kill(node)
            tell(training, "the broker is away")
            logged = int(line_of(training))
            own_broker.start(node)
            own_broker.wait_until_ready()
            tell(training, "it is back")
            out, said = training.communicate(timeout=90)
        assert (training.returncode, out) == (0, "True\n"), said
        assert said.count("cannot write to") == 1 and said.count("the journal is full") == 1, said
        pipeline.wait_until_stored()
        assert worker.stop() == 0
        verified = pipeline.command("verify", "--json")
        (ledger,) = json.loads(verified.stdout)
        stored = {metric: points for (_, _, _, metric), points in stored_points(pipeline).items()}
        assert stored == series(0, [step for step, _ in stored["lr"]])
        dropped = ledger["dropped"]["full"]
        print(f"{logged} rows logged, {len(stored['lr'])} stored, {dropped} points dropped")
        assert dropped > 0 and list(ledger["dropped"]) == ["full"]
        assert ledger["logged"] == sum(map(len, series(0, range(logged)).values()))
        assert ledger["logged"] - dropped == ledger["queued"] == sum(map(len, stored.values()))
        assert (verified.returncode, ledger["run_id"]) == (0, run_id)
        assert_batches(pipeline)


def on_a_small_disk(pipeline: Pipeline) -> subprocess.Popen[str]:
    """Training whose RUNSTREAM_DIR is a small file system of its own."""
    small = pipeline.directory / "small"
    small.mkdir()
    mount = f'mount -t tmpfs -o size={SMALL_DISK_MIB}m tmpfs "$1" && exec "$0" -c "$2"'
    own = {"DIR": str(small), "URL": pipeline.cluster.url, "TOPIC_PREFIX": pipeline.prefix, "KAFKA_OPTIONS": HASTY}
    own |= {"SYSTEM_PERIOD_S": "0", "JOURNAL_BYTES": str(JOURNAL_BYTES)}
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", mount, sys.executable, str(small), TRAINING_ON_A_SMALL_DISK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **environment(),
            **{f"RUNSTREAM_{name}": value for name, value in own.items()},
            "PYTHONPATH": str(Path(__file__).parent),
        },
    )


def tell(training: subprocess.Popen[str], words: str) -> None:
    assert training.stdin is not None
    training.stdin.write(f"{words}\n")
    training.stdin.flush()


def line_of(training: subprocess.Popen[str]) -> str:
    assert training.stdout is not None
    line = training.stdout.readline()
    assert line, training.communicate()[1]
    return line.strip()
