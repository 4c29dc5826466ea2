-- The curves of training and validation loss of every run, as numbers from which a verdict follows.

-- One row per run and loss (role: 1 training, 2 validation): that of the lowest rank that logged it.
-- n         samples with a finite value, by step
-- first … recent   the medians of the first, second, last but one and last quarter of them: single values are noisy
-- start     least value of the first sample
-- noise     standard deviation of one sample around the curve in its later half, from third differences, which a parabola
--           does not enter; of normal noise their absolute values have the median 0.6745 * sqrt(20) = 3.016 deviations
-- one_way   whether its later half, four samples at least, falls or rises with every sample: noise does so once in 12 times at
--           most, and of a steep curve in few samples the differences above tell more of its shape than of noise
-- least_point   least value with its step and the time of its sample
-- bad_step  step of the first non-finite value, while there are any in the last quarter of the steps
CREATE OR REPLACE VIEW loss_curve AS
WITH
(SELECT train_names FROM loss_names) AS train_names,
(SELECT validation_names FROM loss_names) AS validation_names
SELECT
    run_id, role, metric, n, quarter, steps, times, values, start, noise, one_way, least_point,
    arrayReduce('quantileExactInclusive(0.5)', arraySlice(values, 1, quarter)) AS first,
    arrayReduce('quantileExactInclusive(0.5)', arraySlice(values, quarter + 1, quarter)) AS second,
    arrayReduce('quantileExactInclusive(0.5)', arraySlice(values, -2 * quarter, quarter)) AS before,
    arrayReduce('quantileExactInclusive(0.5)', arraySlice(values, -quarter)) AS recent,
    bad_step
FROM
(
    SELECT
        run_id, role, metric, n, quarter, steps, times, values, start, least_point, bad_step,
        arraySlice(values, -greatest(2 * quarter, 6)) AS late,
        arrayPopBack(arrayPopFront(late)) AS inner,
        arrayReduce('quantileExactInclusive(0.5)', arrayMap(
            (a, b, c, d) -> abs(a - 3 * b + 3 * c - d),
            arrayPopBack(arrayPopBack(arrayPopBack(late))), arrayPopBack(inner),
            arrayPopFront(inner), arrayPopFront(arrayPopFront(arrayPopFront(late))))) / 3.016
            AS noise,
        arraySlice(values, -greatest(2 * quarter, 4)) AS newest,
        arrayAll((a, b) -> a > b, arrayPopBack(newest), arrayPopFront(newest))
            OR arrayAll((a, b) -> a < b, arrayPopBack(newest), arrayPopFront(newest)) AS one_way
    FROM
    (
        SELECT
            run_id, metric,
            tuple(
                reinterpretAsFloat64(
                    if(least_key >= 9223372036854775808, bitXor(least_key, 9223372036854775808), bitNot(least_key))),
                reinterpretAsInt64(bitXor(toUInt64(least_lo), 9223372036854775808)),
                least_time) AS least_point,
            reinterpretAsFloat64(
                if(start_key >= 9223372036854775808, bitXor(start_key, 9223372036854775808), bitNot(start_key))) AS start,
            tupleElement(points, 1) AS steps, tupleElement(points, 2) AS times, tupleElement(points, 3) AS values,
            toInt64(length(points)) AS n,
            greatest(1, intDiv(n, 4)) AS quarter,
            if(newest_bad >= 0.75 * end + 0.25 * begin, first_bad, NULL) AS bad_step,
            if(has(train_names, metric), 1, 2) AS role
        FROM
        (
            SELECT
                run_id,
                toString(sample.metric) AS metric,
                arraySort(groupArrayIf((step, time, value), isFinite(value))) AS points,
                min(lo) AS least_lo,
                toUInt64(bitShiftRight(least_lo, 64)) AS least_key,
                argMin(time, lo) AS least_time,
                toUInt64(bitShiftRight(argMin(lo, step), 64)) AS start_key,
                min(toFloat64(step)) AS begin,
                max(toFloat64(greatest(step, ifNull(bad_step, step)))) AS end,
                min(bad_step) AS first_bad,
                max(ifNull(toFloat64(bad_step), -inf)) AS newest_bad
            FROM series_sample(metrics = (SELECT arrayConcat(train_names, validation_names) FROM loss_names)) AS sample
            GROUP BY run_id, sample.metric
        )
        ORDER BY indexOf(arrayConcat(train_names, validation_names), metric)
        LIMIT 1 BY run_id, role
    )
);
