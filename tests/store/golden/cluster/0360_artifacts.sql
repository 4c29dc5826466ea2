-- Artifacts with their versions and the aliases that still point to them: an alias belongs to the latest version of a name
-- that carries it. A failed upload keeps its version but takes no alias away from an artifact that exists.
CREATE OR REPLACE VIEW runstream_shard.artifacts ON CLUSTER 'fleet' AS
SELECT
    run_id,
    name,
    toUInt32(number) AS version,
    type,
    uri,
    size,
    sha256,
    step,
    time,
    metadata,
    arrayFilter(
        alias -> state != 'failed' AND NOT arrayExists(other -> other.1 > number AND has(other.2, alias), carriers),
        arrayDistinct(aliases)) AS aliases,
    state,
    error,
    rank,
    attempt
FROM
(
    SELECT
        *,
        groupArray((number, if(state = 'failed', [], aliases))) OVER (PARTITION BY run_id, name) AS carriers
    FROM
    (
        SELECT
            run_id, name, time, rank, attempt, type, uri, size, sha256, step, metadata, aliases, state, error,
            row_number() OVER (PARTITION BY run_id, name ORDER BY time, rank, attempt) AS number
        FROM runstream_shard.artifact FINAL
        LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deleted USING (run_id)
        WHERE attempt > ifNull(until, 0)
    )
);

CREATE OR REPLACE VIEW runstream.artifacts ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.artifacts));

CREATE OR REPLACE VIEW runstream_shard.models ON CLUSTER 'fleet' AS
SELECT
    run_id, experiment, run_name, name, version, type, uri, size, sha256, step, time, metadata, aliases, state, error,
    rank, attempt
FROM (SELECT * FROM runstream_shard.artifacts WHERE type IN ('model', 'checkpoint')) AS found
LEFT JOIN
(
    SELECT run_id, argMin(experiment, (rank, -attempt)) AS experiment, argMin(name, (rank, -attempt)) AS run_name
    FROM runstream_shard.run FINAL
    GROUP BY run_id
) AS named USING (run_id);

CREATE OR REPLACE VIEW runstream.models ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.models));
