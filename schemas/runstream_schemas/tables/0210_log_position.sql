-- How far each file of a log directory has been read, written after the insert. Losing it costs a re-read, never data.
CREATE TABLE IF NOT EXISTS log_position
(
    file String,
    offset UInt64,
    updated DateTime
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY file;
