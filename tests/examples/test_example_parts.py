import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="the examples need scikit-learn")

from data import Part, diabetes, digits, split
from mlp import MLP, cross_entropy, squared_error
from optimizers import learning_rate
from scores import classification_scores, confusion_matrix, regression_scores
from training import Trainer

CONFIG = {
    "seed": 3,
    "epochs": 2,
    "data": {"name": "digits", "batch_size": 64, "train_share": 0.3},
    "model": {"depth": 2, "width": 8},
    "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 0.001, "warmup_share": 0.1},
}


@pytest.mark.parametrize("hidden", [[], [5], [6, 4]])
@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_the_gradient_is_that_of_finite_differences(hidden, loss):
    random = np.random.default_rng(1)
    outputs = 3 if loss is cross_entropy else 1
    model = MLP([4, *hidden, outputs], seed=2)
    model.parameters += random.normal(0, 0.1, len(model.parameters))
    x = random.normal(size=(7, 4))
    y = random.integers(0, 3, 7) if loss is cross_entropy else random.normal(size=7)
    _, gradient = model.loss_and_gradient(x, y, loss)
    at, small = model.parameters.copy(), 1e-6
    for index in range(len(at)):
        values = []
        for sign in (1, -1):
            model.parameters[:] = at
            model.parameters[index] += sign * small
            values.append(loss(model(x), y)[0])
        assert gradient[index] == pytest.approx((values[0] - values[1]) / (2 * small), abs=1e-7)


def test_the_mean_of_the_gradients_of_equal_parts_is_the_gradient_of_the_whole():
    batch = digits().train.take(np.arange(64))
    model = MLP([64, 8, 10], seed=0)
    whole = model.loss_and_gradient(batch.x, batch.y, cross_entropy)[1]
    parts = [batch.take(np.arange(rank, 64, 4)) for rank in range(4)]
    mean = np.mean([model.loss_and_gradient(part.x, part.y, cross_entropy)[1] for part in parts], axis=0)
    np.testing.assert_allclose(mean, whole, atol=1e-12)


def test_the_digits_are_split_70_15_15_with_equal_shares_of_every_class():
    parts = digits()
    sizes = [len(part) for part in (parts.train, parts.validation, parts.test)]
    assert sum(sizes) == 1797
    np.testing.assert_allclose(np.array(sizes) / 1797, [0.70, 0.15, 0.15], atol=0.005)
    counts = [np.bincount(part.y, minlength=10) / len(part) for part in (parts.train, parts.validation, parts.test)]
    np.testing.assert_allclose(counts, np.broadcast_to(counts[0], (3, 10)), atol=0.005)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200))
def test_a_split_gives_each_sample_to_one_part(groups):
    samples = Part(np.arange(len(groups), dtype=float)[:, None], np.arange(len(groups)))
    parts = split(samples, np.array(groups))
    together = np.concatenate([parts.train.y, parts.validation.y, parts.test.y])
    assert sorted(together) == list(range(len(groups)))


def test_the_split_is_the_same_in_every_process_and_the_regression_learns_its_scaling_from_the_training_part():
    first, again = digits(), digits.__wrapped__()
    np.testing.assert_array_equal(first.test.x, again.test.x)
    assert diabetes().train.x.mean(axis=0) == pytest.approx(np.zeros(10), abs=1e-9)
    assert np.abs(diabetes().test.x.mean(axis=0)).max() > 1e-3


def test_scores_are_those_of_scikit_learn():
    from sklearn import metrics

    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 5, 300), random.integers(0, 4, 300)  # one class is never predicted
    scores = classification_scores(confusion_matrix(labels, predicted, 5))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    for name in ("precision", "recall", "f1"):
        expected = getattr(metrics, f"{name}_score")(labels, predicted, average="macro", zero_division=0)
        assert scores[name] == pytest.approx(expected)
    targets, outputs = random.normal(size=50), random.normal(size=50)
    regression = regression_scores(targets, outputs)
    assert regression["mse"] == pytest.approx(metrics.mean_squared_error(targets, outputs))
    assert regression["rmse"] ** 2 == pytest.approx(regression["mse"])
    assert regression["mae"] == pytest.approx(metrics.mean_absolute_error(targets, outputs))
    assert regression["r2"] == pytest.approx(metrics.r2_score(targets, outputs))


@settings(max_examples=50)
@given(st.integers(1, 500), st.floats(1e-6, 10), st.floats(0, 0.5))
def test_the_learning_rate_rises_to_its_peak_once_and_then_falls(steps, peak, warmup):
    rates = [learning_rate(step, steps, peak, warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(peak)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) >= 0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_from_a_checkpoint_gives_the_same_model_as_without_interruption(tmp_path, optimizer):
    config = CONFIG | {"optimizer": CONFIG["optimizer"] | {"name": optimizer}}
    straight = Trainer(config)
    for step in range(straight.steps):
        if step == 5:
            straight.save(tmp_path / "checkpoint.npz", step - 1)
        straight.update(straight.batch(step), step)
    resumed = Trainer(config)
    for step in range(resumed.load(tmp_path / "checkpoint.npz") + 1, resumed.steps):
        resumed.update(resumed.batch(step), step)
    np.testing.assert_array_equal(resumed.model.parameters, straight.model.parameters)


def test_an_epoch_sees_every_training_sample_once():
    trainer = Trainer(CONFIG)
    seen = np.concatenate([trainer.batch(step).x for step in range(trainer.steps_per_epoch)])
    assert sorted(map(bytes, seen)) == sorted(map(bytes, trainer.train.x))
