-- One row per attempt of a rank, from whatever told of it first: a run known only by its metrics has a row too.
CREATE TABLE IF NOT EXISTS life
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seen SimpleAggregateFunction(max, Int64) COMMENT 'time of the newest event, microseconds',
    last_time SimpleAggregateFunction(max, Int64) COMMENT 'time of the last point, microseconds; none: 0',
    end_step SimpleAggregateFunction(max, Int64) DEFAULT -9223372036854775808
        COMMENT 'greatest step of any point, system metrics apart; none: -2^63',
    explicit_step SimpleAggregateFunction(min, Int64) DEFAULT 9223372036854775807
        COMMENT 'smallest of these steps that was not counted by the producer; none: 2^63 - 1',
    arrived SimpleAggregateFunction(max, Int64) DEFAULT toUnixTimestamp64Micro(now64(6, 'UTC'))
        COMMENT 'when the store got the last of its events, by the clock of the store, microseconds: its findings are then due'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt);

-- The steps of system metrics are unix seconds, which say nothing of how far a run has come.
CREATE MATERIALIZED VIEW IF NOT EXISTS life_from_metric TO life AS
SELECT
    run_id, toUInt32(any_rank) AS rank, attempt,
    max(newest) AS seen,
    max(newest) AS last_time,
    max(greatest_step) AS end_step,
    min(least_explicit_step) AS explicit_step
FROM
(
    SELECT
        run_id, rank AS any_rank, attempt,
        arrayFilter(frame -> notEmpty(tupleElement(frame, 'steps')), frames) AS filled,
        arrayFilter(
            frame -> arrayExists(column -> NOT startsWith(tupleElement(column, 'metric'), 'system/'), tupleElement(frame, 'columns')),
            filled) AS training,
        arrayMax(frame -> arrayMax(tupleElement(frame, 'times')), filled) AS newest,
        arrayMax(arrayPushBack(
            arrayMap(frame -> tupleElement(frame, 'steps')[-1], training), -9223372036854775808)) AS greatest_step,
        arrayMin(arrayPushBack(
            arrayMap(frame -> if(tupleElement(frame, 'auto_steps'), 9223372036854775807, tupleElement(frame, 'steps')[1]), training),
            9223372036854775807)) AS least_explicit_step
    FROM landing_metric
    WHERE notEmpty(filled)
)
GROUP BY run_id, any_rank, attempt;

CREATE MATERIALIZED VIEW IF NOT EXISTS life_from_run TO life AS
SELECT run_id, toUInt32(rank) AS rank, attempt, time AS seen
FROM landing_run;

CREATE MATERIALIZED VIEW IF NOT EXISTS life_from_status TO life AS
SELECT run_id, toUInt32(rank) AS rank, attempt, time AS seen
FROM landing_status;
