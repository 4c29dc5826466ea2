-- The start of each attempt of each rank (events/run.avsc).
CREATE TABLE IF NOT EXISTS runstream_shard.landing_run ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    experiment String,
    name String,
    user String,
    world_size Int32,
    local_rank Int32,
    node Int32,
    job_id String,
    host String,
    pid Int32,
    device String,
    resume String,
    start_step Nullable(Int64),
    crash_safe Bool,
    code Tuple(commit String, branch String, remote String, dirty Bool, diff String, untracked Array(String)),
    packages Array(String),
    packages_hash String,
    environment Map(String, String),
    command Array(String),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT world_size_not_negative CHECK world_size >= 0,
    CONSTRAINT text_utf8 CHECK isValidUTF8(experiment) AND isValidUTF8(name) AND isValidUTF8(user) AND isValidUTF8(job_id)
        AND isValidUTF8(host) AND isValidUTF8(device) AND isValidUTF8(resume) AND isValidUTF8(packages_hash),
    CONSTRAINT code_utf8 CHECK isValidUTF8(tupleElement(code, 'commit')) AND isValidUTF8(tupleElement(code, 'branch'))
        AND isValidUTF8(tupleElement(code, 'remote')) AND isValidUTF8(tupleElement(code, 'diff'))
        AND arrayAll(u -> isValidUTF8(u), tupleElement(code, 'untracked')),
    CONSTRAINT environment_utf8 CHECK arrayAll(p -> isValidUTF8(p), packages) AND arrayAll(c -> isValidUTF8(c), command)
        AND arrayAll(k -> isValidUTF8(k), mapKeys(environment)) AND arrayAll(v -> isValidUTF8(v), mapValues(environment))
)
ENGINE = Null;

-- The start of each attempt of each rank (events/run.avsc).
CREATE TABLE IF NOT EXISTS runstream_probe.landing_run ON CLUSTER 'fleet'
(
    run_id UUID,
    rank Int32,
    attempt Int64,
    time Int64,
    experiment String,
    name String,
    user String,
    world_size Int32,
    local_rank Int32,
    node Int32,
    job_id String,
    host String,
    pid Int32,
    device String,
    resume String,
    start_step Nullable(Int64),
    crash_safe Bool,
    code Tuple(commit String, branch String, remote String, dirty Bool, diff String, untracked Array(String)),
    packages Array(String),
    packages_hash String,
    environment Map(String, String),
    command Array(String),

    CONSTRAINT rank_not_negative CHECK rank >= 0,
    CONSTRAINT attempt_in_range CHECK attempt >= 1577836800000000 AND attempt < 4102444800000000,
    CONSTRAINT time_in_range CHECK time >= 0 AND time < 4102444800000000,
    CONSTRAINT world_size_not_negative CHECK world_size >= 0,
    CONSTRAINT text_utf8 CHECK isValidUTF8(experiment) AND isValidUTF8(name) AND isValidUTF8(user) AND isValidUTF8(job_id)
        AND isValidUTF8(host) AND isValidUTF8(device) AND isValidUTF8(resume) AND isValidUTF8(packages_hash),
    CONSTRAINT code_utf8 CHECK isValidUTF8(tupleElement(code, 'commit')) AND isValidUTF8(tupleElement(code, 'branch'))
        AND isValidUTF8(tupleElement(code, 'remote')) AND isValidUTF8(tupleElement(code, 'diff'))
        AND arrayAll(u -> isValidUTF8(u), tupleElement(code, 'untracked')),
    CONSTRAINT environment_utf8 CHECK arrayAll(p -> isValidUTF8(p), packages) AND arrayAll(c -> isValidUTF8(c), command)
        AND arrayAll(k -> isValidUTF8(k), mapKeys(environment)) AND arrayAll(v -> isValidUTF8(v), mapValues(environment))
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS runstream.landing_run ON CLUSTER 'fleet' AS runstream_shard.landing_run
ENGINE = Distributed('fleet', 'runstream_shard', 'landing_run', […][cityHash64(run_id) % 1024 + 1]);

-- Of two run events of one attempt the later one holds: the version is the event's own time, so a replay decides nothing.
CREATE TABLE IF NOT EXISTS runstream_shard.run ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    experiment String,
    name String,
    user String,
    world_size UInt32,
    local_rank Int32,
    node Int32,
    job_id String,
    host String,
    pid Int32,
    device String,
    resume LowCardinality(String),
    start_step Nullable(Int64),
    crash_safe Bool,
    commit String,
    branch String,
    remote String,
    dirty Bool,
    diff String CODEC(ZSTD(1)),
    untracked Array(String) CODEC(ZSTD(1)),
    packages Array(String) CODEC(ZSTD(1)),
    packages_hash String,
    environment Map(String, String) CODEC(ZSTD(1)),
    command Array(String) CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/runstream_shard/run', '{replica}', time)
PARTITION BY toYYYYMM(toDateTime(intDiv(attempt, 1000000), 'UTC'))
ORDER BY (run_id, rank, attempt);

-- Of two run events of one attempt the later one holds: the version is the event's own time, so a replay decides nothing.
CREATE TABLE IF NOT EXISTS runstream_probe.run ON CLUSTER 'fleet'
(
    run_id UUID,
    rank UInt32,
    attempt Int64,
    time DateTime64(6, 'UTC'),
    experiment String,
    name String,
    user String,
    world_size UInt32,
    local_rank Int32,
    node Int32,
    job_id String,
    host String,
    pid Int32,
    device String,
    resume LowCardinality(String),
    start_step Nullable(Int64),
    crash_safe Bool,
    commit String,
    branch String,
    remote String,
    dirty Bool,
    diff String CODEC(ZSTD(1)),
    untracked Array(String) CODEC(ZSTD(1)),
    packages Array(String) CODEC(ZSTD(1)),
    packages_hash String,
    environment Map(String, String) CODEC(ZSTD(1)),
    command Array(String) CODEC(ZSTD(1))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_shard.run_from_landing ON CLUSTER 'fleet' TO runstream_shard.run AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    experiment, name, user,
    toUInt32(world_size) AS world_size,
    local_rank, node, job_id, host, pid, device, resume, start_step, crash_safe,
    tupleElement(code, 'commit') AS commit,
    tupleElement(code, 'branch') AS branch,
    tupleElement(code, 'remote') AS remote,
    tupleElement(code, 'dirty') AS dirty,
    tupleElement(code, 'diff') AS diff,
    tupleElement(code, 'untracked') AS untracked,
    packages, packages_hash, environment, command
FROM
(
    -- Columns under their event's names: an alias of the outer SELECT would otherwise hide the column it is made from.
    SELECT * FROM runstream_shard.landing_run
);

CREATE MATERIALIZED VIEW IF NOT EXISTS runstream_probe.run_from_landing ON CLUSTER 'fleet' TO runstream_probe.run AS
SELECT
    run_id,
    toUInt32(rank) AS rank,
    attempt,
    fromUnixTimestamp64Micro(time, 'UTC') AS time,
    experiment, name, user,
    toUInt32(world_size) AS world_size,
    local_rank, node, job_id, host, pid, device, resume, start_step, crash_safe,
    tupleElement(code, 'commit') AS commit,
    tupleElement(code, 'branch') AS branch,
    tupleElement(code, 'remote') AS remote,
    tupleElement(code, 'dirty') AS dirty,
    tupleElement(code, 'diff') AS diff,
    tupleElement(code, 'untracked') AS untracked,
    packages, packages_hash, environment, command
FROM
(
    -- Columns under their event's names: an alias of the outer SELECT would otherwise hide the column it is made from.
    SELECT * FROM runstream_probe.landing_run
);
