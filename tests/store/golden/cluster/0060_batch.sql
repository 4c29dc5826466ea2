-- One row per batch that arrived: which seqs are here, and how many points each held. It tells which batch is missing.
CREATE TABLE IF NOT EXISTS runstream_shard.batch ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seq Int64 CODEC(Delta, LZ4),
    points UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/batch', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt, seq);

-- One row per batch that arrived: which seqs are here, and how many points each held. It tells which batch is missing.
CREATE TABLE IF NOT EXISTS runstream_probe.batch ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seq Int64 CODEC(Delta, LZ4),
    points UInt64 CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.batch_from_landing ON CLUSTER 'fleet' TO runstream_shard.batch AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    seq,
    arraySum(f -> length(tupleElement(f, 'steps')) * length(tupleElement(f, 'columns')), frames) AS points
FROM runstream_shard.landing_metric;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.batch_from_landing ON CLUSTER 'fleet' TO runstream_probe.batch AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    seq,
    arraySum(f -> length(tupleElement(f, 'steps')) * length(tupleElement(f, 'columns')), frames) AS points
FROM runstream_probe.landing_metric;
