-- Buckets of 256, 4,096 and 65,536 steps, from the buckets of 16: no points are read.
-- The columns are those of rollup_16. level leads the key, so that a chart reads one level only.
CREATE TABLE IF NOT EXISTS rollup_coarse
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
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (level, metric, run_id, rank, attempt, bucket)
SETTINGS index_granularity = 1024;

-- Slow loggers, which are most, send frames within one bucket: each level gets that bucket as it is.
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_coarse_from_short_frame TO rollup_coarse AS
SELECT
    bitShiftLeft(toUInt32(16), arrayJoin([4, 8, 12]) AS shift) AS level,
    metric, run_id, rank, attempt,
    bitShiftRight(frame.buckets[1], shift) AS bucket,
    frame.lo[1] AS lo,
    frame.hi[1] AS hi,
    frame.last[1] AS last,
    frame.first_nonfinite[1] AS first_nonfinite,
    frame.nonfinite[1] AS nonfinite
FROM rollup_frame AS frame
WHERE length(frame.buckets) = 1;

-- Longer frames: ranges of buckets that fall into one of the level.
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_coarse_from_long_frame TO rollup_coarse AS
SELECT
    bitShiftLeft(toUInt32(16), shift) AS level,
    metric, run_id, rank, attempt, bucket,
    least AS lo,
    greatest AS hi,
    newest AS last,
    first_bad AS first_nonfinite,
    flags AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, lo, hi, last, first_nonfinite, nonfinite,
        arrayJoin([4, 8, 12]) AS shift,
        arrayMap(bucket -> bitShiftRight(bucket, shift), buckets) AS wide,
        arrayFilter((row, change) -> row = 1 OR change != 0, arrayEnumerate(wide), arrayDifference(wide)) AS starts,
        arrayMap(
            (start, next) -> (start, toUInt32(next - start)),
            starts, arrayPushBack(arrayPopFront(starts), length(wide) + 1)) AS ranges
    FROM rollup_frame
    WHERE length(buckets) > 1
)
ARRAY JOIN
    arrayMap(start -> wide[start], starts) AS bucket,
    arrayReduceInRanges('min', ranges, lo) AS least,
    arrayReduceInRanges('max', ranges, hi) AS greatest,
    arrayReduceInRanges('max', ranges, last) AS newest,
    arrayReduceInRanges('min', ranges, first_nonfinite) AS first_bad,
    arrayReduceInRanges('groupBitOr', ranges, nonfinite) AS flags;
