-- Charts: one metric over many runs in about as many buckets as wanted. Every bucket carries last, min and max, so that no
-- extremum vanishes at any zoom. A bucket is 2^shift steps wide and begins at a multiple of its width.
--
-- A chart first makes a plan and then hands it on as parameters, not as subqueries: parameters are constants, so that all
-- branches but those needed vanish when the query is planned, which else takes longer than running it.

-- What to read for a chart, in one row:
-- shift  Rollups exist for 2^4, 2^8, 2^12 and 2^16 steps. The widest is taken that gives at least a quarter of the wanted
--        points (and at most four times as many). Points themselves are read where that would be too coarse, or where it is
--        cheap (two million points at most) and better. Beyond 2^16 the widest rollup is grouped further.
-- parts  The runs that cannot be read whole, as rank 0 without a second look, and what of them is drawn: (run_id, rank, attempt,
--        cutoff), or cutoff -2^63 for nothing. One string of 72 hexadecimal digits each: an array of tuples would be
--        parsed and copied dozens of times while the query is planned, at 40 us per element.
CREATE OR REPLACE VIEW chart_plan AS
SELECT
    toUInt8(multiIf(
        steps < 4 * wanted OR (steps < 16 * wanted AND steps * series_count <= 2e6),
            least(greatest(floor(log2(steps / wanted)), 0), 3),
        steps >= 262144 * wanted, floor(log2(steps / wanted)),
        steps >= 16384 * wanted, 16,
        steps >= 1024 * wanted, 12,
        steps >= 64 * wanted, 8,
        4)) AS shift,
    parts
FROM
(
    SELECT
        greatest({points:UInt32}, 1) AS wanted,
        count() AS series_count,
        -- In floating point: the span of two int64 does not fit into one.
        greatest(
            toFloat64(least(max(greatest_step), {step_max:Int64})) - toFloat64(greatest(min(least_step), {step_min:Int64})) + 1,
            1) AS steps,
        arrayStringConcat(groupArrayArray(run_parts)) AS parts
    FROM
    (
        SELECT
            least_step, greatest_step,
            multiIf(
                length(visible) = 1 AND visible[1].1 = 0 AND lives_of_rank_0 = 1 AND NOT {all_ranks:Bool}, [],
                empty(visible), [concat(run, repeat('0', 24), hex(reinterpretAsFixedString(toInt64(-9223372036854775808))))],
                arrayMap(this -> concat(
                    run,
                    hex(reinterpretAsFixedString(this.1)),
                    hex(reinterpretAsFixedString(this.2)),
                    hex(reinterpretAsFixedString(arrayFold(
                        (cutoff, life) -> if(life.1 = this.1 AND life.2 > greatest(this.2, this.4), least(cutoff, life.3), cutoff),
                        visible, toInt64(9223372036854775807))))), visible)) AS run_parts
        FROM
        (
            SELECT
                run, least_step, greatest_step, lives_of_rank_0,
                arrayFilter(life -> {all_ranks:Bool} OR life.1 = lowest_rank, lives) AS visible
            FROM
            (
                SELECT
                    run, least_step, greatest_step, lives_of_rank_0, lives,
                    arrayMin(life -> life.1, lives) AS lowest_rank
                FROM
                (
                    SELECT
                        hex(reinterpretAsFixedString(run_id)) AS run, least_step, greatest_step, lives_of_rank_0,
                        arrayFilter(life -> life.2 > ifNull(until, 0), all_lives) AS lives
                    FROM
                    (
                        SELECT
                            run_id, min(first_step) AS least_step, max(end_step) AS greatest_step,
                            countIf(rank = 0) AS lives_of_rank_0,
                            groupArray((rank, attempt, explicit_step, last_time)) AS all_lives
                        FROM series FINAL
                        WHERE metric = {metric:String} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
                        GROUP BY run_id
                    ) AS known
                    LEFT JOIN (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deleted USING (run_id)
                )
            )
        )
    )
);

-- The parts of a plan as rows.
CREATE OR REPLACE VIEW chart_list AS
SELECT
    reinterpretAsUUID(substring(part, 1, 16)) AS run_id,
    reinterpretAsUInt32(substring(part, 17, 4)) AS rank,
    reinterpretAsInt64(substring(part, 21, 8)) AS attempt,
    reinterpretAsInt64(substring(part, 29, 8)) AS cutoff
FROM (SELECT unhex(substring({list:String}, number * 72 + 1, 72)) AS part FROM numbers(intDiv(length({list:String}), 72)));

-- What every chart is made of: one row per (run, rank, bucket), unordered, packed as in rollup_16. A bucket holds all its
-- points, also those beyond step_min and step_max. whole says whether runs that are not divided are read as rank 0.
CREATE OR REPLACE VIEW chart_packed AS
SELECT run_id, rank, bitShiftLeft(bucket, {shift:UInt8}) AS step, lo, hi, last, first_nonfinite, nonfinite
FROM
(
    -- Whole series whose buckets are stored as they are wanted: FINAL is then much cheaper than GROUP BY.
    SELECT run_id, rank, bucket, lo, hi, last, first_nonfinite, nonfinite
    FROM rollup_16 FINAL
    WHERE {shift:UInt8} = 4
        AND bucket BETWEEN bitShiftRight({step_min:Int64}, 4) AND bitShiftRight({step_max:Int64}, 4)
        AND metric = {metric:String} AND rank = 0 AND {whole:Bool} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
        AND run_id NOT IN (SELECT run_id FROM chart_list(list = {parts:String}))
    UNION ALL
    SELECT run_id, rank, bucket, lo, hi, last, first_nonfinite, nonfinite
    FROM rollup_coarse FINAL
    WHERE {shift:UInt8} IN (8, 12, 16) AND level = bitShiftLeft(toUInt32(1), least({shift:UInt8}, 16))
        AND bucket BETWEEN bitShiftRight({step_min:Int64}, {shift:UInt8}) AND bitShiftRight({step_max:Int64}, {shift:UInt8})
        AND metric = {metric:String} AND rank = 0 AND {whole:Bool} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
        AND run_id NOT IN (SELECT run_id FROM chart_list(list = {parts:String}))
    UNION ALL
    SELECT
        run_id, rank, wide_bucket AS bucket,
        min(fine_lo) AS lo, max(fine_hi) AS hi, max(fine_last) AS last,
        min(fine_first_nonfinite) AS first_nonfinite, groupBitOr(fine_nonfinite) AS nonfinite
    FROM
    (
        SELECT
            run_id, rank, bitShiftRight(first_step, {shift:UInt8}) AS wide_bucket, lo AS fine_lo, hi AS fine_hi, last AS fine_last,
            first_nonfinite AS fine_first_nonfinite, nonfinite AS fine_nonfinite
        FROM
        (
            -- Whole series in widths that are not stored.
            SELECT run_id, rank, step AS first_step, lo, hi, last, first_nonfinite, nonfinite
            FROM packed_point
            WHERE {shift:UInt8} < 4
                AND metric = {metric:String} AND rank = 0 AND {whole:Bool} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
                AND run_id NOT IN (SELECT run_id FROM chart_list(list = {parts:String}))
            UNION ALL
            SELECT run_id, rank, bitShiftLeft(bucket, 16) AS first_step, lo, hi, last, first_nonfinite, nonfinite
            FROM rollup_coarse
            WHERE {shift:UInt8} > 16 AND level = 65536
                AND metric = {metric:String} AND rank = 0 AND {whole:Bool} AND (empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)})
                AND run_id NOT IN (SELECT run_id FROM chart_list(list = {parts:String}))
            UNION ALL
            -- Parts of series. The bucket in which a later attempt begins holds points of both kinds: it is put together from
            -- the narrowest buckets below the cutoff, and from points where the cutoff falls into one of these.
            SELECT run_id, rank, first_step, lo, hi, last, first_nonfinite, nonfinite
            FROM
            (
                SELECT run_id, rank, attempt, step AS first_step, 0 AS own_shift, lo, hi, last, first_nonfinite, nonfinite
                FROM packed_point
                WHERE {shift:UInt8} < 4 AND notEmpty({parts:String}) AND metric = {metric:String}
                    AND (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM chart_list(list = {parts:String}))
                UNION ALL
                SELECT run_id, rank, attempt, bitShiftLeft(bucket, 4) AS first_step, 4 AS own_shift, lo, hi, last, first_nonfinite, nonfinite
                FROM rollup_16
                WHERE {shift:UInt8} = 4 AND notEmpty({parts:String}) AND metric = {metric:String}
                    AND (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM chart_list(list = {parts:String}))
                UNION ALL
                SELECT run_id, rank, attempt, bitShiftLeft(bucket, least({shift:UInt8}, 16)) AS first_step, least({shift:UInt8}, 16) AS own_shift, lo, hi, last, first_nonfinite, nonfinite
                FROM rollup_coarse
                WHERE {shift:UInt8} > 4 AND level = bitShiftLeft(toUInt32(1), least({shift:UInt8}, 16)) AND notEmpty({parts:String}) AND metric = {metric:String}
                    AND (run_id, rank, attempt) IN (SELECT run_id, rank, attempt FROM chart_list(list = {parts:String}))
            ) AS part
            INNER JOIN chart_list(list = {parts:String}) AS cut USING (run_id, rank, attempt)
            WHERE bitShiftRight(first_step, own_shift) < bitShiftRight(cutoff, own_shift) OR cutoff = 9223372036854775807
            UNION ALL
            SELECT run_id, rank, bitShiftLeft(bucket, 4) AS first_step, lo, hi, last, first_nonfinite, nonfinite
            FROM rollup_16
            WHERE {shift:UInt8} > 4 AND notEmpty({parts:String}) AND metric = {metric:String}
                AND (run_id, rank, attempt, bucket) IN (
                    SELECT
                        run_id, rank, attempt,
                        bitShiftRight(cutoff, 4) - arrayJoin(range(
                            1, bitAnd(bitShiftRight(cutoff, 4), bitShiftLeft(toInt64(1), greatest(least({shift:UInt8}, 16), 4) - 4) - 1) + 1))
                    FROM chart_list(list = {parts:String})
                    WHERE cutoff < 9223372036854775807)
            UNION ALL
            SELECT run_id, rank, step AS first_step, lo, hi, last, first_nonfinite, nonfinite
            FROM packed_point
            WHERE {shift:UInt8} >= 4 AND notEmpty({parts:String}) AND metric = {metric:String}
                AND (run_id, rank, attempt, step) IN (
                    SELECT run_id, rank, attempt, cutoff - arrayJoin(range(1, bitAnd(cutoff, 15) + 1))
                    FROM chart_list(list = {parts:String})
                    WHERE cutoff < 9223372036854775807)
        )
        WHERE bitShiftRight(first_step, {shift:UInt8}) BETWEEN bitShiftRight({step_min:Int64}, {shift:UInt8}) AND bitShiftRight({step_max:Int64}, {shift:UInt8})
    )
    GROUP BY run_id, rank, wide_bucket
);

-- Takes a plan apart, so that it is made once.
CREATE OR REPLACE VIEW chart_planned AS
SELECT *
FROM chart_packed(
    metric = {metric:String}, runs = {runs:Array(UUID)}, step_min = {step_min:Int64}, step_max = {step_max:Int64},
    shift = tupleElement({plan:Tuple(UInt8, String)}, 1),
    parts = tupleElement({plan:Tuple(UInt8, String)}, 2),
    whole = {whole:Bool});

-- The same, unpacked. last, min and max are NULL in a bucket without a finite value.
CREATE OR REPLACE VIEW chart_bucket AS
SELECT
    run_id,
    rank,
    step,
    if(newest = 0, NULL, reinterpretAsFloat64(toUInt64(newest))) AS last,
    if(low = bitNot(toUInt64(0)), NULL,
        reinterpretAsFloat64(if(low >= 9223372036854775808, bitXor(low, 9223372036854775808), bitNot(low)))) AS min,
    if(high = 0, NULL,
        reinterpretAsFloat64(if(high >= 9223372036854775808, bitXor(high, 9223372036854775808), bitNot(high)))) AS max,
    toUInt8(flags) AS nonfinite,
    if(flags = 0, NULL, reinterpretAsInt64(bitXor(bad, 9223372036854775808))) AS first_nonfinite_step
FROM
(
    SELECT
        run_id, rank, step, nonfinite AS flags, last AS newest,
        toUInt64(bitShiftRight(lo, 64)) AS low,
        toUInt64(bitShiftRight(hi, 64)) AS high,
        toUInt64(bitShiftRight(first_nonfinite, 64)) AS bad
    FROM chart_planned(
        metric = {metric:String}, runs = {runs:Array(UUID)}, step_min = {step_min:Int64}, step_max = {step_max:Int64},
        whole = NOT {all_ranks:Bool},
        plan = (
            SELECT (shift, parts)
            FROM chart_plan(
                metric = {metric:String}, runs = {runs:Array(UUID)}, step_min = {step_min:Int64}, step_max = {step_max:Int64},
                points = {points:UInt32}, all_ranks = {all_ranks:Bool})))
);

-- One line per run: of each run the lowest rank that logged the metric.
CREATE OR REPLACE VIEW chart AS
SELECT run_id, rank, step, last, min, max, nonfinite, first_nonfinite_step
FROM chart_bucket(metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)
ORDER BY run_id, step;

-- Percentiles over all runs of the last value in each bucket, and the extrema of all their points. Exact quantiles cost less
-- than the sampled ones at some thousands of runs.
CREATE OR REPLACE VIEW chart_band AS
SELECT
    step,
    run_count AS runs,
    quantile_values[1] AS p05,
    quantile_values[2] AS p25,
    quantile_values[3] AS p50,
    quantile_values[4] AS p75,
    quantile_values[5] AS p95,
    least_value AS min,
    greatest_value AS max
FROM
(
    SELECT
        step,
        count() AS run_count,
        quantilesExact(0.05, 0.25, 0.5, 0.75, 0.95)(last) AS quantile_values,
        min(min) AS least_value,
        max(max) AS greatest_value
    FROM chart_bucket(metric = {metric:String}, runs = CAST([], 'Array(UUID)'), points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)
    GROUP BY step
)
ORDER BY step;

-- How the ranks of one run differ: least, mean and greatest over ranks. The mean is that of each rank's last value in the
-- bucket; min and max are those of all points.
CREATE OR REPLACE VIEW chart_ranks AS
SELECT step, rank_count AS ranks, least_value AS min, mean_value AS mean, greatest_value AS max
FROM
(
    SELECT
        step,
        count() AS rank_count,
        min(min) AS least_value,
        avg(last) AS mean_value,
        max(max) AS greatest_value
    FROM chart_bucket(metric = {metric:String}, runs = [{run:UUID}], points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true)
    GROUP BY step
)
ORDER BY step;
