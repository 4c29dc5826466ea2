-- Every visible point once: no duplicates, nothing superseded, nothing deleted.
-- Two halves, so that the usual run is read without a join; a filter reaches both.
CREATE OR REPLACE VIEW points AS
SELECT metric, run_id, rank, attempt, step, time, value
FROM point FINAL
WHERE run_id NOT IN (SELECT run_id FROM amended_run)
UNION ALL
SELECT metric, run_id, rank, attempt, step, time, value
FROM (SELECT * FROM point FINAL WHERE run_id IN (SELECT run_id FROM amended_run)) AS amended
INNER JOIN (SELECT metric, run_id, rank, attempt, superseded, cutoff FROM amended_series) AS visible
    USING (metric, run_id, rank, attempt)
WHERE NOT (superseded AND step >= cutoff);
