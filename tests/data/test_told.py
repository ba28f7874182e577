"""What is told of an item fits its column, or is refused with what would be right."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from enterprise_recsys import ConfigError
from enterprise_recsys.data.told import checked, table_of

SCHEMA: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "item_title": pl.String(),
    "item_price": pl.Float32(),
    "item_stock": pl.Int64(),
    "item_stars": pl.Int8(),
    "item_new": pl.Boolean(),
    "item_tags": pl.List(pl.String()),
    "item_codes": pl.List(pl.Int64()),
    "item_out": pl.Date(),
    "item_seen": pl.Datetime("us", "UTC"),
    "item_kind": pl.Enum(["a", "b"]),
    "item_shop": pl.Categorical(),
}


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("title", "A", "A"),
        ("item_title", ["Action", "Comedy"], "Action|Comedy"),
        ("price", 3, 3.0),
        ("price", 1e30, pytest.approx(1e30)),
        ("stock", 3.0, 3),
        ("stock", 2**40, 2**40),
        ("stars", 127, 127),
        ("new", False, False),
        ("tags", ["x", "y"], ["x", "y"]),
        ("tags", [], []),
        ("codes", ["1", "22"], [1, 22]),
        ("out", "2026-03-01", date(2026, 3, 1)),
        ("seen", "2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("seen", "2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("kind", "b", "b"),
        ("kind", "never seen", None),
        ("shop", "any", "any"),
        ("price", None, None),
    ],
)
def test_what_fits_is_held(name: str, value: object, held: object) -> None:
    row = checked(SCHEMA, "item_id", {name: value}, "item_")
    table = table_of(SCHEMA, "item_id", {"i": row, "j": {}})
    full = name if name in SCHEMA else f"item_{name}"
    assert table.schema == SCHEMA and table["item_id"].to_list() == ["i", "j"]
    assert table[full].to_list() == [held, None]


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("title", 3, "a text"),
        ("title", ["a", 1], "a text"),
        ("price", "3", "a number"),
        ("price", True, "a number"),
        ("stock", 1.5, "a whole number that Int64 holds"),
        ("stock", 1e30, "a whole number that Int64 holds"),
        ("stock", 10**400, "a whole number"),
        ("stock", float("inf"), "a whole number"),
        ("stars", 300, "a whole number that Int8 holds"),
        ("new", 1, "true or false"),
        ("tags", "x", "a list of texts"),
        ("tags", [["x"]], "a list of texts"),
        ("codes", ["x"], "a list of texts"),
        ("out", 20260301, "a time as in"),
        ("seen", "yesterday", "a time as in"),
        ("kind", 1, "a text"),
        ("shop", {"a": 1}, "a text"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: object, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"feature 'item_{name}' is wrong: it should be {wanted}.*was told"):
        table_of(SCHEMA, "item_id", {"i": checked(SCHEMA, "item_id", {name: value}, "item_")})


def test_a_table_without_features_says_so() -> None:
    with pytest.raises(ConfigError, match="feature 'x' is unknown; known: none"):
        checked({"user_id": pl.String()}, "user_id", {"x": 1}, "user_")
