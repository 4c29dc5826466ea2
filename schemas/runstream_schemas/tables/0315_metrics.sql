-- Which metrics each run has, without a look at their values.
CREATE OR REPLACE VIEW metrics AS
SELECT run_id, metric
FROM series
LEFT JOIN (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deletions USING (run_id)
WHERE attempt > ifNull(until, 0)
GROUP BY run_id, metric;
