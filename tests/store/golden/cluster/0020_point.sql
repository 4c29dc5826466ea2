-- Every point, once per identity. Same identity means same value, so it does not matter which duplicate survives.
-- metric leads the key because a chart reads one metric of many runs. The partition is a function of the identity, never of
-- arrival: duplicates always meet in one partition, and months without live attempts stay merged.
-- step: Delta, LZ4 takes 0.04 bytes and is the fastest to read; time: microseconds with jitter; value: ZSTD(1) was the
-- smallest codec that is smallest for no single kind of metric but good for all.
CREATE TABLE IF NOT EXISTS runstream_shard.point ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    step Int64 CODEC(Delta, LZ4),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/point', '{replica}')
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (metric, run_id, rank, attempt, step, time)
-- Where a later attempt supersedes an earlier one, a few points of each of thousands of series are read: with the default of
-- 8192 rows that is most of the metric. 60 bytes of index per 1024 points is 60 MB for a thousand million.
SETTINGS index_granularity = 1024;

-- Every point, once per identity. Same identity means same value, so it does not matter which duplicate survives.
-- metric leads the key because a chart reads one metric of many runs. The partition is a function of the identity, never of
-- arrival: duplicates always meet in one partition, and months without live attempts stay merged.
-- step: Delta, LZ4 takes 0.04 bytes and is the fastest to read; time: microseconds with jitter; value: ZSTD(1) was the
-- smallest codec that is smallest for no single kind of metric but good for all.
CREATE TABLE IF NOT EXISTS runstream_probe.point ON CLUSTER 'fleet'
(
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    attempt Int64,
    step Int64 CODEC(Delta, LZ4),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1))
)
ENGINE = Null;

-- Two plain ARRAY JOINs: frames are column-major, so unfolding copies nothing that it need not.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.point_from_landing ON CLUSTER 'fleet' TO runstream_shard.point AS
SELECT
    metric,
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    step,
    fromUnixTimestamp64Micro(us, 'UTC') AS time,
    value
FROM
(
    SELECT
        run_id, rank, attempt, steps, times,
        tupleElement(column, 'metric') AS metric,
        tupleElement(column, 'values') AS values
    FROM
    (
        SELECT
            run_id, rank, attempt,
            tupleElement(frame, 'steps') AS steps,
            tupleElement(frame, 'times') AS times,
            tupleElement(frame, 'columns') AS columns
        FROM runstream_shard.landing_metric
        ARRAY JOIN frames AS frame
    )
    ARRAY JOIN columns AS column
)
ARRAY JOIN steps AS step, times AS us, values AS value;

-- Two plain ARRAY JOINs: frames are column-major, so unfolding copies nothing that it need not.
CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.point_from_landing ON CLUSTER 'fleet' TO runstream_probe.point AS
SELECT
    metric,
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    step,
    fromUnixTimestamp64Micro(us, 'UTC') AS time,
    value
FROM
(
    SELECT
        run_id, rank, attempt, steps, times,
        tupleElement(column, 'metric') AS metric,
        tupleElement(column, 'values') AS values
    FROM
    (
        SELECT
            run_id, rank, attempt,
            tupleElement(frame, 'steps') AS steps,
            tupleElement(frame, 'times') AS times,
            tupleElement(frame, 'columns') AS columns
        FROM runstream_probe.landing_metric
        ARRAY JOIN frames AS frame
    )
    ARRAY JOIN columns AS column
)
ARRAY JOIN steps AS step, times AS us, values AS value;
