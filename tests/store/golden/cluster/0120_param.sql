-- Hyperparameters (events/param.avsc). The key holds rank and attempt, so that deleting one attempt brings back what
-- another had set; views take the latest by (time, rank).
CREATE TABLE IF NOT EXISTS runstream_shard.landing_param ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    key String,
    kind String,
    value String,
    number Nullable(Float64),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT key_not_empty CHECK notEmpty(key),
    CONSTRAINT kind_known CHECK kind IN ('null', 'bool', 'int', 'float', 'str', 'json'),
    CONSTRAINT text_utf8 CHECK isValidUTF8(key) AND isValidUTF8(value)
)
ENGINE = Null;

-- Hyperparameters (events/param.avsc). The key holds rank and attempt, so that deleting one attempt brings back what
-- another had set; views take the latest by (time, rank).
CREATE TABLE IF NOT EXISTS runstream_probe.landing_param ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    key String,
    kind String,
    value String,
    number Nullable(Float64),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT key_not_empty CHECK notEmpty(key),
    CONSTRAINT kind_known CHECK kind IN ('null', 'bool', 'int', 'float', 'str', 'json'),
    CONSTRAINT text_utf8 CHECK isValidUTF8(key) AND isValidUTF8(value)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_param ON CLUSTER 'fleet' AS runstream_shard.landing_param
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_param', […][cityHash64(run_id) % 1024 + 1]);

CREATE TABLE IF NOT EXISTS runstream_shard.param ON CLUSTER 'fleet'
(
    run_id UUID,
    key LowCardinality(String),
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    kind LowCardinality(String),
    value String CODEC(ZSTD(1)),
    number Nullable(Float64)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/param', '{replica}', time)
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, key, rank, attempt);

CREATE TABLE IF NOT EXISTS runstream_probe.param ON CLUSTER 'fleet'
(
    run_id UUID,
    key LowCardinality(String),
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    kind LowCardinality(String),
    value String CODEC(ZSTD(1)),
    number Nullable(Float64)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.param_from_landing ON CLUSTER 'fleet' TO runstream_shard.param AS
SELECT run_id, key, toUInt32(rank) AS rank, attempt, fromUnixTimestamp64Micro(time, 'UTC') AS time, kind, value, number
FROM (SELECT * FROM runstream_shard.landing_param);

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.param_from_landing ON CLUSTER 'fleet' TO runstream_probe.param AS
SELECT run_id, key, toUInt32(rank) AS rank, attempt, fromUnixTimestamp64Micro(time, 'UTC') AS time, kind, value, number
FROM (SELECT * FROM runstream_probe.landing_param);
