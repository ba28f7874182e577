"""The limits of a request: what just fits passes, one more does not."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from enterprise_recsys.service.messages import RecommendRequest, SimilarRequest


def test_an_empty_request_is_a_stranger_who_wants_ten() -> None:
    assert RecommendRequest.model_validate({}).model_dump() == {
        "user_id": None,
        "k": 10,
        "history": None,
        "history_times": None,
        "user_features": None,
        "context": None,
        "filter": None,
        "include": [],
        "exclude": [],
        "exclude_seen": None,
        "diversity": None,
        "rules": [],
        "reasons": False,
        "fields": [],
        "surface": "home",
        "cursor": None,
        "exclude_served": False,
    }


@pytest.mark.parametrize(
    "fits",
    [
        {"k": 1},
        {"k": 1000},
        {"user_id": "u" * 512},
        {"user_id": "é 用户 🙂 ='\"<&"},
        {"history": ["i"] * 1000},
        {"history": ["i"], "history_times": [None]},
        {"exclude": ["i"] * 1000},
        {"context": {f"name{n}": n for n in range(100)}},
        {"context": {"tags": ["a"] * 100}},
        {"context": {"least": -1e30, "most": 10**30}},
        {"user_features": {"nothing": None, "flag": False, "text": "t" * 512, "none": []}},
    ],
)
def test_what_just_fits_passes(fits: dict[str, object]) -> None:
    kept = RecommendRequest.model_validate(fits).model_dump()
    assert {name: kept[name] for name in fits} == fits


@pytest.mark.parametrize(
    "too_much",
    [
        {"k": 0},
        {"k": 1001},
        {"k": "10"},
        {"k": 10.0},
        {"k": True},
        {"user_id": ""},
        {"user_id": "u" * 513},
        {"user_id": 42},
        {"user_id": "a\nb"},
        {"user_id": "a\x7fb"},
        {"user_id": "a\x85b"},
        {"history": ["i"] * 1001},
        {"history": [""]},
        {"history": "i1"},
        {"history": ["i"], "history_times": [1_700_000_000]},
        {"history": ["i"], "history_times": ["2099-01-01"]},
        {"history": ["i"], "history_times": []},
        {"history_times": [None]},
        {"exclude": ["i"] * 1001},
        {"exclude": None},
        {"exclude_seen": "yes"},
        {"fields": ["f"] * 101},
        {"context": {f"name{n}": n for n in range(101)}},
        {"context": {"": 1}},
        {"context": {"n" * 513: 1}},
    ],
)
def test_one_more_does_not(too_much: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RecommendRequest.model_validate(too_much)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1.1e30,
        -(10**31),
        10**400,
        "",
        "t" * 513,
        "a\x00b",
        "\ud800",
        ["a"] * 101,
        [1],
        [""],
        [["a"]],
        {"a": 1},
        ["\udfff"],
    ],
)
def test_a_value_that_no_feature_takes_is_refused_in_one_sentence(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        RecommendRequest.model_validate({"context": {"device": value}})
    (fault,) = caught.value.errors()
    assert fault["loc"] == ("context", "device")
    assert fault["msg"].startswith("A feature is a finite number up to 1e30, true, false, null, a text of 1 to 512")


def test_values_keep_their_types() -> None:
    given = {"a": True, "b": 1, "c": 1.0, "d": "1", "e": ["1"]}
    kept = RecommendRequest.model_validate({"context": given}).context
    assert kept is not None
    assert [type(kept[name]) for name in "abcde"] == [bool, int, float, str, list]


def test_an_item_id_is_needed_to_find_similar_ones() -> None:
    with pytest.raises(ValidationError, match="item_id"):
        SimilarRequest.model_validate({})
