-- How findings are made and read. Whoever renews them (ingest: findings.py) copies what the views …_now say of the runs that are due:
-- these have the columns of their tables, in the same order, after read_at.

-- Runs of which something arrived since they were looked at, or a little before: an insert is visible only some time after its
-- moment of arrival, settle_us at most. A run that was running is due when anything arrived, because that may show that it is
-- lost; or at any time while an event is from the future, because the clock decides then.
CREATE OR REPLACE VIEW runstream_shard.due_run ON CLUSTER 'fleet' AS
WITH
toUnixTimestamp64Micro(now64(6, 'UTC')) AS present,
(SELECT (max(arrived), max(seen)) FROM runstream_shard.life) AS newest
SELECT run_id
FROM
(
    SELECT run_id, max(arrival) AS last_arrival
    FROM
    (
        SELECT run_id, arrived AS arrival FROM runstream_shard.life
        UNION ALL
        SELECT run_id, arrived FROM runstream_shard.deletion WHERE run_id IN (SELECT run_id FROM runstream_shard.life)
    )
    GROUP BY run_id
) AS known
LEFT JOIN (SELECT run_id, read_at, state FROM runstream_shard.run_finding FINAL) AS kept USING (run_id)
WHERE last_arrival >= ifNull(read_at, 0) - {settle_us:Int64}
    -- The clock was put back since.
    OR read_at > present
    OR (state = 'running' AND (newest.1 >= read_at - {settle_us:Int64} OR newest.2 > present));

CREATE OR REPLACE VIEW runstream.due_run ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.due_run(settle_us = {settle_us:Int64})));

CREATE OR REPLACE VIEW runstream_shard.run_finding_now ON CLUSTER 'fleet' AS
SELECT
    run_id,
    CAST(run_id IN (SELECT run_id FROM runstream_shard.amended_run) AS Bool) AS amended,
    ifNull(until, 0) AS until,
    found.* EXCEPT (run_id)
FROM (SELECT DISTINCT run_id FROM runstream_shard.life) AS known
LEFT JOIN runstream_shard.diagnosis_now AS found USING (run_id)
LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id);

CREATE OR REPLACE VIEW runstream.run_finding_now ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.run_finding_now));

-- Of amended runs only. Of what is in the table and not in the store any more nothing is found, which must be written as well.
CREATE OR REPLACE VIEW runstream_shard.summary_finding_now ON CLUSTER 'fleet' AS
SELECT metric, run_id, rank, ifNull(until, 0) AS until, first_step, lo, hi, last, first_nonfinite, nonfinite
FROM
(
    SELECT metric, run_id, rank FROM runstream_shard.series WHERE run_id IN (SELECT run_id FROM runstream_shard.amended_run)
    UNION DISTINCT
    SELECT metric, run_id, rank FROM runstream_shard.summary_finding
) AS known
LEFT JOIN runstream_shard.amended_summary USING (metric, run_id, rank)
LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id);

CREATE OR REPLACE VIEW runstream.summary_finding_now ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.summary_finding_now));

-- One row per run: the worst verdict that applied when the run was looked at, which is some seconds after its last event while a
-- worker is at work. A run in its first seconds has none yet, and one of which attempts were just deleted none for now.
CREATE OR REPLACE VIEW runstream_shard.diagnosis ON CLUSTER 'fleet' AS
SELECT finding.* EXCEPT (read_at, amended, until)
FROM runstream_shard.run_finding AS finding FINAL
LEFT JOIN (SELECT run_id, max(until) AS deleted FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id)
WHERE verdict != '' AND until = ifNull(deleted, 0);

CREATE OR REPLACE VIEW runstream.diagnosis ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.diagnosis));
