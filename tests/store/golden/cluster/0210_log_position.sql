-- How far each file of a log directory has been read, written after the insert. Losing it costs a re-read, never data.
CREATE TABLE IF NOT EXISTS runstream_shard.log_position ON CLUSTER 'fleet'
(
    file String,
    offset UInt64,
    updated DateTime
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/log_position', '{replica}', offset)
ORDER BY file;

CREATE TABLE IF NOT EXISTS runstream.log_position ON CLUSTER 'fleet' AS runstream_shard.log_position
ENGINE = Distributed('fleet', 'runstream_shard', 'log_position', 0);
