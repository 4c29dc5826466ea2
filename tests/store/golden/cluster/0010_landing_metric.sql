-- Where metric batches arrive, exactly as schemas/runstream_schemas/events/metric.avsc describes them.
-- ENGINE = Null: nothing is kept; the materialized views on this table unfold each batch into the tables that are.
-- A constraint refuses the whole insert before any view writes, and its error names the row, which is the message.
-- Only constraints can do that: an error raised inside a view comes after other views have written.
CREATE TABLE IF NOT EXISTS runstream_shard.landing_metric ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    seq Int64,
    frames Array(Tuple(
        auto_steps Bool,
        steps Array(Int64),
        times Array(Int64),
        columns Array(Tuple(metric String, values Array(Float64))))),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    -- 2020 to 2100: the attempt chooses the partition, and a machine without a clock must not open one in 1970.
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT seq_not_negative CHECK seq >= 0,
    CONSTRAINT times_as_long_as_steps CHECK arrayAll(
        f -> length(tupleElement(f, 'times')) = length(tupleElement(f, 'steps')), frames),
    CONSTRAINT values_as_long_as_steps CHECK arrayAll(
        f -> arrayAll(c -> length(tupleElement(c, 'values')) = length(tupleElement(f, 'steps')), tupleElement(f, 'columns')),
        frames),
    CONSTRAINT times_in_range CHECK arrayAll(
        f -> arrayAll(t -> t > 0 AND t < 4102444800000000, tupleElement(f, 'times')), frames),
    -- Rollups cut a frame into runs of rows that share a bucket, so equal buckets must lie together. And an identity has one
    -- value: what came twice with two would be in the extremes and not in the points, and the ledger would never add up.
    CONSTRAINT rows_ascend_by_step_and_time CHECK arrayAll(
        f -> arrayAll(
            (step, time, next_step, next_time) -> step < next_step OR (step = next_step AND time < next_time),
            arrayPopBack(tupleElement(f, 'steps')), arrayPopBack(tupleElement(f, 'times')),
            arrayPopFront(tupleElement(f, 'steps')), arrayPopFront(tupleElement(f, 'times'))),
        frames),
    CONSTRAINT metric_once_in_a_frame CHECK arrayAll(
        f -> length(arrayDistinct(tupleElement(tupleElement(f, 'columns'), 'metric')))
            = length(tupleElement(f, 'columns')),
        frames),
    -- The same across the frames of a batch: a metric of two frames needs a moment of its own for each row, as log calls
    -- have it. Frames without a metric in common may share theirs.
    CONSTRAINT point_once_in_a_batch CHECK length(frames) < 2
        OR length(arrayDistinct(arrayFlatten(tupleElement(tupleElement(frames, 'columns'), 'metric'))))
            = length(arrayFlatten(tupleElement(tupleElement(frames, 'columns'), 'metric')))
        OR length(arrayDistinct(arrayFlatten(tupleElement(frames, 'times'))))
            = length(arrayFlatten(tupleElement(frames, 'times'))),
    CONSTRAINT metric_name_length CHECK arrayAll(
        f -> arrayAll(c -> length(tupleElement(c, 'metric')) BETWEEN 1 AND 1024, tupleElement(f, 'columns')), frames),
    CONSTRAINT metric_name_utf8 CHECK arrayAll(
        f -> arrayAll(c -> isValidUTF8(tupleElement(c, 'metric')), tupleElement(f, 'columns')), frames)
)
ENGINE = Null;

-- Where metric batches arrive, exactly as schemas/runstream_schemas/events/metric.avsc describes them.
-- ENGINE = Null: nothing is kept; the materialized views on this table unfold each batch into the tables that are.
-- A constraint refuses the whole insert before any view writes, and its error names the row, which is the message.
-- Only constraints can do that: an error raised inside a view comes after other views have written.
CREATE TABLE IF NOT EXISTS runstream_probe.landing_metric ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    seq Int64,
    frames Array(Tuple(
        auto_steps Bool,
        steps Array(Int64),
        times Array(Int64),
        columns Array(Tuple(metric String, values Array(Float64))))),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    -- 2020 to 2100: the attempt chooses the partition, and a machine without a clock must not open one in 1970.
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT seq_not_negative CHECK seq >= 0,
    CONSTRAINT times_as_long_as_steps CHECK arrayAll(
        f -> length(tupleElement(f, 'times')) = length(tupleElement(f, 'steps')), frames),
    CONSTRAINT values_as_long_as_steps CHECK arrayAll(
        f -> arrayAll(c -> length(tupleElement(c, 'values')) = length(tupleElement(f, 'steps')), tupleElement(f, 'columns')),
        frames),
    CONSTRAINT times_in_range CHECK arrayAll(
        f -> arrayAll(t -> t > 0 AND t < 4102444800000000, tupleElement(f, 'times')), frames),
    -- Rollups cut a frame into runs of rows that share a bucket, so equal buckets must lie together. And an identity has one
    -- value: what came twice with two would be in the extremes and not in the points, and the ledger would never add up.
    CONSTRAINT rows_ascend_by_step_and_time CHECK arrayAll(
        f -> arrayAll(
            (step, time, next_step, next_time) -> step < next_step OR (step = next_step AND time < next_time),
            arrayPopBack(tupleElement(f, 'steps')), arrayPopBack(tupleElement(f, 'times')),
            arrayPopFront(tupleElement(f, 'steps')), arrayPopFront(tupleElement(f, 'times'))),
        frames),
    CONSTRAINT metric_once_in_a_frame CHECK arrayAll(
        f -> length(arrayDistinct(tupleElement(tupleElement(f, 'columns'), 'metric')))
            = length(tupleElement(f, 'columns')),
        frames),
    -- The same across the frames of a batch: a metric of two frames needs a moment of its own for each row, as log calls
    -- have it. Frames without a metric in common may share theirs.
    CONSTRAINT point_once_in_a_batch CHECK length(frames) < 2
        OR length(arrayDistinct(arrayFlatten(tupleElement(tupleElement(frames, 'columns'), 'metric'))))
            = length(arrayFlatten(tupleElement(tupleElement(frames, 'columns'), 'metric')))
        OR length(arrayDistinct(arrayFlatten(tupleElement(frames, 'times'))))
            = length(arrayFlatten(tupleElement(frames, 'times'))),
    CONSTRAINT metric_name_length CHECK arrayAll(
        f -> arrayAll(c -> length(tupleElement(c, 'metric')) BETWEEN 1 AND 1024, tupleElement(f, 'columns')), frames),
    CONSTRAINT metric_name_utf8 CHECK arrayAll(
        f -> arrayAll(c -> isValidUTF8(tupleElement(c, 'metric')), tupleElement(f, 'columns')), frames)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_metric ON CLUSTER 'fleet' AS runstream_shard.landing_metric
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_metric', […][cityHash64(run_id) % 1024 + 1]);
