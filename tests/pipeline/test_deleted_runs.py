"""Deleting a run while workers run, and reading the topics again afterwards."""

from pathlib import Path

from kafka_worker import until
from oracle import assert_a_replay_shows_the_same
from server import Server
from whole_pipeline import Pipeline

from broker.kafka import Cluster


def test_a_run_that_is_deleted_goes_and_stays_away_and_its_neighbours_stay(
    broker: Cluster, prefix: str, tmp_path: Path, server: Server
) -> None:
    with Pipeline(broker, prefix, tmp_path, server.store()) as pipeline:
        worker = pipeline.worker()
        doomed, kept = pipeline.trainer(), pipeline.trainer()
        pipeline.wait_until_seen()
        deleted = pipeline.command("delete", doomed.life.run_id, "--yes")
        assert deleted.returncode == 0, deleted.stderr
        # It goes on logging, and that is not seen either.
        begun = doomed.life.begun
        until(lambda: doomed.life.begun > begun + 300)
        assert all(outcome.delivered for outcome in pipeline.stop_training())
        pipeline.wait_until_stored()
        for view in ("runs", "points", "metric_summary", "ledger", "attempts WHERE NOT deleted"):
            shown = pipeline.ask(f"SELECT DISTINCT toString(run_id) FROM {view}")
            assert shown == [(kept.life.run_id,)], view
        assert pipeline.command("show", doomed.life.run_id).returncode != 0
        verified = pipeline.command("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert worker.stop() == 0
        assert_a_replay_shows_the_same(pipeline, server.store("replayed"))
