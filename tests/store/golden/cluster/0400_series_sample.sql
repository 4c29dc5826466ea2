-- Curves in a few samples each, so that thousands of runs are judged at once. A sample is a bucket of a rollup: its last
-- finite value with step and time, its least value, its first bad step. Points themselves are read only of short series.

-- In which buckets each series of some metrics is sampled: of 2^shift steps, or of points (0). A series that spans a width has
-- 16 to 256 of its buckets; evenly spaced points do not share one while they are at most 16. The span is that of all attempts
-- and of what a later one supersedes too: a second look would cost more than the samples that it may add.
-- No FINAL and no windows: asked for each kind of bucket anew, this is half of what a diagnosis costs.
CREATE OR REPLACE VIEW runstream_shard.series_width ON CLUSTER 'fleet' AS
SELECT
    metric, run_id, rank,
    toUInt8(multiIf(steps < 256, 0, steps < 4096, 4, steps < 65536, 8, steps < 1048576, 12, 16)) AS shift
FROM
(
    SELECT
        metric, run_id, rank,
        -- In floating point: the span of two int64 does not fit into one.
        toFloat64(max(end_step)) - toFloat64(min(first_step)) + 1 AS steps
    FROM runstream_shard.series
    WHERE metric IN {metrics:Array(String)}
    GROUP BY metric, run_id, rank
);

-- The visible samples of some metrics, unordered: of each run those of the lowest rank that logged the metric.
-- lo is packed as rollup_frame says. value is NaN in a sample without a finite one; bad_step is NULL in one without a
-- non-finite one. Of the bucket in which a later attempt begins, the earlier attempt's part is left out.
CREATE OR REPLACE VIEW runstream_shard.series_sample ON CLUSTER 'fleet' AS
SELECT
    run_id, metric,
    if(last = 0, assumeNotNull(bad_step), reinterpretAsInt64(bitXor(toUInt64(bitShiftRight(last, 128)), 9223372036854775808)))
        AS step,
    if(last = 0, toInt64(bitShiftRight(toUInt64(first_nonfinite), 2)), toInt64(toUInt64(bitShiftRight(last, 64)))) AS time,
    if(last = 0, nan, reinterpretAsFloat64(toUInt64(last))) AS value,
    lo,
    if(nonfinite = 0, NULL, reinterpretAsInt64(bitXor(toUInt64(bitShiftRight(first_nonfinite, 64)), 9223372036854775808)))
        AS bad_step
FROM
(
    SELECT
        metric, run_id, rank, attempt, last, lo, first_nonfinite, nonfinite,
        bucket * level + (level - 1) AS bucket_end
    FROM runstream_shard.rollup_coarse FINAL
    WHERE (level, metric, run_id, rank) IN (
        SELECT bitShiftLeft(toUInt32(1), shift), metric, run_id, rank
        FROM runstream_shard.series_width(metrics = {metrics:Array(String)})
        WHERE shift >= 8)
    UNION ALL
    SELECT
        metric, run_id, rank, attempt, last, lo, first_nonfinite, nonfinite,
        bucket * 16 + 15
    FROM runstream_shard.rollup_16 FINAL
    WHERE (metric, run_id, rank) IN (
        SELECT metric, run_id, rank FROM runstream_shard.series_width(metrics = {metrics:Array(String)}) WHERE shift = 4)
    UNION ALL
    -- Packed points are not FINAL; one that is here twice is one sample.
    SELECT DISTINCT
        metric, run_id, rank, attempt, last, lo, first_nonfinite, nonfinite,
        step
    FROM runstream_shard.packed_point
    WHERE (metric, run_id, rank) IN (
        SELECT metric, run_id, rank FROM runstream_shard.series_width(metrics = {metrics:Array(String)}) WHERE shift = 0)
) AS sample
INNER JOIN
(
    SELECT metric, run_id, rank, attempt, cutoff
    FROM runstream_shard.series_cut
    WHERE metric IN {metrics:Array(String)} AND NOT deleted AND rank = lowest_rank
) AS cut USING (metric, run_id, rank, attempt)
WHERE bucket_end < cutoff OR cutoff = 9223372036854775807;
