-- How far every rank has come, how fast it is, and how slow beside the others of its run: of its newest attempt.

-- work_ms is the time of a step without the time that the rank waited for the others in it, the median over samples of
-- time/step_ms minus that of time/wait_ms. Ranks that wait for each other in every step are all equally fast, and only this
-- tells which of them the others wait for. Ranks of which it is not known are compared by their steps per second.
-- last_time and seen are of the rank's own clock, and quiet_s, their difference, does not depend on how it is set.
CREATE OR REPLACE VIEW runstream_shard.rank_progress ON CLUSTER 'fleet' AS
SELECT
    run_id, rank, rank_state AS state, attempt, last_step,
    fromUnixTimestamp64Micro(nullIf(last_point, 0), 'UTC') AS last_time,
    fromUnixTimestamp64Micro(newest, 'UTC') AS seen,
    (newest - if(last_point = 0, attempt, last_point)) / 1e6 AS quiet_s,
    steps_per_second,
    work_ms,
    toFloat64(coalesce(
        work_ms / quantileExactInclusive(0.5)(work_ms) OVER (PARTITION BY run_id),
        quantileExactInclusive(0.5)(steps_per_second) OVER (PARTITION BY run_id) / steps_per_second)) AS factor
FROM
(
    SELECT
        run_id, rank, rank_state, attempt, newest,
        if(last_point = 0, NULL, CAST(end_step AS Int64)) AS last_step,
        last_point,
        if(last_point > attempt AND end_step > first_step,
            (toFloat64(end_step) - first_step) * 1e6 / (last_point - attempt), NULL) AS steps_per_second,
        if(work > 0, work, NULL) AS work_ms
    FROM
    (
        SELECT
            run_id, rank,
            if(max(state = 'running'), 'running', argMax(state, life.attempt)) AS rank_state,
            max(life.attempt) AS attempt,
            max(greatest(seen, life.attempt)) AS newest
        FROM runstream_shard.attempt_life AS life
        WHERE NOT deleted
        GROUP BY run_id, rank
    ) AS lived
    LEFT JOIN
    (
        -- The metric that has come furthest tells the speed: others may have axes of their own.
        SELECT
            run_id, rank, attempt,
            max(series.end_step) AS end_step,
            argMax(series.first_step, (series.end_step, -series.first_step)) AS first_step,
            max(series.last_time) AS last_point
        FROM runstream_shard.series FINAL
        WHERE NOT startsWith(metric, 'system/')
        GROUP BY run_id, rank, attempt
    ) AS furthest USING (run_id, rank, attempt)
    LEFT JOIN
    (
        SELECT
            run_id, rank, attempt,
            if(countIf(metric = 'time/step_ms') < 6, NULL,
                quantileExactInclusiveIf(0.5)(value, metric = 'time/step_ms')
                - ifNotFinite(quantileExactInclusiveIf(0.5)(value, metric = 'time/wait_ms'), 0)) AS work
        FROM
        (
            SELECT metric, run_id, rank, attempt, reinterpretAsFloat64(toUInt64(last)) AS value
            FROM runstream_shard.rollup_16 FINAL
            WHERE last != 0 AND (metric, run_id, rank) IN (
                SELECT metric, run_id, rank FROM runstream_shard.series_width(metrics = ['time/step_ms', 'time/wait_ms']) WHERE shift <= 4)
            UNION ALL
            SELECT metric, run_id, rank, attempt, reinterpretAsFloat64(toUInt64(last))
            FROM runstream_shard.rollup_coarse FINAL
            WHERE last != 0 AND (level, metric, run_id, rank) IN (
                SELECT bitShiftLeft(toUInt32(1), shift), metric, run_id, rank
                FROM runstream_shard.series_width(metrics = ['time/step_ms', 'time/wait_ms']) WHERE shift >= 8)
        )
        GROUP BY run_id, rank, attempt
    ) AS told USING (run_id, rank, attempt)
);

CREATE OR REPLACE VIEW runstream.rank_progress ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.rank_progress));
