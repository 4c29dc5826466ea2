-- What the public views share: which runs need a second look, and what a later attempt hides.

-- Runs of which something is deleted, or which have more than one attempt on some rank. All others are read without any join.
CREATE OR REPLACE VIEW runstream_shard.amended_run ON CLUSTER 'fleet' AS
SELECT run_id FROM runstream_shard.deletion
UNION DISTINCT
SELECT run_id FROM runstream_shard.life GROUP BY run_id, rank HAVING min(attempt) != max(attempt);

CREATE OR REPLACE VIEW runstream.amended_run ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.amended_run));

-- Every series with what is visible of it.
-- A later attempt supersedes an earlier one of the same (metric, run, rank) from the smallest step it logs, if it began after
-- the earlier one's last point; else the two ran at the same time, and both stay. Steps that the producer counted by
-- itself (explicit_step is then the greatest integer) supersede nothing.
-- cutoff       the steps below are visible; 2^63 - 1: all
-- deleted      none of it is visible
-- lowest_rank  the lowest rank of the run that has a visible series of this metric
-- whole        rank 0 of the run has a single series of this metric, and it is visible from end to end
-- Windows partitioned by the key's columns: a filter on them reaches the table.
CREATE OR REPLACE VIEW runstream_shard.series_cut ON CLUSTER 'fleet' AS
SELECT
    metric, run_id, rank, attempt, first_step, end_step, lo, hi, last, first_nonfinite, nonfinite,
    -- One that begins beyond the last step hides nothing, and needs no second look.
    arrayMin(
        life -> if(life.1 > greatest(attempt, last_time) AND life.2 <= end_step, life.2, 9223372036854775807), lives) AS cutoff,
    deleted,
    lowest_rank,
    series_of_rank_0 = 1 AND NOT any_of_rank_0_deleted AS whole
FROM
(
    SELECT
        *,
        attempt <= until AS deleted,
        groupArrayIf((attempt, explicit_step), attempt > until) OVER (PARTITION BY metric, run_id, rank) AS lives,
        minIf(rank, attempt > until) OVER (PARTITION BY metric, run_id) AS lowest_rank,
        countIf(rank = 0) OVER (PARTITION BY metric, run_id) AS series_of_rank_0,
        max(rank = 0 AND attempt <= until) OVER (PARTITION BY metric, run_id) AS any_of_rank_0_deleted
    FROM runstream_shard.series FINAL
    LEFT JOIN (SELECT run_id, until FROM runstream_shard.deletion FINAL) AS deletions USING (run_id)
);

-- Series of amended runs, deleted ones left out, with what is known of the visible part of each.
--
-- known_…: what the summary tells of the visible part, which are the steps below the cutoff. A least value that lies below the
-- cutoff is that of the visible part too; one that lies beyond is not visible, and the visible part's is unknown, but worse.
-- incomplete: what is unknown could be better than all that is known of the same (metric, run, rank), so it must be read.
-- One step per level: ClickHouse copies an alias wherever it is used, and planning would take longer than running.
CREATE OR REPLACE VIEW runstream_shard.amended_series ON CLUSTER 'fleet' AS
SELECT
    metric, run_id, rank, attempt, end_step, cutoff, superseded,
    known_first_step, known_lo, known_hi, known_last, known_first_nonfinite, known_nonfinite,
    superseded AND first_step < cutoff AND (
        lo < min(known_lo) OVER same
        OR hi > max(known_hi) OVER same
        OR (known_last = 0 AND last != 0 AND max(known_last) OVER same < bitShiftLeft(toUInt256(edge), 128))
        OR bitAnd(if(known_nonfinite = 0, 0, nonfinite), bitNot(groupBitOr(known_nonfinite) OVER same)) != 0
    ) AS incomplete
FROM
(
    SELECT
        metric, run_id, rank, attempt, first_step, end_step, cutoff, superseded, edge, lo, hi, last, nonfinite,
        if(first_step < cutoff, first_step, 9223372036854775807) AS known_first_step,
        if(toUInt64(lo) < edge, lo, bitNot(toUInt128(0))) AS known_lo,
        if(bitNot(toUInt64(hi)) < edge, hi, toUInt128(0)) AS known_hi,
        if(toUInt64(bitShiftRight(last, 128)) < edge, last, toUInt256(0)) AS known_last,
        if(bad_place < edge, first_nonfinite, bitNot(toUInt128(0))) AS known_first_nonfinite,
        -- Of several kinds in a series that is cut, only that of the first non-finite point is sure to be visible.
        multiIf(NOT superseded, nonfinite, bad_place < edge, bitShiftLeft(toUInt8(1), bad_kind), toUInt8(0)) AS known_nonfinite
    FROM
    (
        SELECT
            metric, run_id, rank, attempt, first_step, end_step, lo, hi, last, first_nonfinite, nonfinite, cutoff,
            cutoff < 9223372036854775807 AS superseded,
            reinterpretAsUInt64(bitXor(cutoff, -9223372036854775808)) AS edge,
            toUInt64(bitShiftRight(first_nonfinite, 64)) AS bad_place,
            toUInt8(bitAnd(toUInt64(first_nonfinite), 3)) AS bad_kind
        FROM runstream_shard.series_cut
        WHERE NOT deleted AND run_id IN (SELECT run_id FROM runstream_shard.amended_run)
    )
)
WINDOW same AS (PARTITION BY metric, run_id, rank);

-- Points packed as in rollup_16, one row per stored row: duplicates do no harm to the aggregates.
CREATE OR REPLACE VIEW runstream_shard.packed_point ON CLUSTER 'fleet' AS
SELECT
    metric, run_id, rank, attempt, step,
    if(isFinite(value), bitShiftLeft(toUInt128(ordered), 64) + place, bitNot(toUInt128(0))) AS lo,
    if(isFinite(value), bitShiftLeft(toUInt128(ordered), 64) + bitNot(place), toUInt128(0)) AS hi,
    if(isFinite(value),
        bitShiftLeft(toUInt256(place), 128) + bitShiftLeft(toUInt256(us), 64) + reinterpretAsUInt64(value),
        toUInt256(0)) AS last,
    if(isFinite(value), bitNot(toUInt128(0)),
        bitShiftLeft(toUInt128(place), 64) + us * 4 + multiIf(isNaN(value), 0, value > 0, 1, 2)) AS first_nonfinite,
    toUInt8(multiIf(isFinite(value), 0, isNaN(value), 1, value > 0, 2, 4)) AS nonfinite
FROM
(
    SELECT
        metric, run_id, rank, attempt, step, value,
        toUInt64(toUnixTimestamp64Micro(time)) AS us,
        reinterpretAsUInt64(bitXor(step, -9223372036854775808)) AS place,
        bitXor(
            reinterpretAsUInt64(value),
            bitOr(reinterpretAsUInt64(bitShiftRight(reinterpretAsInt64(value), 63)), 9223372036854775808)) AS ordered
    FROM runstream_shard.point
);
