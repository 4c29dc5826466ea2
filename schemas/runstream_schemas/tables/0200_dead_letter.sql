-- Events that the store refused, written by the ingest worker, so that the ledger adds up. What could not be decoded has
-- the run_id 00000000-0000-0000-0000-000000000000, seq -1 and no points. Replaying a refused message writes the same row.
CREATE TABLE IF NOT EXISTS dead_letter
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
ENGINE = ReplacingMergeTree
ORDER BY (run_id, rank, attempt, event, seq, origin);
