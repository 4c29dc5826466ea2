-- Buckets of 16 steps. Only aggregates that do not mind order or repetition, so a replay changes nothing.
-- lo, hi, last, first_nonfinite and nonfinite are packed as rollup_frame says.
CREATE TABLE IF NOT EXISTS runstream_shard.rollup_16 ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    bucket Int64 CODEC(Delta, LZ4) COMMENT 'step >> 4, which rounds down for negative steps too',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/runstream_shard/rollup_16', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (metric, run_id, rank, attempt, bucket)
-- A chart of a few runs reads a few hundred rows per run; the default of 8192 would read their neighbours as well.
SETTINGS index_granularity = 1024;

-- Buckets of 16 steps. Only aggregates that do not mind order or repetition, so a replay changes nothing.
-- lo, hi, last, first_nonfinite and nonfinite are packed as rollup_frame says.
CREATE TABLE IF NOT EXISTS runstream_probe.rollup_16 ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    bucket Int64 CODEC(Delta, LZ4) COMMENT 'step >> 4, which rounds down for negative steps too',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.rollup_16_from_frame ON CLUSTER 'fleet' TO runstream_shard.rollup_16 AS
SELECT
    metric, run_id, rank, attempt, bucket,
    least AS lo,
    greatest AS hi,
    newest AS last,
    first_bad AS first_nonfinite,
    flags AS nonfinite
FROM runstream_shard.rollup_frame
ARRAY JOIN
    buckets AS bucket,
    lo AS least,
    hi AS greatest,
    last AS newest,
    first_nonfinite AS first_bad,
    nonfinite AS flags;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.rollup_16_from_frame ON CLUSTER 'fleet' TO runstream_probe.rollup_16 AS
SELECT
    metric, run_id, rank, attempt, bucket,
    least AS lo,
    greatest AS hi,
    newest AS last,
    first_bad AS first_nonfinite,
    flags AS nonfinite
FROM runstream_probe.rollup_frame
ARRAY JOIN
    buckets AS bucket,
    lo AS least,
    hi AS greatest,
    last AS newest,
    first_nonfinite AS first_bad,
    nonfinite AS flags;
