from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.params import CUT_KEY, MAX_PARAMS, Param, flatten
from runstream.secrets import REDACTED
from runstream_schemas.limits import MAX_PARAM_BYTES


def shown(config: Any) -> dict[str, Any]:
    return {param.key: json.loads(param.value_json) for param in flatten(config)}


def only(value: Any) -> Param:
    (param,) = flatten({"x": value})
    return param


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


class Color(enum.Enum):
    RED = enum.auto()


class Mode(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 3


Pair = collections.namedtuple("Pair", "a b")


class Unreadable(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


class Nameless:
    def __repr__(self) -> str:
        raise RuntimeError


def test_nested_levels_are_joined_by_a_dot_and_types_are_kept() -> None:
    config = {"model": {"depth": 3, "act": "relu", "bias": True, "drop": None}, "lr": 0.5, "layers": [1, [2]]}
    assert flatten(config) == [
        Param("model.depth", "int", "3", 3.0),
        Param("model.act", "str", '"relu"', None),
        Param("model.bias", "bool", "true", 1.0),
        Param("model.drop", "null", "null", None),
        Param("lr", "float", "0.5", 0.5),
        Param("layers", "json", "[1,[2]]", None),
    ]


def test_everything_with_named_fields_is_a_level() -> None:
    config = {"opt": Optimizer(), "pair": Pair(1, {"z": 2}), "args": argparse.Namespace(q=1)}
    assert shown(config) == {"opt.lr": 0.1, "opt.betas": [0.9, 0.99], "pair.a": 1, "pair.b.z": 2, "args.q": 1}
    assert shown(argparse.Namespace(q=Optimizer())) == {"q.lr": 0.1, "q.betas": [0.9, 0.99]}


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (Color.RED, "str", "RED"),
        (Mode.FAST, "str", "fast"),
        (Level.HIGH, "str", "HIGH"),
        (pathlib.PurePosixPath("/data/x"), "str", "/data/x"),
        (datetime.date(2024, 1, 2), "str", "2024-01-02"),
        (np.float64(0.5), "float", 0.5),
        (np.int32(7), "int", 7),
        (np.bool_(True), "bool", True),
        (np.array(5), "int", 5),
        (np.arange(3), "json", [0, 1, 2]),
        (np.zeros((100, 100)), "str", "ndarray(shape=(100, 100), dtype=float64)"),
        (np.datetime64("2024-01-02"), "str", "2024-01-02"),
        ({3, 1, 2}, "json", [1, 2, 3]),
        (b"abc", "str", "abc"),
        (b"\xff\x00", "str", "base64:/wA="),
        (decimal.Decimal("0.10"), "float", 0.1),
        (float("nan"), "float", "NaN"),
        (float("-inf"), "float", "-Infinity"),
        ([float("inf")], "json", ["Infinity"]),
        (2**70, "int", 2**70),
        (len, "str", "builtins.len"),
        (Optimizer, "str", f"{__name__}.Optimizer"),
        ({}, "json", {}),
        ([], "json", []),
        ("\ud800", "str", "\\ud800"),
        (1j, "str", "1j"),
    ],
)
def test_each_type_becomes_what_a_person_would_have_written(value: Any, kind: str, expected: Any) -> None:
    param = only(value)
    assert (param.kind, json.loads(param.value_json)) == (kind, expected)


def test_an_array_of_torch_looks_like_one_of_numpy() -> None:
    torch = pytest.importorskip("torch")
    assert only(torch.tensor(0.5)) == Param("x", "float", "0.5", 0.5)
    assert only(torch.float32).value_json == '"torch.float32"'


def test_integers_beyond_every_double_keep_their_digits() -> None:
    assert only(10**400).number == float("inf")
    assert json.loads(only(10**400).value_json) == 10**400
    assert json.loads(only(-(10**5000)).value_json) == f"{-(10**5000):#x}"


def test_an_object_is_the_same_text_in_every_process() -> None:
    assert only(object()).value_json == '"<object object>"'


def test_two_entries_of_one_key_both_stay() -> None:
    assert shown({"a.b": 1, "a": {"b": 2}, 1: "x", "1": "y"}) == {"a.b": 1, "a.b#2": 2, "1": "x", "1#2": "y"}


def test_keys_that_are_no_text_become_text() -> None:
    assert shown({None: 1, (1, 2): 2, Color.RED: 3, 2.5: 4}) == {"None": 1, "(1, 2)": 2, "RED": 3, "2.5": 4}


def test_a_cycle_and_a_deep_nest_end_in_a_mark() -> None:
    cyclic: dict[str, Any] = {"a": 1, "list": []}
    cyclic["self"] = cyclic
    cyclic["list"].append(cyclic["list"])
    assert shown(cyclic) == {"a": 1, "list": ["<cycle>"], "self": "<cycle>"}
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert "deeper than" in only(deep).value_json
    for _ in range(5000):
        deep = {"x": deep}
    assert "deeper than" in flatten(deep)[0].value_json


def test_an_object_used_twice_is_no_cycle() -> None:
    shared = {"lr": 1}
    assert shown({"a": shared, "b": shared}) == {"a.lr": 1, "b.lr": 1}


@pytest.mark.parametrize("value", ["x" * 10_000_000, "\x01" * 100_000, "😀" * 50_000, '"' * 70_000, ["x"] * 1_000_000])
def test_a_value_that_is_too_large_is_cut_with_a_mark(value: Any) -> None:
    param = only(value)
    assert len(param.value_json.encode()) <= MAX_PARAM_BYTES
    assert json.loads(param.value_json).endswith(" characters]")
    assert param.kind == "str"


@pytest.mark.parametrize("length", range(MAX_PARAM_BYTES - 4, MAX_PARAM_BYTES + 3))
def test_the_border_of_the_size_is_exact(length: int) -> None:
    text = "x" * length
    kept = json.loads(only(text).value_json) == text
    assert kept == (length + 2 <= MAX_PARAM_BYTES)


def test_the_length_of_a_long_text_is_told_although_it_is_cut_twice() -> None:
    assert "[cut, 10000000 characters]" in only("x" * 10_000_000).value_json


def test_too_many_params_are_cut_with_a_param_that_says_so() -> None:
    params = flatten({str(number): number for number in range(MAX_PARAMS + 5)})
    assert len(params) == MAX_PARAMS + 1
    assert (params[-1].key, str(MAX_PARAMS) in params[-1].value_json) == (CUT_KEY, True)
    assert len(flatten({str(number): number for number in range(MAX_PARAMS)})) == MAX_PARAMS


def test_secrets_are_taken_out_at_every_depth_and_numbers_stay() -> None:
    config = {
        "api_key": "v",
        "api": {"key": "v"},
        "password": 1234,
        "max_tokens": 5,
        "eos_token": "</s>",
        "credentials": {"user": "v", "ids": ["v", 7]},
        "services": [{"access_token": "v", "port": 80}],
        "url": "redis://u:v@h",
        "note": "hf_" + "v" * 34,
    }
    assert shown(config) == {
        "api_key": REDACTED,
        "api.key": REDACTED,
        "password": 1234,
        "max_tokens": 5,
        "eos_token": "</s>",
        "credentials.user": REDACTED,
        "credentials.ids": [REDACTED, 7],
        "services": [{"access_token": REDACTED, "port": 80}],
        "url": f"redis://u:{REDACTED}@h",
        "note": REDACTED,
    }
    assert flatten("v", "my_api_key") == [Param("my_api_key", "str", f'"{REDACTED}"', None)]


def test_objects_that_cannot_be_read_are_named_and_their_neighbours_stay() -> None:
    config = {"bad": Unreadable(), "nameless": Nameless(), Nameless(): 1, "good": 1}
    values = shown(config)
    assert values["good"] == 1
    assert values["bad"] == "<unreadable Unreadable: RuntimeError>"
    assert values["nameless"] == "<unreadable Nameless: RuntimeError>"
    assert len(values) == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_configuration_becomes_valid_json_under_unique_keys(config: Any) -> None:
    params = flatten(config)
    assert params
    assert len({param.key for param in params}) == len(params)
    for param in params:
        value = json.loads(param.value_json)
        number_kinds = ("bool", "int", "float")
        assert (param.number is not None) == (param.kind in number_kinds)
        if param.kind == "int":
            assert value == int(param.value_json)
