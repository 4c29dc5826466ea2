-- The code, the packages and the machine of every rank, from its newest attempt.
CREATE OR REPLACE VIEW environment AS
SELECT
    run_id, host, node, rank, commit, branch, remote, dirty, diff, untracked, packages, packages_hash, environment, command
FROM run FINAL
LEFT JOIN (SELECT run_id, max(until) AS until FROM deletion GROUP BY run_id) AS deleted USING (run_id)
WHERE attempt > ifNull(until, 0)
ORDER BY attempt DESC
LIMIT 1 BY run_id, rank;
