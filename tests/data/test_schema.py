"""What each column is, is inferred from what it holds, and the user's word goes over that."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.schema import Schema, inferred, parsed
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Interactions


@pytest.fixture
def log() -> Interactions:
    frame = pl.DataFrame(
        {"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [1, 2], "rating": [1, 2], "device": ["tv", None]}
    )
    users = pl.DataFrame({"user_id": ["a", "b"], "zip": [123, 456], "age": [1.5, 2.0]})
    items = pl.DataFrame({"item_id": ["x", "y"], "tags": [["p"], ["q", "r"]], "vector": [[0.1, 0.2], [0.3, 0.4]]})
    return to_interactions(frame, users, items)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pl.Series(["a", "b"]), "category"),
        (pl.Series([f"words {n}" for n in range(200)]), "text"),
        (pl.Series([f"{n % 90}" for n in range(200)]), "category"),
        (pl.Series([1, 2]), "number"),
        (pl.Series([True, False]), "category"),
        (pl.Series([["a"], []]), "multi_value"),
        (pl.Series([[1.0], [2.0, 3.0]]), "multi_value"),
        (pl.Series([[1.0, 2.0], [2.0, 3.0], None]), "vector"),
        (pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)), "vector"),
        (pl.Series([datetime(2024, 1, 1)]), "time"),
        (pl.Series([None], dtype=pl.String), "skip"),
        (pl.Series([{"a": 1}]), "skip"),
    ],
)
def test_a_kind_is_inferred_from_type_and_values(column: pl.Series, kind: str) -> None:
    assert inferred(column) == kind


def test_a_schema_says_whose_each_column_is(log: Interactions) -> None:
    schema = Schema.of(log)
    assert [(one.name, one.owner, one.kind) for one in schema.columns] == [
        ("user_id", "event", "id"),
        ("item_id", "event", "id"),
        ("timestamp", "event", "time"),
        ("rating", "event", "rating"),
        ("device", "context", "category"),
        ("user_zip", "user", "number"),
        ("user_age", "user", "number"),
        ("item_tags", "item", "multi_value"),
        ("item_vector", "item", "vector"),
    ]
    assert schema.kinds("user") == {"user_zip": "number", "user_age": "number"}


def test_the_users_word_goes_over_what_is_inferred_and_is_marked(log: Interactions) -> None:
    schema = Schema.of(log, {"zip": "category", "device": "skip"})
    assert schema.kinds("user") == {"user_zip": "category", "user_age": "number"}
    assert [one.name for one in schema.columns if one.given] == ["device", "user_zip"]
    assert "user_zip     user     category     Int64" in str(schema) and "as you said" in str(schema)
    assert "device" not in schema.without_skipped(log).events.columns


def test_a_schema_survives_json(log: Interactions) -> None:
    import json

    schema = Schema.of(log, {"zip": "category"})
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    for wrong in ({}, {"columns": [{"name": "x"}]}, {"columns": 3}):
        with pytest.raises(DataError, match="this is no schema"):
            Schema.from_json(wrong)


def test_unknown_kinds_and_columns_and_impossible_kinds_are_refused(log: Interactions) -> None:
    with pytest.raises(ConfigError, match="the kind 'categry' of the column 'zip' is unknown; did you mean 'category'"):
        Schema.of(log, {"zip": "categry"})
    with pytest.raises(DataError, match="the kind of 'zap' is given and log has no such feature; .*user_zip"):
        Schema.of(log, {"zap": "category"})
    with pytest.raises(DataError, match="'item_tags' is stored as .* cannot be of the kind 'number'; it looks like"):
        Schema.of(log, {"tags": "number"})
    with pytest.raises(DataError, match="the kind of 'rating' is given and log has no such feature"):
        Schema.of(log, {"rating": "category"})


@pytest.mark.parametrize("word", ["zip", "=category", "zip="])
def test_a_word_that_is_no_pair_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="should be name=value"):
        parsed([word])


def test_lists_of_objects_or_of_nothing_are_skipped() -> None:
    assert inferred(pl.Series([[{"url": "a"}], []])) == "skip"
    assert inferred(pl.Series([[None], []], dtype=pl.List(pl.Null))) == "skip"
