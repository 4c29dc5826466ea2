-- Which metrics are the training and the validation loss, by name: of each list the first that a run logged.
CREATE OR REPLACE VIEW loss_names AS
SELECT
[
    'train/loss', 'training/loss', 'train_loss', 'training_loss', 'loss', 'loss/train', 'Loss/train',
    'train/loss_epoch', 'train_loss_epoch', 'train/loss_step', 'train_loss_step', 'epoch/loss', 'batch/loss'
] AS train_names,
[
    'val/loss', 'valid/loss', 'validation/loss', 'eval/loss', 'dev/loss',
    'val_loss', 'valid_loss', 'validation_loss', 'eval_loss', 'dev_loss',
    'loss/val', 'loss/valid', 'loss/validation', 'loss/eval', 'Loss/val', 'Loss/valid', 'Loss/validation',
    'val/loss_epoch', 'val_loss_epoch', 'epoch/val_loss'
] AS validation_names;

-- One row per run that logged a loss; '' where it logged only the other one.
CREATE OR REPLACE VIEW losses AS
WITH
(SELECT train_names FROM loss_names) AS train_names,
(SELECT validation_names FROM loss_names) AS validation_names
SELECT
    run_id,
    arrayFirst(name -> has(logged, name), train_names) AS train_metric,
    arrayFirst(name -> has(logged, name), validation_names) AS val_metric
FROM
(
    SELECT run_id, groupArray(toString(metric)) AS logged
    FROM metrics
    WHERE metric IN (SELECT arrayJoin(arrayConcat(train_names, validation_names)) FROM loss_names)
    GROUP BY run_id
);
