-- What the curves and the ranks of every run say about it. docs/diagnosis.md explains each rule.

-- One row per run: the worst verdict that applies, found out at this moment. The view diagnosis has the findings.
--
-- A quarter is a quarter of a curve's samples. A change is relative to the level that it starts from.
CREATE OR REPLACE VIEW runstream_shard.diagnosis_now ON CLUSTER 'fleet' AS
WITH
-- Samples without which a curve is not judged: six give the three third differences from which noise can be told.
6 AS least_samples,
-- Share by which a quarter must lie below the one before to be better: a hundredth is what people call flat.
0.01 AS least_change,
-- Standard errors by which two medians must differ to differ at all: 2.3 % of flat curves fall so by chance.
2 AS least_errors,
-- Standard error of the difference of two medians of n samples of normal noise: sqrt(2) * sqrt(pi / 2) deviations by sqrt(n).
1.77 AS median_error,
-- Share by which a loss must rise to be worse: smaller rises of a validation loss come and go.
0.1 AS least_rise,
-- Deviations of noise by which a loss must have risen from its least value: that of 256 samples lies 2.8 below their mean.
4 AS rise_noise,
-- Times the lowest quarter's level that the newest three samples must all exceed to have exploded: samples that scatter by a
-- factor of 1.5 would have to lie 2.7 deviations high three times in a row.
3 AS explosion,
-- The same, times the least value of the first sample, which is a single value and may be low by chance.
10 AS explosion_of_start,
-- Share of the first quarter's level that counts as the level of whatever is less: a loss that has all but vanished may
-- double and still be nothing.
0.001 AS least_level,
-- Seconds without a point while heartbeats go on: checkpoints, evaluations and loading of data usually take less.
600 AS stall_s,
-- The same as a share of the time that a rank has run: what takes a twentieth of a long run has a rhythm of its own.
0.05 AS stall_share,
-- Seconds by which a rank's last sign of life lies behind those of others: six heartbeats.
60 AS silent_s,
-- Times the median rank's work that a step takes: small differences of machines are usual.
1.25 AS straggling,
-- Seconds before ranks are compared by steps per second, since they do not start together.
10 AS straggling_s,
-- For people.
(share -> concat(printf('%.3g', 100 * share), ' %')) AS percent,
(value -> printf('%.3g', value)) AS short,
(value -> toString(assumeNotNull(value))) AS whole,
-- From here on one step after the other.
curve AS
(
    SELECT
        *,
        (recent - before) / greatest(abs(before), least_level * abs(first)) AS change,
        one_way OR abs(recent - before) > least_errors * median_error * noise / sqrt(quarter) AS changed,
        least(first, second, before, recent) AS best,
        least(
            best + (explosion - 1) * greatest(abs(best), least_level * abs(first)),
            if(start > 0, explosion_of_start * start, inf)) AS limit
    FROM runstream_shard.loss_curve
),
loss AS
(
    SELECT
        run_id,
        anyIf(metric, role = 1) AS train_metric,
        anyIf(n, role = 1) AS train_samples,
        groupArrayIf(steps, role = 1)[1] AS train_steps,
        groupArrayIf(times, role = 1)[1] AS train_times,
        groupArrayIf(values, role = 1)[1] AS train_values,
        anyIf(first, role = 1) AS train_first,
        anyIf(recent, role = 1) AS train_level,
        anyIf(noise, role = 1) AS train_noise,
        anyIf(change, role = 1) AS train_change,
        anyIf(changed, role = 1) AS train_changed,
        anyIf(bad_step, role = 1) AS train_bad_step,
        anyIf(limit, role = 1) AS train_limit,
        anyIf(metric, role = 2) AS val_metric,
        anyIf(n, role = 2) AS val_samples,
        anyIf(first, role = 2) AS val_first,
        anyIf(recent, role = 2) AS val_level,
        anyIf(noise, role = 2) AS val_noise,
        anyIf(change, role = 2) AS val_change,
        anyIf(changed, role = 2) AS val_changed,
        anyIf(bad_step, role = 2) AS val_bad_step,
        anyIf(steps[-quarter], role = 2) AS val_quarter_step,
        anyIf(least_point, role = 2) AS val_least
    FROM curve
    GROUP BY run_id
),
-- The training loss when the validation loss was least: their steps may differ, their clock does not.
aligned AS
(
    SELECT
        *,
        val_least.1 AS val_min,
        val_least.2 AS val_min_step,
        arrayCount(time -> time <= val_least.3, train_times) AS earlier,
        greatest(1, intDiv(train_samples, 8)) AS eighth,
        arrayReduce('quantileExactInclusive(0.5)', arraySlice(
            train_values, greatest(earlier - eighth, 0) + 1, least(earlier, eighth))) AS train_then,
        arrayReduce('quantileExactInclusive(0.5)', arraySlice(train_values, -eighth)) AS train_now
    FROM loss
),
compared AS
(
    SELECT
        *,
        -- A loss that is still falling has its least value in the last quarter, below the median of that.
        if(val_min_step >= val_quarter_step, 0,
            (val_level - val_min) / greatest(abs(val_min), least_level * abs(val_first))) AS val_rise,
        (train_then - train_now) / greatest(abs(train_then), least_level * abs(train_first)) AS train_fall,
        train_then - train_now > least_errors * median_error * train_noise / sqrt(eighth) AS train_fell,
        val_samples >= least_samples AS judged_val,
        train_samples >= least_samples AS judged_train,
        arrayMin(arraySlice(train_values, -3)) > train_limit AS above_limit
    FROM aligned
),
judgement AS
(
    SELECT
        *,
        judged_val OR judged_train AS judged,
        if(judged_val, val_change, train_change) AS judged_change,
        if(judged_val, val_changed, train_changed) AS judged_for_sure,
        judged_val AND val_rise >= least_rise AND val_level - val_min > rise_noise * val_noise AS val_rises,
        ifNull(train_bad_step, val_bad_step) AS nonfinite_step,
        if(judged_train AND above_limit,
            train_steps[arrayLastIndex(value -> value <= train_limit, train_values) + 1], NULL) AS exploded_step,
        ifNull(nonfinite_step, exploded_step) AS diverged_step,
        if(isNull(train_bad_step) AND isNotNull(val_bad_step), val_metric, train_metric) AS diverged_metric
    FROM compared
),
ranks AS
(
    SELECT
        run_id,
        groupUniqArray(rank_progress.state) AS states,
        multiIf(
            has(states, 'running'), 'running',
            has(states, 'lost'), 'lost',
            has(states, 'failed'), 'failed',
            has(states, 'killed'), 'killed',
            has(states, 'finished'), 'finished',
            'unknown') AS state,
        max(rank_progress.seen) AS seen,
        max(age) AS oldest,
        min(rank_progress.quiet_s) AS quiet_s,
        quiet_s >= greatest(stall_s, stall_share * oldest) AS quiet,
        -- A lost rank is behind by the clock. It must be behind by the time since its own start as well: a clock that is wrong
        -- is not silence.
        arraySort(arrayMap(one -> one.1, arrayFilter(
            one -> one.2 IN ('failed', 'killed')
                OR (one.2 = 'lost' AND oldest - one.3 >= silent_s)
                OR (one.2 = 'running' AND one.5 AND NOT quiet AND one.4 >= greatest(stall_s, stall_share * one.3)),
            groupArray((rank, rank_progress.state, age, rank_progress.quiet_s, isNotNull(last_step)))))) AS silent,
        count() AS rank_count,
        if(state = 'running' AND rank_count > 1 AND notEmpty(silent), silent[1], NULL) AS silent_rank,
        -- Of equally slow ranks the lowest.
        argMax((rank, factor, isNotNull(work_ms), age), (ifNull(factor, 0), -toInt64(rank))) AS slowest
    FROM (SELECT *, (toUnixTimestamp64Micro(seen) - attempt) / 1e6 AS age FROM runstream_shard.rank_progress) AS rank_progress
    GROUP BY run_id
)
SELECT
    run_id,
    finding.1 AS verdict,
    finding.2 AS detail,
    state,
    train_metric,
    val_metric,
    if(train_samples < least_samples OR NOT isFinite(train_level), NULL, train_level) AS train_level,
    if(train_samples < least_samples OR NOT isFinite(train_change), NULL, train_change) AS train_change,
    if(val_samples < least_samples OR NOT isFinite(val_level), NULL, val_level) AS val_level,
    if(val_samples < least_samples OR NOT isFinite(val_change), NULL, val_change) AS val_change,
    if(val_samples = 0, NULL, val_min) AS val_min,
    if(val_samples = 0, NULL, val_min_step) AS val_min_step,
    if(val_samples < least_samples OR NOT isFinite(val_rise), NULL, val_rise) AS val_rise,
    if(val_samples < least_samples OR train_samples < least_samples OR NOT isFinite(train_fall), NULL, train_fall) AS train_fall,
    if(overfitting, val_min_step, NULL) AS overfitting_step,
    if(overfitting, train_steps[greatest(earlier, 1)], NULL) AS overfitting_train_step,
    if(isNull(diverged_step), '', diverged_metric) AS diverged_metric,
    diverged_step,
    quiet_s,
    silent_rank,
    if(rank_count > 1, slowest.1, NULL) AS slowest_rank,
    if(rank_count > 1, slowest.2, NULL) AS slowest_factor
FROM
(
    SELECT
        *,
        val_rises AND judged_train AND train_fall >= least_change AND train_fell AS overfitting,
        concat(
            val_metric, ' is ', percent(val_rise), ' above its least of ', short(val_min),
            ' at step ', toString(val_min_step)) AS rise,
        concat(
            if(judged_val, val_metric, train_metric), if(judged_change > 0, ' rose by ', ' fell by '),
            percent(abs(judged_change)), ' in its last quarter') AS change,
        -- From worst to best.
        multiIf(
            isNotNull(nonfinite_step), ('diverged', concat(diverged_metric, ' is not finite from step ', whole(nonfinite_step))),
            isNotNull(exploded_step), ('diverged', concat(
                diverged_metric, ' explodes from step ', whole(exploded_step), ' to ', short(train_values[-1]))),
            state = 'lost', ('lost', concat('no sign of life since ', formatDateTime(seen, '%F %T', 'UTC'), ' UTC')),
            isNotNull(silent_rank), ('silent rank', concat(
                'rank ', whole(silent_rank), ' is silent',
                if(length(silent) > 1, concat(', and ', toString(length(silent) - 1), ' more'), ''))),
            state = 'running' AND quiet, ('stalled', concat('alive, but no point for ', toString(toInt64(quiet_s)), ' s')),
            overfitting, ('overfitting', concat(rise, '; ', train_metric, ' fell by ', percent(train_fall), ' since')),
            val_rises, ('worsening', rise),
            judged AND judged_change >= least_rise AND judged_for_sure, ('worsening', change),
            rank_count > 1 AND slowest.2 >= straggling AND (slowest.3 OR slowest.4 >= straggling_s), ('straggler', concat(
                'rank ', toString(slowest.1), ' takes ', short(ifNull(slowest.2, 1)), ' times as long as the median rank')),
            judged AND NOT judged_for_sure, ('plateau', concat(change, ', which is noise')),
            judged AND judged_change > -least_change, ('plateau', change),
            judged, ('improving', change),
            train_metric != '' OR val_metric != '',
                ('too early', concat('a loss has fewer than ', toString(least_samples), ' samples')),
            ('unknown', 'no training or validation loss')) AS finding
    FROM ranks
    LEFT JOIN judgement USING (run_id)
);

CREATE OR REPLACE VIEW runstream.diagnosis_now ON CLUSTER 'fleet' AS
SELECT * FROM cluster('fleet', view(SELECT * FROM runstream_shard.diagnosis_now));
