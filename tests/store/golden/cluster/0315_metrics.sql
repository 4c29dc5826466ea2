-- Which metrics each run has, without a look at their values.
CREATE OR REPLACE VIEW runstream_shard.metrics ON CLUSTER 'fleet' AS
SELECT run_id, metric
FROM runstream_shard.series
LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deletions USING (run_id)
WHERE attempt > ifNull(until, 0)
GROUP BY run_id, metric;

CREATE OR REPLACE VIEW runstream.metrics ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.metrics));
