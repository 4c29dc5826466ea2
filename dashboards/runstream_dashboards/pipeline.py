"""The page Pipeline: whether what is logged arrives, and how fast."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from runstream_dashboards import variables
from runstream_dashboards.page import page
from runstream_dashboards.panels import Column, measured, sql_table

LEDGER = """
    SELECT
        r.name AS run, l.rank AS rank, l.number AS attempt, l.verdict AS verdict, l.logged AS logged,
        l.stored AS stored, l.pending AS pending, l.dead_lettered AS `dead letters`,
        arraySum(mapValues(l.dropped)) AS dropped, toString(r.run_id) AS run_id
    FROM ledger AS l INNER JOIN names AS r ON r.run_id = l.run_id
    WHERE $__timeFilter(r.started) AND (l.verdict = 'missing' OR l.dead_lettered > 0 OR notEmpty(l.dropped))
    ORDER BY r.started DESC, rank, attempt LIMIT 1000
"""

DELAYS = (0.5, 0.99)


def quantiles(histogram: str) -> list[tuple[str, str]]:
    """The median and the slowest hundredth of a histogram."""
    return [
        (f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket[$__rate_interval])))", f"p{share * 100:g}")
        for share in DELAYS
    ]


def dashboard() -> Dashboard:
    """The worker and the store."""
    return page(
        "runstream-pipeline",
        "Pipeline",
        "Does everything that is logged arrive, how fast, and what is in the way?",
        [variables.store(), variables.prometheus()],
        [
            (8, [(8, _lag()), (8, _throughput()), (8, _latency())]),
            (8, [(8, _inserts()), (8, _batches()), (8, _troubles())]),
            (8, [(8, _dead()), (8, _workers()), (8, _memory())]),
            (8, [(12, _parts()), (12, _bytes())]),
            (10, [(24, _ledger())]),
        ],
        time=("now-6h", "now"),
        refresh="30s",
    )


def _lag() -> timeseries.Panel:
    text = "Messages that wait in the topics. It should come back to nearly nothing after each peak."
    return measured("Lag", text, [("sum by (topic) (runstream_ingest_lag_messages)", "{{topic}}")])


def _throughput() -> timeseries.Panel:
    text = "Points that were stored, and messages that were read, a second."
    expressions = [
        ('sum(rate(runstream_ingest_points_total{outcome="stored"}[$__rate_interval]))', "points"),
        ("sum(rate(runstream_ingest_messages_read_total[$__rate_interval]))", "messages"),
    ]
    return measured("Throughput", text, expressions, unit="cps")


def _latency() -> timeseries.Panel:
    text = "From the producer's sending to the store, of the oldest event of each batch."
    return measured("End-to-end latency", text, quantiles("runstream_ingest_latency_seconds"), unit="s")


def _inserts() -> timeseries.Panel:
    text = "How long an INSERT takes, failures included."
    return measured("Insert latency", text, quantiles("runstream_ingest_insert_seconds"), unit="s")


def _batches() -> timeseries.Panel:
    text = "How large batches are: small ones under load mean that age ends them, not size."
    return measured("Batch size", text, quantiles("runstream_ingest_batch_bytes"), unit="bytes")


def _troubles() -> timeseries.Panel:
    text = "Batches sent again by error code, seconds waited before that, and assignments of partitions."
    expressions = [
        ("sum by (code) (rate(runstream_ingest_retries_total[$__rate_interval]))", "retries, code {{code}}"),
        ("sum(rate(runstream_ingest_paused_seconds_total[$__rate_interval]))", "share of time paused"),
        ("sum(rate(runstream_ingest_rebalances_total[$__rate_interval]))", "rebalances"),
    ]
    return measured("Retries and pauses", text, expressions)


def _dead() -> timeseries.Panel:
    text = (
        "Events that the store refused and that were put aside, since their workers began; "
        "`runstream-ingest deadletters list` says why."
    )
    # A count, not a rate: the first of them begins a series, which a rate does not see.
    expressions = [('sum by (event) (runstream_ingest_messages_total{outcome="dead"})', "{{event}}")]
    return measured("Dead letters", text, expressions)


def _workers() -> timeseries.Panel:
    text = "Partitions of each worker, and the seconds since it last stored a batch."
    expressions = [
        ("sum by (instance) (runstream_ingest_partitions)", "partitions of {{instance}}"),
        ("max by (instance) (time() - runstream_ingest_last_progress_timestamp)", "seconds idle, {{instance}}"),
    ]
    return measured("Workers", text, expressions)


def _memory() -> timeseries.Panel:
    text = "Resident memory of the workers."
    expressions = [
        ('process_resident_memory_bytes{job="runstream-ingest"}', "memory of {{instance}}"),
    ]
    return measured("Memory of the workers", text, expressions, unit="bytes")


def _parts() -> timeseries.Panel:
    text = (
        "Parts in the fullest partition: inserts slow down from 1,000 on and are refused from 3,000 on. And all parts."
    )
    expressions = [
        ("max(ClickHouseAsyncMetrics_MaxPartCountForPartition)", "in the fullest partition"),
        ("sum(ClickHouseAsyncMetrics_TotalPartsOfMergeTreeTables)", "in all tables"),
    ]
    return measured("Parts", text, expressions)


def _bytes() -> timeseries.Panel:
    text = "What the tables take on the disks of ClickHouse, compressed, copies included."
    expressions = [("sum(ClickHouseAsyncMetrics_TotalBytesOfMergeTreeTables)", "bytes")]
    return measured("Bytes stored", text, expressions, unit="bytes")


def _ledger() -> table.Panel:
    columns = [Column("run", 220), Column("run_id", hidden=True)]
    text = "Attempts of which points lack, were refused or were dropped, see docs/guarantees.md."
    return sql_table(
        "What did not arrive", text, LEDGER, columns, empty="all that was logged is here, if the query ran"
    )
