"""`run.config`: the hyperparameters as a mapping whose changes are tracked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any


class Config(MutableMapping[str, Any]):
    """A dict of hyperparameters; setting or updating a key logs it as a param, nested values flattened with a dot.

    Keys can also be read and set as attributes (`run.config.lr = 0.1`). Params cannot be unset: deleting a key
    raises TypeError.
    """

    def __init__(self, values: Mapping[str, Any], on_change: Callable[[Any], None]) -> None:
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_on_change", on_change)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"param {key!r} was logged and cannot be deleted; set it to another value")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(f"the config has no {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Copies and pickles, such as in a checkpoint, are plain dicts: changing one changes no run."""
        return dict, (dict(self._values),)

    def __repr__(self) -> str:
        return f"Config({self._values!r})"

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set several keys at once. `allow_val_change`, which other trackers take, is accepted and means nothing."""
        more.pop("allow_val_change", None)
        try:
            changed = dict(other, **more)
        except (TypeError, ValueError):
            # Training goes on; who logs params says what is wrong with these.
            self._on_change(other)
            return
        self._values.update(changed)
        self._on_change(changed)
