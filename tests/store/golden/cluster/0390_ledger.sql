-- Whether everything that was logged is here, per attempt of a rank: logged = queued + dropped (by reason), and
-- queued = stored + dead_lettered + pending. logged, queued, dropped and last_seq are the sender's own counters.
-- One UNION ALL grouped by the key, not joins: a filter on run_id then reaches every table.
-- stored counts distinct points, so a batch delivered twice counts once. A dead letter that was stored later does not count.
CREATE OR REPLACE VIEW runstream_shard.ledger ON CLUSTER 'fleet' AS
SELECT
    run_id,
    rank,
    attempt,
    toUInt32(number) AS number,
    logged,
    queued,
    stored,
    dead_lettered,
    queued - stored - dead_lettered AS pending,
    dropped,
    last_seq,
    missing_seqs,
    final,
    multiIf(
        NOT final OR pending < 0, 'unknown',
        pending = 0 AND dead_lettered = 0 AND empty(missing_seqs), 'complete',
        -- A later batch is here, or all are, and points lack nevertheless or were refused: waiting will not help.
        empty(missing_seqs) OR missing_seqs[1] < newest_seq, 'missing',
        'pending') AS verdict
FROM
(
    SELECT
        *,
        row_number() OVER (PARTITION BY run_id, rank ORDER BY attempt) AS number,
        toInt64(arraySum((seq, points) -> if(has(stored_seqs, seq), 0, points), dead.1, dead.2)) AS dead_lettered,
        arraySort(arrayDistinct(arrayConcat(stored_seqs, dead.1))) AS seqs,
        if(empty(seqs), -1, seqs[-1]) AS newest_seq,
        -- The gaps between neighbouring seqs; the first 100 missing ones name the trouble well enough.
        arraySlice(arrayFlatten(arrayMap(
            (before, after) -> range(before + 1, least(after, before + 101)),
            arrayPushFront(seqs, -1),
            arrayPushBack(seqs, greatest(last_seq, newest_seq) + 1))), 1, 100) AS missing_seqs
    FROM
    (
        SELECT
            run_id, rank, attempt,
            sum(logged) AS logged,
            sum(queued) AS queued,
            sum(stored) AS stored,
            maxMap(dropped) AS dropped,
            max(last_seq) AS last_seq,
            max(final) AS final,
            arrayFlatten(groupArray(seqs)) AS stored_seqs,
            maxMap(dead) AS dead
        FROM
        (
            SELECT
                run_id, rank, attempt, logged, queued, toInt64(0) AS stored, dropped, last_seq, final,
                CAST([], 'Array(Int64)') AS seqs,
                CAST(([], []), 'Tuple(Array(Int64), Array(UInt64))') AS dead
            FROM runstream_shard.status FINAL
            UNION ALL
            SELECT
                run_id, rank, attempt, 0, 0, 0, CAST(map(), 'Map(String, Int64)'), -1, false,
                [], CAST(([], []), 'Tuple(Array(Int64), Array(UInt64))')
            FROM runstream_shard.run
            UNION ALL
            SELECT
                run_id, rank, attempt, 0, 0, toInt64(count()), CAST(map(), 'Map(String, Int64)'), -1, false,
                [], CAST(([], []), 'Tuple(Array(Int64), Array(UInt64))')
            FROM runstream_shard.point FINAL
            GROUP BY run_id, rank, attempt
            UNION ALL
            SELECT
                run_id, rank, attempt, 0, 0, 0, CAST(map(), 'Map(String, Int64)'), -1, false,
                groupUniqArray(seq), CAST(([], []), 'Tuple(Array(Int64), Array(UInt64))')
            FROM runstream_shard.batch
            GROUP BY run_id, rank, attempt
            UNION ALL
            SELECT
                run_id, rank, attempt, 0, 0, 0, CAST(map(), 'Map(String, Int64)'), -1, false,
                [], CAST(([seq], [points]), 'Tuple(Array(Int64), Array(UInt64))')
            FROM runstream_shard.dead_letter FINAL
            WHERE event = 'metric' AND seq >= 0
        )
        GROUP BY run_id, rank, attempt
    )
) AS counted
LEFT JOIN (SELECT run_id, max(until) AS until FROM runstream_shard.deletion GROUP BY run_id) AS deleted USING (run_id)
WHERE attempt > ifNull(until, 0);

CREATE OR REPLACE VIEW runstream.ledger ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.ledger));
