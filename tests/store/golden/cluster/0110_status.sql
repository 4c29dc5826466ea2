-- Heartbeats and ends (events/status.avsc). Only the newest of an attempt matters: its counters are running totals.
CREATE TABLE IF NOT EXISTS runstream_shard.landing_status ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    state String,
    final Bool,
    last_step Nullable(Int64),
    error String,
    logged Int64,
    queued Int64,
    dropped Map(String, Int64),
    last_seq Int64,
    crash_safe Bool,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT state_known CHECK state IN ('running', 'finished', 'failed', 'killed', 'lost'),
    CONSTRAINT text_utf8 CHECK isValidUTF8(error) AND arrayAll(k -> isValidUTF8(k), mapKeys(dropped))
)
ENGINE = Null;

-- Heartbeats and ends (events/status.avsc). Only the newest of an attempt matters: its counters are running totals.
CREATE TABLE IF NOT EXISTS runstream_probe.landing_status ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    state String,
    final Bool,
    last_step Nullable(Int64),
    error String,
    logged Int64,
    queued Int64,
    dropped Map(String, Int64),
    last_seq Int64,
    crash_safe Bool,

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT state_known CHECK state IN ('running', 'finished', 'failed', 'killed', 'lost'),
    CONSTRAINT text_utf8 CHECK isValidUTF8(error) AND arrayAll(k -> isValidUTF8(k), mapKeys(dropped))
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_status ON CLUSTER 'fleet' AS runstream_shard.landing_status
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_status', […][cityHash64(run_id) % 1024 + 1]);

CREATE TABLE IF NOT EXISTS runstream_shard.status ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    state LowCardinality(String),
    final Bool,
    last_step Nullable(Int64),
    error String,
    logged Int64,
    queued Int64,
    dropped Map(String, Int64),
    last_seq Int64,
    crash_safe Bool
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/status', '{replica}', time)
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt);

CREATE TABLE IF NOT EXISTS runstream_probe.status ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    state LowCardinality(String),
    final Bool,
    last_step Nullable(Int64),
    error String,
    logged Int64,
    queued Int64,
    dropped Map(String, Int64),
    last_seq Int64,
    crash_safe Bool
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.status_from_landing ON CLUSTER 'fleet' TO runstream_shard.status AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    state, final, last_step, error, logged, queued, dropped, last_seq, crash_safe
FROM (SELECT * FROM runstream_shard.landing_status);

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.status_from_landing ON CLUSTER 'fleet' TO runstream_probe.status AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    state, final, last_step, error, logged, queued, dropped, last_seq, crash_safe
FROM (SELECT * FROM runstream_probe.landing_status);
