-- Lives of runs: every attempt of every rank with its state, and the runs made of them.

-- One UNION ALL grouped by the key, not joins: a filter on run_id then reaches every table. Of run and status each attempt has
-- one row (FINAL keeps the newest by the event's own time), so that the maximum only picks it.
-- An attempt is running while its newest heartbeat is under 60 s old, by the store's newest event or the clock,
-- whichever is earlier: when the worker lags, running jobs must not look lost.
CREATE OR REPLACE VIEW attempt_life AS
WITH least(toUnixTimestamp64Micro(now64(6, 'UTC')), (SELECT max(seen) FROM life)) AS present
SELECT
    run_id, rank, attempt, seen, last_time, begun, error, crash_safe, device,
    multiIf(
        NOT begun AND said = '', 'unknown',
        said NOT IN ('', 'running'), said,
        present - heartbeat < 60000000, 'running',
        'lost') AS state,
    multiIf(
        state IN ('running', 'unknown'), NULL,
        said NOT IN ('', 'running'), heartbeat,
        -- Lost without a word: the last sign of life is as close as one can know.
        greatest(seen, heartbeat)) AS ended,
    -- The counter of the status event includes rows that are still on their way; points may be newer than it.
    if(end_step = -9223372036854775808, told_step, greatest(end_step, ifNull(told_step, end_step))) AS last_step,
    explicit_step,
    toUInt32(row_number() OVER (PARTITION BY run_id, rank ORDER BY attempt)) AS number,
    CAST(attempt <= ifNull(until, 0) AS Bool) AS deleted
FROM
(
    SELECT
        run_id, rank, attempt,
        max(event_seen) AS seen,
        max(event_last_time) AS last_time,
        max(event_end_step) AS end_step,
        min(event_explicit_step) AS explicit_step,
        max(event_heartbeat) AS heartbeat,
        max(event_begun) AS begun,
        max(event_state) AS said,
        max(event_error) AS error,
        max(event_step) AS told_step,
        min(event_safe) AS crash_safe,
        max(event_device) AS device
    FROM
    (
        SELECT
            run_id, rank, attempt,
            seen AS event_seen, last_time AS event_last_time, end_step AS event_end_step,
            explicit_step AS event_explicit_step,
            toInt64(0) AS event_heartbeat, false AS event_begun,
            '' AS event_state, '' AS event_error, CAST(NULL, 'Nullable(Int64)') AS event_step, true AS event_safe,
            '' AS event_device
        FROM life
        UNION ALL
        SELECT
            run_id, rank, attempt, 0, 0, -9223372036854775808, 9223372036854775807, toUnixTimestamp64Micro(time), true,
            '', '', NULL, crash_safe, device
        FROM run FINAL
        UNION ALL
        SELECT
            run_id, rank, attempt, 0, 0, -9223372036854775808, 9223372036854775807, toUnixTimestamp64Micro(time), false,
            toString(state), error, last_step, crash_safe, ''
        FROM status FINAL
    )
    GROUP BY run_id, rank, attempt
) AS known
LEFT JOIN (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deletions USING (run_id);

CREATE OR REPLACE VIEW attempts AS
SELECT
    run_id,
    rank,
    number,
    attempt,
    fromUnixTimestamp64Micro(attempt, 'UTC') AS started,
    fromUnixTimestamp64Micro(ended, 'UTC') AS ended,
    state,
    last_step,
    ifNull(run_host, '') AS host,
    ifNull(run_node, 0) AS node,
    ifNull(run_local_rank, 0) AS local_rank,
    ifNull(run_world_size, 0) AS world_size,
    ifNull(run_pid, 0) AS pid,
    device,
    toString(ifNull(run_resume, '')) AS resume,
    crash_safe,
    error,
    multiIf(
        overlapped != 0, concat('began before the last point of attempt ', toString(overlapped), ': concurrent or clock behind'),
        resume = 'never' AND earlier > 0, 'never, but an earlier attempt exists',
        resume = 'must' AND begun AND earlier = 0 AND first_end >= attempt, 'must, but none exists',
        '') AS breach,
    deleted
FROM
(
    SELECT
        *,
        -- Deletion takes the oldest first, so that what is earlier and not deleted is there only beside what is not deleted.
        length(arrayFilter(life -> life.1 < number AND NOT life.3, lives)) AS earlier,
        arrayMax(arrayPushBack(
            arrayMap(life -> life.1, arrayFilter(life -> life.1 < number AND life.2 >= attempt, lives)), 0)) AS overlapped
    FROM
    (
        SELECT
            *,
            groupArray((number, last_time, deleted)) OVER (PARTITION BY run_id, rank) AS lives,
            -- A job resumed with more ranks: the run existed, though not this rank of it.
            min(if(deleted, 9223372036854775807, seen)) OVER (PARTITION BY run_id) AS first_end
        FROM attempt_life
    )
) AS lived
LEFT JOIN
(
    SELECT
        run_id, rank, attempt, host AS run_host, node AS run_node, local_rank AS run_local_rank,
        world_size AS run_world_size, pid AS run_pid, toString(resume) AS run_resume
    FROM run FINAL
) AS begin USING (run_id, rank, attempt);

-- A rank is running if any of its attempts is, else it is what its latest attempt became. A run is running if any rank is,
-- else the worst of lost, failed, killed, finished; a rank of which nothing but metrics is known decides only when alone.
CREATE OR REPLACE VIEW runs AS
SELECT
    run_id,
    ifNull(fact_experiment, '') AS experiment,
    -- The producer names every run: without a name are those whose run event is not here yet, or never comes.
    if(ifNull(fact_name, '') = '', substring(toString(run_id), 25), fact_name) AS name,
    ifNull(fact_user, '') AS user,
    multiIf(
        has(states, 'running'), 'running',
        has(states, 'lost'), 'lost',
        has(states, 'failed'), 'failed',
        has(states, 'killed'), 'killed',
        has(states, 'finished'), 'finished',
        'unknown') AS state,
    fromUnixTimestamp64Micro(first_attempt, 'UTC') AS started,
    fromUnixTimestamp64Micro(newest, 'UTC') AS updated,
    if(state IN ('running', 'unknown'), NULL, fromUnixTimestamp64Micro(newest_end, 'UTC')) AS ended,
    (ifNull(if(state IN ('running', 'unknown'), newest, newest_end), newest) - first_attempt) / 1e6 AS duration_s,
    nullIf(greatest_step, -9223372036854775808) AS last_step,
    ifNull(fact_world_size, 0) AS world_size,
    rank_count AS ranks,
    attempt_count AS attempts,
    gpu_us / 3.6e9 AS gpu_hours,
    ifNull(fact_host, '') AS host,
    ifNull(fact_commit, '') AS commit,
    ifNull(fact_branch, '') AS branch,
    ifNull(fact_dirty, false) AS dirty,
    any_error AS error
FROM
(
    SELECT
        run_id,
        groupUniqArray(rank_state) AS states,
        min(rank_first) AS first_attempt,
        max(rank_seen) AS newest,
        max(rank_ended) AS newest_end,
        max(rank_step) AS greatest_step,
        toUInt32(count()) AS rank_count,
        toUInt32(max(rank_attempts)) AS attempt_count,
        sum(rank_gpu_us) AS gpu_us,
        -- Of several ranks' errors the lowest rank's, of its attempts the latest's.
        argMinIf(rank_error, rank, rank_error != '') AS any_error
    FROM
    (
        SELECT
            run_id, rank,
            if(max(state = 'running'), 'running', argMax(state, attempt)) AS rank_state,
            min(attempt) AS rank_first,
            max(greatest(seen, attempt)) AS rank_seen,
            max(ended) AS rank_ended,
            -- Of each attempt what a later one leaves of it, by the rule of series_cut, for all metrics of the rank together.
            arrayMax(life -> least(life.3, arrayMin(
                later -> if(later.1 > greatest(life.1, life.2), later.4, 9223372036854775807), lives) - 1), lives) AS rank_step,
            count() AS rank_attempts,
            -- What is running counts up to now.
            sumIf(
                ifNull(ended, if(state = 'running', toUnixTimestamp64Micro(now64(6, 'UTC')), attempt)) - attempt,
                startsWith(device, 'cuda')) AS rank_gpu_us,
            argMax(error, attempt) AS rank_error,
            groupArray((attempt, last_time, ifNull(last_step, -9223372036854775808), explicit_step)) AS lives
        FROM attempt_life
        WHERE NOT deleted
        GROUP BY run_id, rank
    )
    GROUP BY run_id
) AS lived
LEFT JOIN facts USING (run_id);
