-- Events that the store refused, written by the ingest worker, so that the ledger adds up. What could not be decoded has
-- the run_id 00000000-0000-0000-0000-000000000000, seq -1 and no points. Replaying a refused message writes the same row.
CREATE TABLE IF NOT EXISTS runstream_shard.dead_letter ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seq Int64,
    event LowCardinality(String),
    points UInt64,
    error_code Int32,
    error String,
    origin String COMMENT 'Where the message came from: file and offset, or topic, partition and offset'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/dead_letter', '{replica}')
ORDER BY (run_id, rank, attempt, event, seq, origin);

CREATE TABLE IF NOT EXISTS runstream.dead_letter ON CLUSTER 'fleet' AS runstream_shard.dead_letter
ENGINE = Distributed('fleet', 'runstream_shard', 'dead_letter', […][cityHash64(run_id) % 1024 + 1]);
