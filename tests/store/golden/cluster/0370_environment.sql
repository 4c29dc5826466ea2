-- The code, the packages and the machine of every rank, from its newest attempt.
CREATE OR REPLACE VIEW runstream_shard.environment ON CLUSTER 'fleet' AS
SELECT
    run_id, host, node, rank, commit, branch, remote, dirty, diff, untracked, packages, packages_hash, environment, command
FROM runstream_shard.run FINAL
LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deleted USING (run_id)
WHERE attempt > ifNull(until, 0)
ORDER BY attempt DESC
LIMIT 1 BY run_id, rank;

CREATE OR REPLACE VIEW runstream.environment ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.environment));
