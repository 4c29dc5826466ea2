-- What was set on a run: hyperparameters and tags. A later one of the same key, by (time, rank), replaces an earlier one.
CREATE OR REPLACE VIEW runstream_shard.params ON CLUSTER 'fleet' AS
SELECT
    run_id,
    key,
    latest.1 AS kind,
    latest.2 AS value,
    -- Strings without their quotes, all else as it stands.
    if(kind = 'str', JSONExtractString(value), value) AS text,
    latest.3 AS number,
    fromUnixTimestamp64Micro(place.1, 'UTC') AS time,
    place.2 AS rank
FROM
(
    SELECT
        run_id, key,
        max((toUnixTimestamp64Micro(time), rank, attempt)) AS place,
        argMax((toString(kind), value, number), (toUnixTimestamp64Micro(time), rank, attempt)) AS latest
    FROM runstream_shard.param FINAL
    LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deleted USING (run_id)
    WHERE attempt > ifNull(until, 0)
    GROUP BY run_id, key
);

CREATE OR REPLACE VIEW runstream.params ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.params));

-- Reserved keys, those that begin with runstream., are not the user's tags.
CREATE OR REPLACE VIEW runstream_shard.tags ON CLUSTER 'fleet' AS
SELECT
    run_id,
    key,
    latest AS value,
    fromUnixTimestamp64Micro(place.1, 'UTC') AS time,
    place.2 AS rank
FROM
(
    SELECT
        run_id, key,
        max((toUnixTimestamp64Micro(time), rank, attempt)) AS place,
        argMax(value, (toUnixTimestamp64Micro(time), rank, attempt)) AS latest
    FROM runstream_shard.tag FINAL
    LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deleted USING (run_id)
    WHERE attempt > ifNull(until, 0) AND NOT startsWith(key, 'runstream.')
    GROUP BY run_id, key
);

CREATE OR REPLACE VIEW runstream.tags ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.tags));
