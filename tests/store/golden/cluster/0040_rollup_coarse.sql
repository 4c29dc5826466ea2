-- Buckets of 256, 4,096 and 65,536 steps, from what is inserted into rollup_16: a sixteenth of the rows and no points read.
-- The columns are those of rollup_16. level leads the key, so that a chart reads one level only.
CREATE TABLE IF NOT EXISTS runstream_shard.rollup_coarse ON CLUSTER 'fleet'
(
    level UInt32,
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    bucket Int64 CODEC(Delta, LZ4) COMMENT 'step / level, rounded down',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/runstream_shard/rollup_coarse', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (level, metric, run_id, rank, attempt, bucket)
SETTINGS index_granularity = 1024;

-- Buckets of 256, 4,096 and 65,536 steps, from what is inserted into rollup_16: a sixteenth of the rows and no points read.
-- The columns are those of rollup_16. level leads the key, so that a chart reads one level only.
CREATE TABLE IF NOT EXISTS runstream_probe.rollup_coarse ON CLUSTER 'fleet'
(
    level UInt32,
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    bucket Int64 CODEC(Delta, LZ4) COMMENT 'step / level, rounded down',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.rollup_coarse_from_rollup_16 ON CLUSTER 'fleet' TO runstream_shard.rollup_coarse AS
SELECT
    bitShiftLeft(toUInt32(16), shift) AS level,
    metric, run_id, rank, attempt,
    bitShiftRight(fine_bucket, shift) AS bucket,
    min(fine_lo) AS lo,
    max(fine_hi) AS hi,
    max(fine_last) AS last,
    min(fine_first_nonfinite) AS first_nonfinite,
    groupBitOr(fine_nonfinite) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, bucket AS fine_bucket, lo AS fine_lo, hi AS fine_hi, last AS fine_last,
        first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite,
        arrayJoin([4, 8, 12]) AS shift
    FROM runstream_shard.rollup_16
)
GROUP BY shift, metric, run_id, rank, attempt, bucket;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.rollup_coarse_from_rollup_16 ON CLUSTER 'fleet' TO runstream_probe.rollup_coarse AS
SELECT
    bitShiftLeft(toUInt32(16), shift) AS level,
    metric, run_id, rank, attempt,
    bitShiftRight(fine_bucket, shift) AS bucket,
    min(fine_lo) AS lo,
    max(fine_hi) AS hi,
    max(fine_last) AS last,
    min(fine_first_nonfinite) AS first_nonfinite,
    groupBitOr(fine_nonfinite) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, bucket AS fine_bucket, lo AS fine_lo, hi AS fine_hi, last AS fine_last,
        first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite,
        arrayJoin([4, 8, 12]) AS shift
    FROM runstream_probe.rollup_16
)
GROUP BY shift, metric, run_id, rank, attempt, bucket;
