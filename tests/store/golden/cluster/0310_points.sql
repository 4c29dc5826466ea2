-- Every visible point once: no duplicates, nothing superseded, nothing deleted.
-- Two halves, so that the usual run is read without a join; a filter reaches both.
CREATE OR REPLACE VIEW runstream_shard.points ON CLUSTER 'fleet' AS
SELECT metric, run_id, rank, attempt, step, time, value
FROM runstream_shard.point FINAL
WHERE run_id NOT IN (SELECT run_id FROM runstream_shard.amended_run)
UNION ALL
SELECT metric, run_id, rank, attempt, step, time, value
FROM (SELECT * FROM runstream_shard.point FINAL WHERE run_id IN (SELECT run_id FROM runstream_shard.amended_run)) AS amended
INNER JOIN (SELECT metric, run_id, rank, attempt, superseded, cutoff FROM runstream_shard.amended_series) AS visible
    USING (metric, run_id, rank, attempt)
WHERE NOT (superseded AND step >= cutoff);

CREATE OR REPLACE VIEW runstream.points ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.points));
