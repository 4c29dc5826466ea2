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
