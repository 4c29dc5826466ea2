-- One row per attempt of a rank, from whatever told of it first: a run known only by its metrics has a row too.
CREATE TABLE IF NOT EXISTS life
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seen SimpleAggregateFunction(max, Int64) COMMENT 'time of the newest event, microseconds',
    last_time SimpleAggregateFunction(max, Int64) COMMENT 'time of the last point, microseconds; none: 0',
    end_step SimpleAggregateFunction(max, Int64) DEFAULT -9223372036854775808 COMMENT 'greatest step of any point'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt);

CREATE MATERIALIZED VIEW IF NOT EXISTS life_from_metric TO life AS
SELECT
    run_id, toUInt32(any_rank) AS rank, attempt,
    max(newest) AS seen,
    max(newest) AS last_time,
    max(greatest_step) AS end_step
FROM
(
    SELECT
        run_id, rank AS any_rank, attempt,
        arrayMax(frame -> arrayMax(tupleElement(frame, 'times')), filled) AS newest,
        arrayMax(frame -> tupleElement(frame, 'steps')[-1], filled) AS greatest_step,
        arrayFilter(frame -> notEmpty(tupleElement(frame, 'steps')), frames) AS filled
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
