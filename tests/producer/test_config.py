import copy
import pickle
from typing import Any

import pytest

from runstream.config import Config


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))],
    ids=["copy", "deep", "pickle"],
)
def test_a_copy_of_the_config_is_a_plain_dict_that_changes_no_run(copied: Any) -> None:
    changes: list[dict[str, Any]] = []
    config = Config({"lr": 0.1, "model": {"depth": 4}}, changes.append)
    found = copied(config)
    assert found == {"lr": 0.1, "model": {"depth": 4}}
    assert type(found) is dict
    found["lr"] = 1
    assert config["lr"] == 0.1
    assert changes == []


def test_attributes_and_items_are_the_same_and_changes_are_tracked() -> None:
    changes: list[Any] = []
    config = Config({"lr": 0.1}, changes.append)
    config.lr = 0.2
    config["seed"] = 1
    config.update({"a": 1}, b=2, allow_val_change=True)
    assert dict(config) == {"lr": 0.2, "seed": 1, "a": 1, "b": 2}
    assert changes == [{"lr": 0.2}, {"seed": 1}, {"a": 1, "b": 2}]
    config.update(5)
    assert changes.pop() == 5
    assert len(config) == 4
    with pytest.raises(AttributeError, match="the config has no 'nothing'"):
        _ = config.nothing
    with pytest.raises(TypeError, match="cannot be deleted"):
        del config["lr"]
