-- Lines to compare: a chart of some runs with their names, smoothed, over steps or over seconds since each run began.
--
-- points     of a line, at most one more: where a chart has more buckets, they are put together.
-- by_time    x is seconds since the run began: lines of different runs then meet at the same x, which joins in a dashboard need.
-- half_life  of the moving average, in units of x; 0 is none, and smooth is the value then. It is divided by the same average of
--            ones, so that its beginning is not drawn towards zero.
-- value      the last one of all points at x, min and max are their extrema: no spike vanishes where smooth does not show it.
-- first_bad  where a value was NaN or infinite for the first time: a finite value, to have a place to mark. It is that before;
--            else the first one after; else 0.
-- A run without the metric has one row without a value, so that it keeps its place, and with it its colour, in every panel.
CREATE OR REPLACE VIEW chart_lines AS
SELECT
    run_id, name, ifNull(x, 0) AS x, value, least_value AS min, greatest_value AS max,
    if({half_life:Float64} > 0, decayed / decayed_ones, value) AS smooth,
    if(bad AND bads = 1, coalesce(before, after, 0), NULL) AS first_bad
FROM
(
    SELECT
        run_id, name, x, value, least_value, greatest_value, bad,
        exponentialMovingAverage(greatest({half_life:Float64}, 0.01))(value, x) OVER so_far AS decayed,
        exponentialMovingAverage(greatest({half_life:Float64}, 0.01))(if(isNull(value), NULL, 1.0), x) OVER so_far AS decayed_ones,
        countIf(bad) OVER so_far AS bads,
        anyLast(value) OVER so_far AS before,
        argMin(value, x) OVER (PARTITION BY run_id) AS after
    FROM
    (
        SELECT
            run_id, any(run_name) AS name, max(nonfinite) > 0 AS bad, argMax(last, step) AS value,
            min(low) AS least_value, max(high) AS greatest_value, floor(place / width) * width AS x
        FROM
        (
            SELECT
                *,
                (max(place) OVER () - if({by_time:Bool}, 0, min(place) OVER ())) / greatest({points:UInt32}, 1) AS least_width,
                multiIf(
                    {by_time:Bool}, greatest(least_width, 0.000001),
                    uniqExact(place) OVER () <= {points:UInt32} + 1, 1,
                    ceil(greatest(least_width, 1))) AS width
            FROM
            (
                SELECT
                    run.run_id AS run_id, run.name AS run_name, line.step AS step, line.last AS last, line.low AS low,
                    line.high AS high, line.nonfinite AS nonfinite,
                    -- A bucket without a finite value has no time of its own.
                    dateDiff('microsecond', run.started,
                        max(line.last_time) OVER (PARTITION BY run.run_id ORDER BY line.step)) / 1e6 AS since,
                    if({by_time:Bool}, ifNull(greatest(since, 0), 0), line.place) AS place
                FROM
                (
                    SELECT run_id, name, started FROM names WHERE empty({runs:Array(UUID)}) OR run_id IN {runs:Array(UUID)}
                ) AS run
                LEFT JOIN
                (
                    SELECT
                        run_id, step, last, min AS low, max AS high, nonfinite, last_time, toNullable(toFloat64(step)) AS place
                    -- Of so many points a chart gives at least a quarter. Not through the view chart: a layer less to plan, and
                    -- its order is not needed.
                    FROM chart_bucket(
                        metric = {metric:String}, runs = {runs:Array(UUID)}, every_run = empty({runs:Array(UUID)}),
                        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false,
                        plan = (SELECT plan FROM chart_plan(
                            metric = {metric:String}, runs = {runs:Array(UUID)}, points = least(4 * {points:UInt32}, 4294967295),
                            step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = false)))
                ) AS line ON line.run_id = run.run_id
            )
        )
        GROUP BY run_id, x
    )
    WINDOW so_far AS (PARTITION BY run_id ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
ORDER BY run_id, x;
