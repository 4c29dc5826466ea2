-- What a frame's column comes to, in buckets of 16 steps: one row a column, one array element a bucket. Nothing is kept here;
-- the views behind it write rollups and series. By array functions, because GROUP BY over unfolded rows halves the rate of
-- ingestion, and because a slow logger's frame, of one step, then costs next to nothing: it has one bucket.
--
-- Values and their positions are packed into one wide integer, compared as a number: FINAL over fresh parts is then three
-- times faster than with tuples, which ClickHouse compares field by field. Written with
--   place(step)    = step + 2^63, as UInt64: ordered like the step
--   ordered(value) = the double's bits with the sign bit flipped (positive) or all bits flipped (negative): ordered like the value
-- lo               ordered(value) << 64 | place(step)                       least finite value, at its smallest step
-- hi               ordered(value) << 64 | ~place(step)                      greatest finite value, at its smallest step
-- last             place(step) << 128 | time << 64 | bits of the value      last finite point by (step, time)
-- first_nonfinite  place(step) << 64 | time << 2 | 0 NaN, 1 +Inf, 2 -Inf     first non-finite point by (step, time)
-- nonfinite        bits: 1 NaN, 2 +Inf, 4 -Inf
-- Where there is none, lo and first_nonfinite hold the greatest integer, hi and last 0: the neutral elements of min and max.
CREATE TABLE IF NOT EXISTS runstream_shard.rollup_frame ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    auto_steps Bool COMMENT 'the producer counted the steps',
    first_step Int64,
    end_step Int64 COMMENT 'greatest step',
    last_time Int64 COMMENT 'microseconds',
    buckets Array(Int64) COMMENT 'step >> 4, which rounds down for negative steps too; ascending',
    lo Array(UInt128),
    hi Array(UInt128),
    last Array(UInt256),
    first_nonfinite Array(UInt128),
    nonfinite Array(UInt8)
)
ENGINE = Null;

-- What a frame's column comes to, in buckets of 16 steps: one row a column, one array element a bucket. Nothing is kept here;
-- the views behind it write rollups and series. By array functions, because GROUP BY over unfolded rows halves the rate of
-- ingestion, and because a slow logger's frame, of one step, then costs next to nothing: it has one bucket.
--
-- Values and their positions are packed into one wide integer, compared as a number: FINAL over fresh parts is then three
-- times faster than with tuples, which ClickHouse compares field by field. Written with
--   place(step)    = step + 2^63, as UInt64: ordered like the step
--   ordered(value) = the double's bits with the sign bit flipped (positive) or all bits flipped (negative): ordered like the value
-- lo               ordered(value) << 64 | place(step)                       least finite value, at its smallest step
-- hi               ordered(value) << 64 | ~place(step)                      greatest finite value, at its smallest step
-- last             place(step) << 128 | time << 64 | bits of the value      last finite point by (step, time)
-- first_nonfinite  place(step) << 64 | time << 2 | 0 NaN, 1 +Inf, 2 -Inf     first non-finite point by (step, time)
-- nonfinite        bits: 1 NaN, 2 +Inf, 4 -Inf
-- Where there is none, lo and first_nonfinite hold the greatest integer, hi and last 0: the neutral elements of min and max.
CREATE TABLE IF NOT EXISTS runstream_probe.rollup_frame ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    auto_steps Bool COMMENT 'the producer counted the steps',
    first_step Int64,
    end_step Int64 COMMENT 'greatest step',
    last_time Int64 COMMENT 'microseconds',
    buckets Array(Int64) COMMENT 'step >> 4, which rounds down for negative steps too; ascending',
    lo Array(UInt128),
    hi Array(UInt128),
    last Array(UInt256),
    first_nonfinite Array(UInt128),
    nonfinite Array(UInt8)
)
ENGINE = Null;

-- Ranges are runs of rows with equal bucket, found once per frame; steps do not decrease within a frame.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.rollup_frame_from_landing ON CLUSTER 'fleet' TO runstream_shard.rollup_frame AS
SELECT
    metric, run_id, toUInt32(rank) AS rank, attempt, auto_steps,
    steps[1] AS first_step,
    steps[-1] AS end_step,
    arrayMax(times) AS last_time,
    buckets_of_ranges AS buckets,
    lows AS lo,
    highs AS hi,
    arrayMap(row -> if(row = 0, toUInt256(0),
        bitShiftLeft(toUInt256(places[row]), 128)
        + bitShiftLeft(toUInt256(times[row]), 64)
        + reinterpretAsUInt64(values[row])), last_rows) AS last,
    arrayMap(row -> if(row = 4294967295, bitNot(toUInt128(0)),
        bitShiftLeft(toUInt128(places[row]), 64)
        + toUInt64(times[row]) * 4
        + multiIf(isNaN(values[row]), 0, values[row] > 0, 1, 2)), first_bad_rows) AS first_nonfinite,
    nonfinites AS nonfinite
FROM
(
    SELECT
        run_id, rank, attempt, auto_steps, steps, times, places, buckets_of_ranges,
        tupleElement(column, 'metric') AS metric,
        tupleElement(column, 'values') AS values,
        arrayMap(value -> bitXor(
            reinterpretAsUInt64(value),
            bitOr(reinterpretAsUInt64(bitShiftRight(reinterpretAsInt64(value), 63)), 9223372036854775808)), values) AS ordered,
        arrayExists(value -> NOT isFinite(value), values) AS any_bad,
        arrayReduceInRanges('min', ranges, arrayMap(
            (value, key, place) -> if(isFinite(value), bitShiftLeft(toUInt128(key), 64) + place, bitNot(toUInt128(0))),
            values, ordered, places)) AS lows,
        arrayReduceInRanges('max', ranges, arrayMap(
            (value, key, place) -> if(isFinite(value), bitShiftLeft(toUInt128(key), 64) + bitNot(place), toUInt128(0)),
            values, ordered, places)) AS highs,
        -- Hardly any column holds a non-finite value: the others take the short way.
        if(any_bad,
            arrayReduceInRanges('max', ranges, arrayMap((value, row) -> if(isFinite(value), row, 0), values, rows)),
            arrayMap(range -> range.1 + range.2 - 1, ranges)) AS last_rows,
        if(any_bad,
            arrayReduceInRanges('min', ranges, arrayMap((value, row) -> if(isFinite(value), 4294967295, row), values, rows)),
            arrayMap(range -> toUInt32(4294967295), ranges)) AS first_bad_rows,
        if(any_bad,
            arrayReduceInRanges('groupBitOr', ranges, arrayMap(
                value -> toUInt8(multiIf(isFinite(value), 0, isNaN(value), 1, value > 0, 2, 4)), values)),
            arrayMap(range -> toUInt8(0), ranges)) AS nonfinites
    FROM
    (
        SELECT
            run_id, rank, attempt,
            tupleElement(frame, 'auto_steps') AS auto_steps,
            tupleElement(frame, 'steps') AS steps,
            tupleElement(frame, 'times') AS times,
            tupleElement(frame, 'columns') AS columns,
            arrayEnumerate(steps) AS rows,
            arrayMap(step -> reinterpretAsUInt64(bitXor(step, -9223372036854775808)), steps) AS places,
            arrayMap(step -> bitShiftRight(step, 4), steps) AS buckets,
            arrayFilter((row, change) -> row = 1 OR change != 0, rows, arrayDifference(buckets)) AS starts,
            arrayMap(
                (start, next) -> (start, toUInt32(next - start)),
                starts, arrayPushBack(arrayPopFront(starts), length(steps) + 1)) AS ranges,
            arrayMap(start -> buckets[start], starts) AS buckets_of_ranges
        FROM runstream_shard.landing_metric
        ARRAY JOIN frames AS frame
        WHERE notEmpty(tupleElement(frame, 'steps'))
    )
    ARRAY JOIN columns AS column
);

-- Ranges are runs of rows with equal bucket, found once per frame; steps do not decrease within a frame.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.rollup_frame_from_landing ON CLUSTER 'fleet' TO runstream_probe.rollup_frame AS
SELECT
    metric, run_id, toUInt32(rank) AS rank, attempt, auto_steps,
    steps[1] AS first_step,
    steps[-1] AS end_step,
    arrayMax(times) AS last_time,
    buckets_of_ranges AS buckets,
    lows AS lo,
    highs AS hi,
    arrayMap(row -> if(row = 0, toUInt256(0),
        bitShiftLeft(toUInt256(places[row]), 128)
        + bitShiftLeft(toUInt256(times[row]), 64)
        + reinterpretAsUInt64(values[row])), last_rows) AS last,
    arrayMap(row -> if(row = 4294967295, bitNot(toUInt128(0)),
        bitShiftLeft(toUInt128(places[row]), 64)
        + toUInt64(times[row]) * 4
        + multiIf(isNaN(values[row]), 0, values[row] > 0, 1, 2)), first_bad_rows) AS first_nonfinite,
    nonfinites AS nonfinite
FROM
(
    SELECT
        run_id, rank, attempt, auto_steps, steps, times, places, buckets_of_ranges,
        tupleElement(column, 'metric') AS metric,
        tupleElement(column, 'values') AS values,
        arrayMap(value -> bitXor(
            reinterpretAsUInt64(value),
            bitOr(reinterpretAsUInt64(bitShiftRight(reinterpretAsInt64(value), 63)), 9223372036854775808)), values) AS ordered,
        arrayExists(value -> NOT isFinite(value), values) AS any_bad,
        arrayReduceInRanges('min', ranges, arrayMap(
            (value, key, place) -> if(isFinite(value), bitShiftLeft(toUInt128(key), 64) + place, bitNot(toUInt128(0))),
            values, ordered, places)) AS lows,
        arrayReduceInRanges('max', ranges, arrayMap(
            (value, key, place) -> if(isFinite(value), bitShiftLeft(toUInt128(key), 64) + bitNot(place), toUInt128(0)),
            values, ordered, places)) AS highs,
        -- Hardly any column holds a non-finite value: the others take the short way.
        if(any_bad,
            arrayReduceInRanges('max', ranges, arrayMap((value, row) -> if(isFinite(value), row, 0), values, rows)),
            arrayMap(range -> range.1 + range.2 - 1, ranges)) AS last_rows,
        if(any_bad,
            arrayReduceInRanges('min', ranges, arrayMap((value, row) -> if(isFinite(value), 4294967295, row), values, rows)),
            arrayMap(range -> toUInt32(4294967295), ranges)) AS first_bad_rows,
        if(any_bad,
            arrayReduceInRanges('groupBitOr', ranges, arrayMap(
                value -> toUInt8(multiIf(isFinite(value), 0, isNaN(value), 1, value > 0, 2, 4)), values)),
            arrayMap(range -> toUInt8(0), ranges)) AS nonfinites
    FROM
    (
        SELECT
            run_id, rank, attempt,
            tupleElement(frame, 'auto_steps') AS auto_steps,
            tupleElement(frame, 'steps') AS steps,
            tupleElement(frame, 'times') AS times,
            tupleElement(frame, 'columns') AS columns,
            arrayEnumerate(steps) AS rows,
            arrayMap(step -> reinterpretAsUInt64(bitXor(step, -9223372036854775808)), steps) AS places,
            arrayMap(step -> bitShiftRight(step, 4), steps) AS buckets,
            arrayFilter((row, change) -> row = 1 OR change != 0, rows, arrayDifference(buckets)) AS starts,
            arrayMap(
                (start, next) -> (start, toUInt32(next - start)),
                starts, arrayPushBack(arrayPopFront(starts), length(steps) + 1)) AS ranges,
            arrayMap(start -> buckets[start], starts) AS buckets_of_ranges
        FROM runstream_probe.landing_metric
        ARRAY JOIN frames AS frame
        WHERE notEmpty(tupleElement(frame, 'steps'))
    )
    ARRAY JOIN columns AS column
);
