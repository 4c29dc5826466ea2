-- Artifacts (events/artifact.avsc).
CREATE TABLE IF NOT EXISTS runstream_shard.landing_artifact ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    name String,
    type String,
    uri String,
    size Nullable(Int64),
    sha256 String,
    step Nullable(Int64),
    metadata String,
    aliases Array(String),
    state String,
    error String,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT name_not_empty CHECK notEmpty(name),
    CONSTRAINT state_known CHECK state IN ('stored', 'referenced', 'failed'),
    CONSTRAINT size_not_negative CHECK ifNull(size, 0) >= 0,
    CONSTRAINT text_utf8 CHECK isValidUTF8(name) AND isValidUTF8(type) AND isValidUTF8(uri) AND isValidUTF8(sha256)
        AND isValidUTF8(metadata) AND isValidUTF8(error) AND arrayAll(a -> isValidUTF8(a), aliases)
)
ENGINE = Null;

-- Artifacts (events/artifact.avsc).
CREATE TABLE IF NOT EXISTS runstream_probe.landing_artifact ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    name String,
    type String,
    uri String,
    size Nullable(Int64),
    sha256 String,
    step Nullable(Int64),
    metadata String,
    aliases Array(String),
    state String,
    error String,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT name_not_empty CHECK notEmpty(name),
    CONSTRAINT state_known CHECK state IN ('stored', 'referenced', 'failed'),
    CONSTRAINT size_not_negative CHECK ifNull(size, 0) >= 0,
    CONSTRAINT text_utf8 CHECK isValidUTF8(name) AND isValidUTF8(type) AND isValidUTF8(uri) AND isValidUTF8(sha256)
        AND isValidUTF8(metadata) AND isValidUTF8(error) AND arrayAll(a -> isValidUTF8(a), aliases)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_artifact ON CLUSTER 'fleet' AS runstream_shard.landing_artifact
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_artifact', […][cityHash64(run_id) % 1024 + 1]);

-- A failed upload may be completed later under the same time (the moment of log_artifact): the version lets success win
-- in whatever order the two events arrive.
CREATE TABLE IF NOT EXISTS runstream_shard.artifact ON CLUSTER 'fleet'
(
    run_id UUID,
    name String,
    time DateTime64(6, 'UTC'),
    rank UInt32,
    attempt Int64,
    type LowCardinality(String),
    uri String CODEC(ZSTD(1)),
    size Nullable(UInt64),
    sha256 String CODEC(ZSTD(1)),
    step Nullable(Int64),
    metadata String CODEC(ZSTD(1)),
    aliases Array(String),
    state LowCardinality(String),
    error String CODEC(ZSTD(1)),
    complete UInt8
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/artifact', '{replica}', complete)
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, name, time, rank, attempt);

-- A failed upload may be completed later under the same time (the moment of log_artifact): the version lets success win
-- in whatever order the two events arrive.
CREATE TABLE IF NOT EXISTS runstream_probe.artifact ON CLUSTER 'fleet'
(
    run_id UUID,
    name String,
    time DateTime64(6, 'UTC'),
    rank UInt32,
    attempt Int64,
    type LowCardinality(String),
    uri String CODEC(ZSTD(1)),
    size Nullable(UInt64),
    sha256 String CODEC(ZSTD(1)),
    step Nullable(Int64),
    metadata String CODEC(ZSTD(1)),
    aliases Array(String),
    state LowCardinality(String),
    error String CODEC(ZSTD(1)),
    complete UInt8
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.artifact_from_landing ON CLUSTER 'fleet' TO runstream_shard.artifact AS
SELECT
    run_id, name,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    toUInt32(rank) AS rank,
    attempt, type, uri,
    CAST(size AS Nullable(UInt64)) AS size,
    sha256, step, metadata, aliases, state, error,
    state != 'failed' AS complete
FROM (SELECT * FROM runstream_shard.landing_artifact);

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.artifact_from_landing ON CLUSTER 'fleet' TO runstream_probe.artifact AS
SELECT
    run_id, name,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    toUInt32(rank) AS rank,
    attempt, type, uri,
    CAST(size AS Nullable(UInt64)) AS size,
    sha256, step, metadata, aliases, state, error,
    state != 'failed' AS complete
FROM (SELECT * FROM runstream_probe.landing_artifact);
