-- One line per rank of one run: every rank that logged the metric.
CREATE OR REPLACE VIEW chart_by_rank AS
SELECT rank, step, last, min, max, nonfinite
FROM chart_bucket(
    metric = {metric:String}, runs = [{run:UUID}], every_run = false,
    step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true,
    plan = (SELECT plan FROM chart_plan(
        metric = {metric:String}, runs = [{run:UUID}], points = {points:UInt32},
        step_min = {step_min:Int64}, step_max = {step_max:Int64}, all_ranks = true)))
ORDER BY rank, step;
