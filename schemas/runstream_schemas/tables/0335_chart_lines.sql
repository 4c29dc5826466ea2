-- Lines to compare: a chart of some runs with their names, smoothed, over steps or over seconds since each run began.
--
-- by_time    x is seconds since the run began, in as many buckets as points are wanted for the longest of the runs: lines of
--            different runs then meet at the same x, which joins in a dashboard need.
-- half_life  of the moving average, in units of x; 0 is none, and smooth is the value then. It is divided by the same average of
--            ones, so that its beginning is not drawn towards zero.
-- first_bad  where a value was NaN or infinite for the first time: the last finite value before it, to have a place to mark.
-- A run without the metric has one row without a value, so that it keeps its place, and with it its colour, in every panel.
CREATE OR REPLACE VIEW chart_lines AS
SELECT
    run_id, name, ifNull(x, 0) AS x, value,
    if({half_life:Float64} > 0, decayed / decayed_ones, value) AS smooth,
    if(bad AND bads = 1, carried, NULL) AS first_bad
FROM
(
    SELECT
        run_id, name, x, value, bad,
        exponentialMovingAverage(greatest({half_life:Float64}, 0.01))(value, x) OVER so_far AS decayed,
        exponentialMovingAverage(greatest({half_life:Float64}, 0.01))(if(isNull(value), NULL, 1.0), x) OVER so_far AS decayed_ones,
        countIf(bad) OVER so_far AS bads,
        anyLast(value) OVER so_far AS carried
    FROM
    (
        SELECT
            run_id, any(run_name) AS name, max(nonfinite) > 0 AS bad, argMax(last, step) AS value,
            if({by_time:Bool}, floor(seconds / width) * width, toFloat64(place)) AS x
        FROM
        (
            SELECT *, greatest(max(seconds) OVER () / greatest({points:UInt32}, 1), 0.000001) AS width
            FROM
            (
                SELECT
                    run.run_id AS run_id, run.name AS run_name, line.step AS step, line.last AS last, line.nonfinite AS nonfinite,
                    line.place AS place,
                    -- A bucket without a finite value has no time of its own.
                    dateDiff('microsecond', run.started,
                        max(line.last_time) OVER (PARTITION BY run.run_id ORDER BY line.step)) / 1e6 AS since,
                    ifNull(greatest(since, 0), 0) AS seconds
                FROM
                (
                    SELECT run_id, name, started FROM runs WHERE empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)}
                ) AS run
                LEFT JOIN
                (
                    SELECT run_id, step, last, nonfinite, last_time, toNullable(step) AS place
                    FROM chart(metric = {metric:String}, runs = {runs:Array(UUID)}, points = {points:UInt32},
                        step_min = {step_min:Int64}, step_max = {step_max:Int64})
                ) AS line ON line.run_id = run.run_id
            )
        )
        GROUP BY run_id, x
    )
    WINDOW so_far AS (PARTITION BY run_id ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
ORDER BY run_id, x;
