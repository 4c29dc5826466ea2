-- One line per rank of one run: every rank that logged the metric.
CREATE OR REPLACE VIEW runstream_shard.chart_by_rank ON CLUSTER 'fleet' AS
SELECT rank, step, last, min, max, nonfinite
FROM runstream_shard.chart_bucket(
    metric = {metric:String}, runs = [{run:UUID}], every_run = false,
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true,
    plan = (SELECT plan FROM runstream_shard.chart_plan(
        metric = {metric:String}, runs = [{run:UUID}], points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true)))
ORDER BY rank, step;

-- One line per rank of one run: every rank that logged the metric.
CREATE OR REPLACE VIEW runstream.chart_by_rank ON CLUSTER 'fleet' AS
SELECT rank, step, last, min, max, nonfinite
FROM runstream.chart_bucket(
    metric = {metric:String}, runs = [{run:UUID}], every_run = false,
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true,
    plan = (SELECT plan FROM runstream.chart_plan(
        metric = {metric:String}, runs = [{run:UUID}], points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true)))
ORDER BY rank, step;

-- How the ranks of one run differ: least, mean and greatest over ranks. The mean is that of each rank's last value in the
-- bucket; min and max are those of all points.
CREATE OR REPLACE VIEW runstream_shard.chart_ranks ON CLUSTER 'fleet' AS
SELECT step, count() AS ranks, min(line.min) AS min, avg(line.last) AS mean, max(line.max) AS max
FROM runstream_shard.chart_by_rank(
    metric = {metric:String}, run = {run:UUID}, points = {points:UInt32},
    step_min = {step_min:Int64}, step_max = {step_max:Int64}) AS line
GROUP BY step
ORDER BY step;

-- How the ranks of one run differ: least, mean and greatest over ranks. The mean is that of each rank's last value in the
-- bucket; min and max are those of all points.
CREATE OR REPLACE VIEW runstream.chart_ranks ON CLUSTER 'fleet' AS
SELECT step, count() AS ranks, min(line.min) AS min, avg(line.last) AS mean, max(line.max) AS max
FROM runstream.chart_by_rank(
    metric = {metric:String}, run = {run:UUID}, points = {points:UInt32},
    step_min = {step_min:Int64}, step_max = {step_max:Int64}) AS line
GROUP BY step
ORDER BY step;
