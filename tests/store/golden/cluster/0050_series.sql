-- One row per series, that is per (metric, run, rank, attempt): what a leaderboard reads, and where an attempt began and ended.
-- lo, hi, last, first_nonfinite and nonfinite are packed as in rollup_16.
-- Two views feed it, each with half of the columns; the defaults are the neutral elements, so that the halves merge.
CREATE TABLE IF NOT EXISTS runstream_shard.series ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    first_step SimpleAggregateFunction(min, Int64) DEFAULT 9223372036854775807 CODEC(ZSTD(1)),
    end_step SimpleAggregateFunction(max, Int64) DEFAULT -9223372036854775808 CODEC(ZSTD(1)) COMMENT 'greatest step',
    explicit_step SimpleAggregateFunction(min, Int64) DEFAULT 9223372036854775807 CODEC(ZSTD(1))
        COMMENT 'smallest step that was not counted by the producer: from here on the attempt supersedes; none: 2^63 - 1',
    last_time SimpleAggregateFunction(max, Int64) DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'microseconds',
    lo SimpleAggregateFunction(min, UInt128) DEFAULT bitNot(toUInt128(0)) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) DEFAULT bitNot(toUInt128(0)) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/runstream_shard/series', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (metric, run_id, rank, attempt);

-- One row per series, that is per (metric, run, rank, attempt): what a leaderboard reads, and where an attempt began and ended.
-- lo, hi, last, first_nonfinite and nonfinite are packed as in rollup_16.
-- Two views feed it, each with half of the columns; the defaults are the neutral elements, so that the halves merge.
CREATE TABLE IF NOT EXISTS runstream_probe.series ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    first_step SimpleAggregateFunction(min, Int64) DEFAULT 9223372036854775807 CODEC(ZSTD(1)),
    end_step SimpleAggregateFunction(max, Int64) DEFAULT -9223372036854775808 CODEC(ZSTD(1)) COMMENT 'greatest step',
    explicit_step SimpleAggregateFunction(min, Int64) DEFAULT 9223372036854775807 CODEC(ZSTD(1))
        COMMENT 'smallest step that was not counted by the producer: from here on the attempt supersedes; none: 2^63 - 1',
    last_time SimpleAggregateFunction(max, Int64) DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'microseconds',
    lo SimpleAggregateFunction(min, UInt128) DEFAULT bitNot(toUInt128(0)) CODEC(ZSTD(1)),
    hi SimpleAggregateFunction(max, UInt128) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, UInt256) CODEC(ZSTD(1)),
    first_nonfinite SimpleAggregateFunction(min, UInt128) DEFAULT bitNot(toUInt128(0)) CODEC(ZSTD(1)),
    nonfinite SimpleAggregateFunction(groupBitOr, UInt8) CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.series_from_landing ON CLUSTER 'fleet' TO runstream_shard.series AS
SELECT
    metric, run_id, toUInt32(any_rank) AS rank, attempt,
    min(steps[1]) AS first_step,
    max(steps[-1]) AS end_step,
    min(if(auto_steps, 9223372036854775807, steps[1])) AS explicit_step,
    max(arrayMax(times)) AS last_time
FROM
(
    SELECT
        run_id, rank AS any_rank, attempt,
        tupleElement(frame, 'auto_steps') AS auto_steps,
        tupleElement(frame, 'steps') AS steps,
        tupleElement(frame, 'times') AS times,
        arrayJoin(tupleElement(tupleElement(frame, 'columns'), 'metric')) AS metric
    FROM runstream_shard.landing_metric
    ARRAY JOIN frames AS frame
    WHERE notEmpty(tupleElement(frame, 'steps'))
)
GROUP BY metric, run_id, any_rank, attempt;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.series_from_landing ON CLUSTER 'fleet' TO runstream_probe.series AS
SELECT
    metric, run_id, toUInt32(any_rank) AS rank, attempt,
    min(steps[1]) AS first_step,
    max(steps[-1]) AS end_step,
    min(if(auto_steps, 9223372036854775807, steps[1])) AS explicit_step,
    max(arrayMax(times)) AS last_time
FROM
(
    SELECT
        run_id, rank AS any_rank, attempt,
        tupleElement(frame, 'auto_steps') AS auto_steps,
        tupleElement(frame, 'steps') AS steps,
        tupleElement(frame, 'times') AS times,
        arrayJoin(tupleElement(tupleElement(frame, 'columns'), 'metric')) AS metric
    FROM runstream_probe.landing_metric
    ARRAY JOIN frames AS frame
    WHERE notEmpty(tupleElement(frame, 'steps'))
)
GROUP BY metric, run_id, any_rank, attempt;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.series_from_rollup_16 ON CLUSTER 'fleet' TO runstream_shard.series AS
SELECT
    metric, run_id, rank, attempt,
    min(fine_lo) AS lo,
    max(fine_hi) AS hi,
    max(fine_last) AS last,
    min(fine_first_nonfinite) AS first_nonfinite,
    groupBitOr(fine_nonfinite) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, lo AS fine_lo, hi AS fine_hi, last AS fine_last,
        first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite
    FROM runstream_shard.rollup_16
)
GROUP BY metric, run_id, rank, attempt;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.series_from_rollup_16 ON CLUSTER 'fleet' TO runstream_probe.series AS
SELECT
    metric, run_id, rank, attempt,
    min(fine_lo) AS lo,
    max(fine_hi) AS hi,
    max(fine_last) AS last,
    min(fine_first_nonfinite) AS first_nonfinite,
    groupBitOr(fine_nonfinite) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, lo AS fine_lo, hi AS fine_hi, last AS fine_last,
        first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite
    FROM runstream_probe.rollup_16
)
GROUP BY metric, run_id, rank, attempt;
