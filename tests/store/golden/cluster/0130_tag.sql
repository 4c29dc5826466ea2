-- Tags (events/tag.avsc), among them the reserved key runstream.deleted, whose value is a time in microseconds.
CREATE TABLE IF NOT EXISTS runstream_shard.landing_tag ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    key String,
    value String,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT key_not_empty CHECK notEmpty(key),
    -- A deletion that cannot be read would silently delete nothing.
    CONSTRAINT deletion_is_a_time CHECK key != 'runstream.deleted' OR toInt64OrNull(value) IS NOT NULL,
    CONSTRAINT text_utf8 CHECK isValidUTF8(key) AND isValidUTF8(value)
)
ENGINE = Null;

-- Tags (events/tag.avsc), among them the reserved key runstream.deleted, whose value is a time in microseconds.
CREATE TABLE IF NOT EXISTS runstream_probe.landing_tag ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    key String,
    value String,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT key_not_empty CHECK notEmpty(key),
    -- A deletion that cannot be read would silently delete nothing.
    CONSTRAINT deletion_is_a_time CHECK key != 'runstream.deleted' OR toInt64OrNull(value) IS NOT NULL,
    CONSTRAINT text_utf8 CHECK isValidUTF8(key) AND isValidUTF8(value)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_tag ON CLUSTER 'fleet' AS runstream_shard.landing_tag
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_tag', […][cityHash64(run_id) % 1024 + 1]);

CREATE TABLE IF NOT EXISTS runstream_shard.tag ON CLUSTER 'fleet'
(
    run_id UUID,
    key LowCardinality(String),
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    value String CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/tag', '{replica}', time)
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, key, rank, attempt);

CREATE TABLE IF NOT EXISTS runstream_probe.tag ON CLUSTER 'fleet'
(
    run_id UUID,
    key LowCardinality(String),
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    value String CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.tag_from_landing ON CLUSTER 'fleet' TO runstream_shard.tag AS
SELECT run_id, key, toUInt32(rank) AS rank, attempt, fromUnixTimestamp64Micro(time, 'UTC') AS time, value
FROM (SELECT * FROM runstream_shard.landing_tag);

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.tag_from_landing ON CLUSTER 'fleet' TO runstream_probe.tag AS
SELECT run_id, key, toUInt32(rank) AS rank, attempt, fromUnixTimestamp64Micro(time, 'UTC') AS time, value
FROM (SELECT * FROM runstream_probe.landing_tag);

-- Attempts of a run that began at or before `until` (microseconds) are deleted. A table of its own, since every view asks it.
-- max: of several deletions the latest holds, in whatever order and however often they arrive.
CREATE TABLE IF NOT EXISTS runstream_shard.deletion ON CLUSTER 'fleet'
(
    run_id UUID,
    until SimpleAggregateFunction(max, Int64),
    arrived SimpleAggregateFunction(max, Int64) DEFAULT toUnixTimestamp64Micro(now64(6, 'UTC'))
        COMMENT 'when the store got it, by the clock of the store, microseconds'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/runstream_shard/deletion', '{replica}')
ORDER BY run_id;

-- Attempts of a run that began at or before `until` (microseconds) are deleted. A table of its own, since every view asks it.
-- max: of several deletions the latest holds, in whatever order and however often they arrive.
CREATE TABLE IF NOT EXISTS runstream_probe.deletion ON CLUSTER 'fleet'
(
    run_id UUID,
    until SimpleAggregateFunction(max, Int64),
    arrived SimpleAggregateFunction(max, Int64) DEFAULT toUnixTimestamp64Micro(now64(6, 'UTC'))
        COMMENT 'when the store got it, by the clock of the store, microseconds'
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.deletion_from_landing ON CLUSTER 'fleet' TO runstream_shard.deletion AS
SELECT run_id, max(toInt64OrZero(value)) AS until
FROM runstream_shard.landing_tag
WHERE key = 'runstream.deleted'
GROUP BY run_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.deletion_from_landing ON CLUSTER 'fleet' TO runstream_probe.deletion AS
SELECT run_id, max(toInt64OrZero(value)) AS until
FROM runstream_probe.landing_tag
WHERE key = 'runstream.deleted'
GROUP BY run_id;
