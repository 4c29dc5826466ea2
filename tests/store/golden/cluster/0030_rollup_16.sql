-- Buckets of 16 steps. Only aggregates that do not mind order or repetition, so a replay changes nothing.
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

-- By array functions before unfolding: GROUP BY over unfolded rows halves the rate of ingestion.
-- Ranges are runs of rows with equal bucket, found once per frame; steps do not decrease within a frame.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.rollup_16_from_landing ON CLUSTER 'fleet' TO runstream_shard.rollup_16 AS
SELECT
    metric, run_id, toUInt32(rank) AS rank, attempt, bucket,
    least_in AS lo,
    greatest_in AS hi,
    if(last_row = 0, toUInt256(0),
        bitShiftLeft(toUInt256(places[last_row]), 128)
        + bitShiftLeft(toUInt256(times[last_row]), 64)
        + reinterpretAsUInt64(values[last_row])) AS last,
    if(first_bad_row = 4294967295, bitNot(toUInt128(0)),
        bitShiftLeft(toUInt128(places[first_bad_row]), 64)
        + toUInt64(times[first_bad_row]) * 4
        + multiIf(isNaN(values[first_bad_row]), 0, values[first_bad_row] > 0, 1, 2)) AS first_nonfinite,
    flags AS nonfinite
FROM
(
    SELECT
        run_id, rank, attempt, times, places, buckets_of_ranges,
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
)
ARRAY JOIN
    buckets_of_ranges AS bucket,
    lows AS least_in,
    highs AS greatest_in,
    last_rows AS last_row,
    first_bad_rows AS first_bad_row,
    nonfinites AS flags;

-- By array functions before unfolding: GROUP BY over unfolded rows halves the rate of ingestion.
-- Ranges are runs of rows with equal bucket, found once per frame; steps do not decrease within a frame.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.rollup_16_from_landing ON CLUSTER 'fleet' TO runstream_probe.rollup_16 AS
SELECT
    metric, run_id, toUInt32(rank) AS rank, attempt, bucket,
    least_in AS lo,
    greatest_in AS hi,
    if(last_row = 0, toUInt256(0),
        bitShiftLeft(toUInt256(places[last_row]), 128)
        + bitShiftLeft(toUInt256(times[last_row]), 64)
        + reinterpretAsUInt64(values[last_row])) AS last,
    if(first_bad_row = 4294967295, bitNot(toUInt128(0)),
        bitShiftLeft(toUInt128(places[first_bad_row]), 64)
        + toUInt64(times[first_bad_row]) * 4
        + multiIf(isNaN(values[first_bad_row]), 0, values[first_bad_row] > 0, 1, 2)) AS first_nonfinite,
    flags AS nonfinite
FROM
(
    SELECT
        run_id, rank, attempt, times, places, buckets_of_ranges,
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
)
ARRAY JOIN
    buckets_of_ranges AS bucket,
    lows AS least_in,
    highs AS greatest_in,
    last_rows AS last_row,
    first_bad_rows AS first_bad_row,
    nonfinites AS flags;
