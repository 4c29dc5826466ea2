-- Findings: what takes a look at all series of a run, and is kept because views would take too long to find it out for thousands of
-- runs. They are the run's diagnosis and, if a later attempt or a deletion hides some of it, the summaries of its metrics. The
-- ingest worker writes them anew after something of the run arrived (0440_finding.sql). All of it follows from the other tables:
-- whoever empties these two gets the same again.

-- One row per run.
CREATE TABLE IF NOT EXISTS run_finding
(
    read_at Int64 COMMENT 'when the run was looked at, by the clock of the store, microseconds',
    run_id UUID,
    amended Bool COMMENT 'its summaries are in summary_finding',
    until Int64 COMMENT 'its deletion, as far as it was known then; none: 0',
    verdict String COMMENT 'empty for a deleted run',
    detail String,
    state String,
    train_metric String,
    val_metric String,
    train_level Nullable(Float64),
    train_change Nullable(Float64),
    val_level Nullable(Float64),
    val_change Nullable(Float64),
    val_min Nullable(Float64),
    val_min_step Nullable(Int64),
    val_rise Nullable(Float64),
    train_fall Nullable(Float64),
    overfitting_step Nullable(Int64),
    overfitting_train_step Nullable(Int64),
    diverged_metric String,
    diverged_step Nullable(Int64),
    quiet_s Float64,
    silent_rank Nullable(UInt32),
    slowest_rank Nullable(UInt32),
    slowest_factor Nullable(Float64)
)
ENGINE = ReplacingMergeTree(read_at)
ORDER BY run_id;

-- One row per (metric, run, rank) of an amended run, packed as rollup_frame says; of one that is hidden altogether last and
-- nonfinite are 0.
CREATE TABLE IF NOT EXISTS summary_finding
(
    read_at Int64,
    metric LowCardinality(String),
    run_id UUID,
    rank UInt32,
    until Int64,
    first_step Int64,
    lo UInt128,
    hi UInt128,
    last UInt256,
    first_nonfinite UInt128,
    nonfinite UInt8
)
ENGINE = ReplacingMergeTree(read_at)
ORDER BY (metric, run_id, rank);
