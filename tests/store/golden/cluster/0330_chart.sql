-- Charts: one metric over many runs in about as many buckets as wanted. Every bucket carries last, min and max, so that no
-- extremum vanishes at any zoom. A bucket is 2^shift steps wide and begins at a multiple of its width.
--
-- A chart first makes a plan and hands it on as a parameter: parameters are constants, so that branches which a chart does not
-- need vanish while it is planned. Views over views are analysed once more per layer: hence few layers.

-- What to read for a chart, in one row: (shift, divided).
-- shift    Rollups exist for 2^4, 2^8, 2^12 and 2^16 steps. The widest is taken that gives at least a quarter of the wanted
--          points (and at most four times as many). Points themselves are read where that would be too coarse, or where it is
--          cheap (two million points at most) and better. Beyond 2^16 the widest rollup is grouped further.
-- divided  Whether any series must be read in parts: the buckets are not stored in this width, or a later attempt supersedes a
--          part of an earlier one, or something is deleted, or rank 0 did not log the metric, or all ranks are wanted.
CREATE OR REPLACE VIEW runstream_shard.chart_plan ON CLUSTER 'fleet' AS
SELECT (
    toUInt8(multiIf(
        fine, least(greatest(floor(log2(steps / wanted)), 0), 3),
        coarse, floor(log2(steps / wanted)),
        steps >= 16384 * wanted, 16,
        steps >= 1024 * wanted, 12,
        steps >= 64 * wanted, 8,
        4)),
    CAST(fine OR coarse OR any_divided AS Bool)) AS plan
FROM
(
    SELECT
        wanted, steps, any_divided,
        steps < 4 * wanted OR (steps < 16 * wanted AND steps * series_count <= 2e6) AS fine,
        steps >= 262144 * wanted AS coarse
    FROM
    (
        SELECT
            greatest({points:UInt32}, 1) AS wanted,
            count() AS series_count,
            {all_ranks:Bool} OR max(amended) AS any_divided,
            -- In floating point: the span of two int64 does not fit into one.
            greatest(
                toFloat64(least(max(greatest_step), {step_max:Int64})) - toFloat64(greatest(min(least_step), {step_min:Int64})) + 1,
                1) AS steps
        FROM
        (
            -- Whatever is whole here is whole in series_cut too, which takes three times as long.
            SELECT
                min(first_step) AS least_step, max(end_step) AS greatest_step,
                countIf(rank = 0) != 1 OR run_id IN (SELECT run_id FROM runstream_shard.deletion) AS amended
            FROM runstream_shard.series FINAL
            WHERE metric = {metric:String} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
            GROUP BY run_id
        )
    )
);

-- Charts: one metric over many runs in about as many buckets as wanted. Every bucket carries last, min and max, so that no
-- extremum vanishes at any zoom. A bucket is 2^shift steps wide and begins at a multiple of its width.
--
-- A chart first makes a plan and hands it on as a parameter: parameters are constants, so that branches which a chart does not
-- need vanish while it is planned. Views over views are analysed once more per layer: hence few layers.

-- What to read for a chart, in one row: (shift, divided).
-- shift    Rollups exist for 2^4, 2^8, 2^12 and 2^16 steps. The widest is taken that gives at least a quarter of the wanted
--          points (and at most four times as many). Points themselves are read where that would be too coarse, or where it is
--          cheap (two million points at most) and better. Beyond 2^16 the widest rollup is grouped further.
-- divided  Whether any series must be read in parts: the buckets are not stored in this width, or a later attempt supersedes a
--          part of an earlier one, or something is deleted, or rank 0 did not log the metric, or all ranks are wanted.
CREATE OR REPLACE VIEW runstream.chart_plan ON CLUSTER 'fleet' AS
SELECT (
    toUInt8(multiIf(
        fine, least(greatest(floor(log2(steps / wanted)), 0), 3),
        coarse, floor(log2(steps / wanted)),
        steps >= 16384 * wanted, 16,
        steps >= 1024 * wanted, 12,
        steps >= 64 * wanted, 8,
        4)),
    CAST(fine OR coarse OR any_divided AS Bool)) AS plan
FROM
(
    SELECT
        wanted, steps, any_divided,
        steps < 4 * wanted OR (steps < 16 * wanted AND steps * series_count <= 2e6) AS fine,
        steps >= 262144 * wanted AS coarse
    FROM
    (
        SELECT
            greatest({points:UInt32}, 1) AS wanted,
            count() AS series_count,
            {all_ranks:Bool} OR max(amended) AS any_divided,
            -- In floating point: the span of two int64 does not fit into one.
            greatest(
                toFloat64(least(max(greatest_step), {step_max:Int64})) - toFloat64(greatest(min(least_step), {step_min:Int64})) + 1,
                1) AS steps
        FROM
        cluster('fleet', view(-- Whatever is whole here is whole in series_cut too, which takes three times as long.
            SELECT
                min(first_step) AS least_step, max(end_step) AS greatest_step,
                countIf(rank = 0) != 1 OR run_id IN (SELECT run_id FROM runstream_shard.deletion) AS amended
            FROM runstream_shard.series FINAL
            WHERE metric = {metric:String} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
            GROUP BY run_id))
    )
);

-- Every chart's rows: one per (run, rank, bucket), unordered. A bucket holds all its points, also those beyond step_min and
-- step_max. runs is not asked where every_run is true. last, min and max are NULL in a bucket without a finite value.
CREATE OR REPLACE VIEW runstream_shard.chart_bucket ON CLUSTER 'fleet' AS
WITH
tupleElement({plan:Tuple(UInt8, Bool)}, 1) AS shift,
tupleElement({plan:Tuple(UInt8, Bool)}, 2) AS divided,
least(shift, 16) AS stored_shift,
bitShiftRight({step_min:Int64}, shift) AS least_bucket,
bitShiftRight({step_max:Int64}, shift) AS greatest_bucket,
-- The series that are read in parts, and the runs that have some. Two constants: each mention of a view would be analysed anew.
(
    SELECT (
        groupArrayIf((run_id, rank, attempt, cutoff),
            NOT deleted AND ({all_ranks:Bool} OR rank = lowest_rank)
            AND ({all_ranks:Bool} OR NOT whole OR shift NOT IN (4, 8, 12, 16))),
        groupUniqArrayIf(run_id, NOT whole))
    FROM runstream_shard.series_cut
    WHERE divided AND metric = {metric:String} AND ({every_run:Bool} OR run_id IN {runs:Array(UUID)})
) AS cuts,
part AS
(
    -- Each of them below its cutoff.
    SELECT cut.1 AS run_id, cut.2 AS rank, cut.3 AS attempt, cut.4 AS cutoff FROM (SELECT arrayJoin(cuts.1) AS cut)
)
SELECT
    run_id,
    rank,
    step,
    if(newest = 0, NULL, reinterpretAsFloat64(toUInt64(newest))) AS last,
    if(newest = 0, NULL, fromUnixTimestamp64Micro(reinterpretAsInt64(toUInt64(bitShiftRight(newest, 64))), 'UTC')) AS last_time,
    if(low = 18446744073709551615, NULL,
        reinterpretAsFloat64(if(low >= 9223372036854775808, bitXor(low, 9223372036854775808), bitNot(low)))) AS min,
    if(high = 0, NULL,
        reinterpretAsFloat64(if(high >= 9223372036854775808, bitXor(high, 9223372036854775808), bitNot(high)))) AS max,
    toUInt8(flags) AS nonfinite,
    if(flags = 0, NULL, reinterpretAsInt64(bitXor(bad, 9223372036854775808))) AS first_nonfinite_step
FROM
(
    SELECT
        run_id, rank, bitShiftLeft(bucket, shift) AS step, nonfinite AS flags, last AS newest,
        toUInt64(bitShiftRight(lo, 64)) AS low,
        toUInt64(bitShiftRight(hi, 64)) AS high,
        toUInt64(bitShiftRight(first_nonfinite, 64)) AS bad
    FROM
    (
        -- Whole series of rank 0, stored as they are wanted: FINAL is then much cheaper than GROUP BY.
        SELECT run_id, rank, bucket, lo, hi, last, first_nonfinite, nonfinite
        FROM runstream_shard.rollup_16 FINAL
        WHERE shift = 4 AND NOT {all_ranks:Bool} AND rank = 0 AND metric = {metric:String}
            AND bucket BETWEEN least_bucket AND greatest_bucket
            AND ({every_run:Bool} OR run_id IN {runs:Array(UUID)})
            AND (NOT divided OR run_id NOT IN (SELECT arrayJoin(cuts.2)))
        UNION ALL
        SELECT run_id, rank, bucket, lo, hi, last, first_nonfinite, nonfinite
        FROM runstream_shard.rollup_coarse FINAL
        WHERE shift IN (8, 12, 16) AND NOT {all_ranks:Bool} AND rank = 0 AND metric = {metric:String}
            AND level = bitShiftLeft(toUInt32(1), stored_shift)
            AND bucket BETWEEN least_bucket AND greatest_bucket
            AND ({every_run:Bool} OR run_id IN {runs:Array(UUID)})
            AND (NOT divided OR run_id NOT IN (SELECT arrayJoin(cuts.2)))
        UNION ALL
        -- Parts of series. The bucket in which a later attempt begins holds points of both kinds: it is put together from
        -- the narrowest buckets below the cutoff, and from points where the cutoff falls into one of these.
        SELECT
            run_id, rank, wide_bucket AS bucket,
            min(fine_lo) AS lo, max(fine_hi) AS hi, max(fine_last) AS last,
            min(fine_first_nonfinite) AS first_nonfinite, groupBitOr(fine_nonfinite) AS nonfinite
        FROM
        (
            SELECT
                run_id, rank, bitShiftRight(first_step, shift) AS wide_bucket,
                lo AS fine_lo, hi AS fine_hi, last AS fine_last, first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite
            FROM
            (
                SELECT
                    run_id, rank, attempt, step AS first_step, step AS end_step, lo, hi, last, first_nonfinite, nonfinite
                FROM runstream_shard.packed_point
                WHERE divided AND metric = {metric:String}
                    AND if(shift < 4,
                        (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM part),
                        -- The first set alone would do; the second is the cheaper to ask, and hardly any point is in it.
                        (run_id, rank, attempt, step) IN (
                            SELECT run_id, rank, attempt, cutoff - arrayJoin(range(1, bitAnd(cutoff, 15) + 1))
                            FROM part WHERE cutoff < 9223372036854775807)
                        AND step IN (
                            SELECT cutoff - arrayJoin(range(1, bitAnd(cutoff, 15) + 1))
                            FROM part WHERE cutoff < 9223372036854775807))
                UNION ALL
                SELECT
                    run_id, rank, attempt, bitShiftLeft(bucket, 4) AS first_step, first_step + 15 AS end_step,
                    lo, hi, last, first_nonfinite, nonfinite
                FROM runstream_shard.rollup_16
                WHERE divided AND shift >= 4 AND metric = {metric:String}
                    AND if(shift = 4,
                        (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM part),
                        (run_id, rank, attempt, bucket) IN (
                            SELECT
                                run_id, rank, attempt,
                                bitShiftRight(cutoff, 4) - arrayJoin(range(1, bitAnd(
                                    bitShiftRight(cutoff, 4),
                                    bitShiftLeft(toInt64(1), greatest(stored_shift, 4) - 4) - 1) + 1))
                            FROM part WHERE cutoff < 9223372036854775807))
                UNION ALL
                SELECT
                    run_id, rank, attempt, bucket * level AS first_step, first_step + (level - 1) AS end_step,
                    lo, hi, last, first_nonfinite, nonfinite
                FROM runstream_shard.rollup_coarse
                WHERE divided AND shift > 4 AND metric = {metric:String}
                    AND level = bitShiftLeft(toUInt32(1), stored_shift)
                    AND (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM part)
            ) AS found
            INNER JOIN part AS cut USING (run_id, rank, attempt)
            WHERE divided AND (end_step < cutoff OR cutoff = 9223372036854775807)
        )
        WHERE wide_bucket BETWEEN least_bucket AND greatest_bucket
        GROUP BY run_id, rank, wide_bucket
    )
);

CREATE OR REPLACE VIEW runstream.chart_bucket ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.chart_bucket(plan = {plan:Tuple(UInt8, Bool)}, step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = {all_ranks:Bool}, metric = {metric:String}, every_run = {every_run:Bool}, runs = {runs:Array(UUID)})));

-- One line per run: of each run the lowest rank that logged the metric.
CREATE OR REPLACE VIEW runstream_shard.chart ON CLUSTER 'fleet' AS
SELECT run_id, rank, step, last, min, max, nonfinite, first_nonfinite_step, last_time
FROM runstream_shard.chart_bucket(
    metric = {metric:String}, runs = {runs:Array(UUID)}, every_run = empty({runs:Array(UUID)}),
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false,
    plan = (SELECT plan FROM runstream_shard.chart_plan(
        metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)))
ORDER BY run_id, step;

-- One line per run: of each run the lowest rank that logged the metric.
CREATE OR REPLACE VIEW runstream.chart ON CLUSTER 'fleet' AS
SELECT run_id, rank, step, last, min, max, nonfinite, first_nonfinite_step, last_time
FROM runstream.chart_bucket(
    metric = {metric:String}, runs = {runs:Array(UUID)}, every_run = empty({runs:Array(UUID)}),
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false,
    plan = (SELECT plan FROM runstream.chart_plan(
        metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)))
ORDER BY run_id, step;

-- Percentiles over runs of the last value in each bucket, and the extrema of all their points; NULL where none has a finite one.
-- bad_runs is how many of them have one that is not. No runs are all. Exact quantiles cost less than the sampled ones at some
-- thousands of runs.
CREATE OR REPLACE VIEW runstream_shard.chart_band ON CLUSTER 'fleet' AS
SELECT
    step,
    run_count AS runs,
    bad_count AS bad_runs,
    if(isNull(least_value), NULL, quantile_values[1]) AS p05,
    if(isNull(least_value), NULL, quantile_values[2]) AS p25,
    if(isNull(least_value), NULL, quantile_values[3]) AS p50,
    if(isNull(least_value), NULL, quantile_values[4]) AS p75,
    if(isNull(least_value), NULL, quantile_values[5]) AS p95,
    least_value AS min,
    greatest_value AS max
FROM
(
    SELECT
        step,
        count() AS run_count,
        countIf(nonfinite != 0) AS bad_count,
        quantilesExact(0.05, 0.25, 0.5, 0.75, 0.95)(last) AS quantile_values,
        min(min) AS least_value,
        max(max) AS greatest_value
    FROM runstream_shard.chart_bucket(
        metric = {metric:String}, runs = {runs:Array(UUID)}, every_run = empty({runs:Array(UUID)}),
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false,
        plan = (SELECT plan FROM runstream_shard.chart_plan(
            metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
            step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)))
    GROUP BY step
)
ORDER BY step;

-- Percentiles over runs of the last value in each bucket, and the extrema of all their points; NULL where none has a finite one.
-- bad_runs is how many of them have one that is not. No runs are all. Exact quantiles cost less than the sampled ones at some
-- thousands of runs.
CREATE OR REPLACE VIEW runstream.chart_band ON CLUSTER 'fleet' AS
SELECT
    step,
    run_count AS runs,
    bad_count AS bad_runs,
    if(isNull(least_value), NULL, quantile_values[1]) AS p05,
    if(isNull(least_value), NULL, quantile_values[2]) AS p25,
    if(isNull(least_value), NULL, quantile_values[3]) AS p50,
    if(isNull(least_value), NULL, quantile_values[4]) AS p75,
    if(isNull(least_value), NULL, quantile_values[5]) AS p95,
    least_value AS min,
    greatest_value AS max
FROM
(
    SELECT
        step,
        count() AS run_count,
        countIf(nonfinite != 0) AS bad_count,
        quantilesExact(0.05, 0.25, 0.5, 0.75, 0.95)(last) AS quantile_values,
        min(min) AS least_value,
        max(max) AS greatest_value
    FROM runstream.chart_bucket(
        metric = {metric:String}, runs = {runs:Array(UUID)}, every_run = empty({runs:Array(UUID)}),
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false,
        plan = (SELECT plan FROM runstream.chart_plan(
            metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
            step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)))
    GROUP BY step
)
ORDER BY step;
