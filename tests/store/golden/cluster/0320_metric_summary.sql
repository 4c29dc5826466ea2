-- The best, the last and the first bad value of every metric of every run, for leaderboards.

-- Those of amended runs, from what is visible of their series: from the summaries of series as far as these tell it, and else
-- from rollups and points again. One row per (metric, run, rank), also of those of which nothing is visible.
-- again: the series whose summary is incomplete, with their cutoffs; as a scalar it is computed once per query.
CREATE OR REPLACE VIEW runstream_shard.amended_summary ON CLUSTER 'fleet' AS
WITH (SELECT groupArray((metric, run_id, rank, attempt, cutoff)) FROM runstream_shard.amended_series WHERE incomplete) AS again
SELECT
    metric, run_id, rank,
    min(part_first_step) AS first_step, min(part_lo) AS lo, max(part_hi) AS hi, max(part_last) AS last,
    min(part_first_nonfinite) AS first_nonfinite, groupBitOr(part_nonfinite) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank,
        known_first_step AS part_first_step, known_lo AS part_lo, known_hi AS part_hi, known_last AS part_last,
        known_first_nonfinite AS part_first_nonfinite, known_nonfinite AS part_nonfinite
    FROM runstream_shard.amended_series
    UNION ALL
    -- Incomplete ones again: the whole buckets below the cutoff, …
    SELECT metric, run_id, rank, 9223372036854775807, lo, hi, last, first_nonfinite, nonfinite
    FROM
    (
        SELECT * FROM runstream_shard.rollup_16
        WHERE notEmpty(again) AND (metric, run_id, rank, attempt) IN (
            SELECT part.1, part.2, part.3, part.4 FROM (SELECT arrayJoin(again) AS part))
    ) AS whole
    INNER JOIN
    (
        SELECT part.1 AS metric, part.2 AS run_id, part.3 AS rank, part.4 AS attempt, part.5 AS cutoff
        FROM (SELECT arrayJoin(again) AS part)
    ) AS cut USING (metric, run_id, rank, attempt)
    WHERE notEmpty(again) AND bucket < bitShiftRight(cutoff, 4)
    UNION ALL
    -- … and the points of the cut bucket, named one by one so that the index finds them.
    SELECT metric, run_id, rank, 9223372036854775807, lo, hi, last, first_nonfinite, nonfinite
    FROM runstream_shard.packed_point
    WHERE notEmpty(again) AND (metric, run_id, rank, attempt, step) IN (
        SELECT part.1, part.2, part.3, part.4, part.5 - arrayJoin(range(1, bitAnd(part.5, 15) + 1))
        FROM (SELECT arrayJoin(again) AS part))
)
GROUP BY metric, run_id, rank;

-- Of amended runs the findings, since their summaries are too dear to ask for in a leaderboard. Until there is one, the whole of
-- their series counts; after a deletion they are left out until there is a new one.
CREATE OR REPLACE VIEW runstream_shard.metric_summary_by_rank ON CLUSTER 'fleet' AS
SELECT
    run_id,
    metric,
    rank,
    if(newest = 0, NULL, reinterpretAsFloat64(toUInt64(newest))) AS last,
    if(newest = 0, NULL, reinterpretAsInt64(bitXor(toUInt64(bitShiftRight(newest, 128)), 9223372036854775808))) AS last_step,
    if(newest = 0, NULL, fromUnixTimestamp64Micro(toInt64(toUInt64(bitShiftRight(newest, 64))), 'UTC')) AS last_time,
    if(least_key = bitNot(toUInt64(0)), NULL, reinterpretAsFloat64(
        if(least_key >= 9223372036854775808, bitXor(least_key, 9223372036854775808), bitNot(least_key)))) AS min,
    if(least_key = bitNot(toUInt64(0)), NULL, reinterpretAsInt64(bitXor(toUInt64(least_value), 9223372036854775808))) AS min_step,
    if(greatest_key = 0, NULL, reinterpretAsFloat64(
        if(greatest_key >= 9223372036854775808, bitXor(greatest_key, 9223372036854775808), bitNot(greatest_key)))) AS max,
    if(greatest_key = 0, NULL, reinterpretAsInt64(bitXor(bitNot(toUInt64(greatest_value)), 9223372036854775808))) AS max_step,
    first_step,
    if(nonfinite = 0, NULL, reinterpretAsInt64(bitXor(toUInt64(bitShiftRight(first_bad, 64)), 9223372036854775808)))
        AS first_nonfinite_step,
    if(nonfinite = 0, NULL, [nan, inf, -inf][toUInt8(bitAnd(first_bad, 3)) + 1]) AS first_nonfinite_value,
    nonfinite
FROM
(
    SELECT
        metric, run_id, rank, first_step, nonfinite,
        lo AS least_value, toUInt64(bitShiftRight(lo, 64)) AS least_key,
        hi AS greatest_value, toUInt64(bitShiftRight(hi, 64)) AS greatest_key,
        last AS newest, first_nonfinite AS first_bad
    FROM
    (
        SELECT
            metric, run_id, rank, min(series.first_step) AS first_step, min(series.lo) AS lo, max(series.hi) AS hi,
            max(series.last) AS last, min(series.first_nonfinite) AS first_nonfinite, groupBitOr(series.nonfinite) AS nonfinite
        FROM runstream_shard.series
        LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id)
        WHERE attempt > ifNull(until, 0) AND run_id NOT IN (SELECT run_id FROM runstream_shard.run_finding FINAL WHERE amended)
        GROUP BY metric, run_id, rank
        UNION ALL
        SELECT metric, run_id, rank, first_step, lo, hi, last, first_nonfinite, nonfinite
        FROM runstream_shard.summary_finding FINAL
        LEFT JOIN (SELECT run_id, max(until) AS deleted FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id)
        WHERE until = ifNull(deleted, 0) AND (last != 0 OR nonfinite != 0)
    )
);

CREATE OR REPLACE VIEW runstream.metric_summary_by_rank ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.metric_summary_by_rank));

-- One row per metric of a run: that of the lowest rank that logged it.
CREATE OR REPLACE VIEW runstream_shard.metric_summary ON CLUSTER 'fleet' AS
SELECT
    run_id, metric, rank, last, last_step, last_time, min, min_step, max, max_step, first_step, first_nonfinite_step,
    first_nonfinite_value, nonfinite
FROM
(
    -- A window partitioned by metric and run: a filter on these reaches the table.
    SELECT *, min(rank) OVER (PARTITION BY metric, run_id) AS lowest_rank
    FROM runstream_shard.metric_summary_by_rank
)
WHERE rank = lowest_rank;

CREATE OR REPLACE VIEW runstream.metric_summary ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.metric_summary));
