-- One row per series, that is per (metric, run, rank, attempt): what a leaderboard reads, and where an attempt began and ended.
-- lo, hi, last, first_nonfinite and nonfinite are packed as rollup_frame says.
CREATE TABLE IF NOT EXISTS runstream_shard.series ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    first_step SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    end_step SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)) COMMENT 'greatest step',
    explicit_step SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1))
        COMMENT 'smallest step that was not counted by the producer: from here on the attempt supersedes; none: 2^63 - 1',
    last_time SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)) COMMENT 'microseconds',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/runstream_shard/series', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (metric, run_id, rank, attempt);

-- One row per series, that is per (metric, run, rank, attempt): what a leaderboard reads, and where an attempt began and ended.
-- lo, hi, last, first_nonfinite and nonfinite are packed as rollup_frame says.
CREATE TABLE IF NOT EXISTS runstream_probe.series ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    first_step SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    end_step SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)) COMMENT 'greatest step',
    explicit_step SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1))
        COMMENT 'smallest step that was not counted by the producer: from here on the attempt supersedes; none: 2^63 - 1',
    last_time SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)) COMMENT 'microseconds',
    lo SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.series_from_frame ON CLUSTER 'fleet' TO runstream_shard.series AS
SELECT
    metric, run_id, rank, attempt, first_step, end_step,
    if(auto_steps, 9223372036854775807, first_step) AS explicit_step,
    last_time,
    arrayMin(frame.lo) AS lo,
    arrayMax(frame.hi) AS hi,
    arrayMax(frame.last) AS last,
    arrayMin(frame.first_nonfinite) AS first_nonfinite,
    arrayReduce('groupBitOr', frame.nonfinite) AS nonfinite
FROM runstream_shard.rollup_frame AS frame;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.series_from_frame ON CLUSTER 'fleet' TO runstream_probe.series AS
SELECT
    metric, run_id, rank, attempt, first_step, end_step,
    if(auto_steps, 9223372036854775807, first_step) AS explicit_step,
    last_time,
    arrayMin(frame.lo) AS lo,
    arrayMax(frame.hi) AS hi,
    arrayMax(frame.last) AS last,
    arrayMin(frame.first_nonfinite) AS first_nonfinite,
    arrayReduce('groupBitOr', frame.nonfinite) AS nonfinite
FROM runstream_probe.rollup_frame AS frame;
