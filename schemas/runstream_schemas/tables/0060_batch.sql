-- One row per batch that arrived: which seqs are here, and how many points each held. It tells which batch is missing.
CREATE TABLE IF NOT EXISTS batch
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    seq Int64 CODEC(Delta, LZ4),
    points UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt, seq);

CREATE MATERIALIZED VIEW IF NOT EXISTS batch_from_landing TO batch AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    seq,
    arraySum(f -> length(tupleElement(f, 'steps')) * length(tupleElement(f, 'columns')), frames) AS points
FROM landing_metric;
