"""A filter lets through what a plain reading of its text, item by item, lets through."""

import operator
from datetime import UTC, date, datetime
from typing import cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enterprise_recsys import ConfigError
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.filters import Filters
from enterprise_recsys.engine.grammar import Comparison, Either, Not, Tree, parse

FILMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "item_year": [1994, 2001, None, 1994],
        "item_price": [9.5, float("nan"), 0.0, None],
        "item_genres": [["Drama", "War"], ["Comedy"], [], None],
        "item_tags": ["old|grim", "new", None, ""],
        "item_title": ["Blue (1993)", "Kind of blue", None, "Up | Down"],
        "item_brand": pl.Series(["É.A", "éxa", None, "b"], dtype=pl.Categorical),
        "item_added": [datetime(2026, 1, 1, 12), datetime(2026, 3, 1), None, datetime(2025, 1, 1)],
        "item_day": [date(2026, 1, 1), date(2026, 3, 1), None, date(2025, 1, 1)],
        "item_adult": [False, True, None, False],
        "item_kind": pl.Series(["film", "series", "film", None], dtype=pl.Categorical),
        "odd name": ["x", "y", "z", None],
        "item_time": pl.Series([None] * 4, dtype=pl.Time),
    }
)

ITEMS = Vocabulary(FILMS["item_id"])


def found(text: str) -> str:
    mask = Filters(FILMS, ITEMS).allowed(text).mask
    assert not mask[0]
    return "".join(item for item, held in zip("abcd", mask[1:], strict=True) if held)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("year = 1994", "ad"),
        ("item_year = 1994", "ad"),
        ("year != 1994", "b"),
        ("not year = 1994", "bc"),
        ("year not in [1994, 2002]", "b"),
        ("price > 1", "a"),
        ("price <= 9.5", "ac"),
        ("price is null", "bd"),
        ("genres contains 'War'", "a"),
        ("genres not contains 'War'", "bc"),
        ("tags contains 'grim'", "a"),
        ("tags contains 'gri'", ""),
        ("tags contains 'Grim'", ""),
        ("tags not contains 'grim'", "bd"),
        ("title contains 'Blue'", "ab"),
        ("title contains 'BLUE ('", "a"),
        ("title contains 'up |'", "d"),
        ("title contains 'red'", ""),
        ("title not contains 'blue'", "d"),
        ("not title contains 'blue'", "cd"),
        ("brand contains 'é.a'", "a"),
        ("item_id contains 'A'", "a"),
        ("added >= '2026-01-01'", "ab"),
        ("added > '2026-01-01T12:00:00+00:00'", "b"),
        ("added < '2026-01-01T14:00:00+01:00'", "ad"),
        ("day = '2026-03-01'", "b"),
        ("adult = true", "b"),
        ("adult != true", "ad"),
        ("kind in ['film', 'book']", "ac"),
        ("`odd name` >= 'y'", "bc"),
        ("item_id in ['d', 'a'] and year < 2000", "ad"),
        ("year = 2001 or (price = 0 and kind = 'film')", "bc"),
    ],
)
def test_a_filter_holds_for_these_items(text: str, items: str) -> None:
    assert found(text) == items


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "yeer = 3",
            "'yeer = 3': the items have no field 'yeer'; did you mean 'year'\\? Known: a",
        ),
        ("kind = 'film' and year = '3'", "at character 19, .*: year is a number, got '3'"),
        ("year = true", "year is a number, got True"),
        ("kind = 3", "kind is a text, in quotes, got 3"),
        ("adult = 1", "adult is true or false, got 1"),
        ("adult < true", "adult is true or false: ask with = or !="),
        ("added > 5", "added is a time, as '2026-03-01' in quotes, got 5"),
        ("added > 'soon'", "added is a time, as .* got 'soon'"),
        ("genres = 'War'", "genres holds several values: ask with contains"),
        ("genres contains 3", "genres contains texts, got 3"),
        ("year contains '3'", "year holds one value: ask with = or in"),
        ("time = 3", "time has a type that filters cannot read, got 3"),
    ],
)
def test_a_filter_that_does_not_fit_the_items_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Filters(FILMS, ITEMS).allowed(text)


def test_a_filter_asked_for_twice_is_worked_out_once() -> None:
    filters = Filters(FILMS, ITEMS)
    assert filters.allowed("year = 1994") is filters.allowed("year = 1994")


# Against a plain reading, item by item -----------------------------------------------------------------------------

PLAIN = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def holds(tree: Tree, item: dict[str, object]) -> bool:
    if isinstance(tree, Not):
        return not holds(tree.part, item)
    if isinstance(tree, Comparison):
        return _compared(tree, item[f"item_{tree.field}"])
    each = (holds(part, item) for part in tree.parts)
    return any(each) if isinstance(tree, Either) else all(each)


def _compared(one: Comparison, value: object) -> bool:
    missing = value is None or value != value
    if "null" in one.operator:
        return missing != ("not" in one.operator)
    if missing:
        return False
    if "in" in one.operator:  # in, contains
        held = value in one.values if one.operator.endswith("in") else one.values[0] in cast(list[str], value)
        return held != one.operator.startswith("not")
    right: object = one.values[0]
    if isinstance(value, datetime):
        right, value = datetime.fromisoformat(str(right)).replace(tzinfo=UTC), value.replace(tzinfo=UTC)
    return bool(getattr(operator, PLAIN[one.operator])(value, right))


SIGNS = st.sampled_from(sorted(PLAIN))
COMPARISONS = st.one_of(
    st.builds("year {} {}".format, SIGNS, st.sampled_from([1993, 1994, 1994.5, 2001, -1])),
    st.builds("price {} {}".format, SIGNS, st.sampled_from(["0", "9.5", "1e3", "-.5"])),
    st.builds("kind {} '{}'".format, SIGNS, st.sampled_from(["film", "series", "é", ""])),
    st.builds("added {} '{}'".format, SIGNS, st.sampled_from(["2026-01-01", "2026-01-01T12:00:00", "2030-01-01"])),
    st.builds("adult {} {}".format, st.sampled_from(["=", "!="]), st.sampled_from(["true", "false"])),
    st.builds("year {}in [{}, 2001]".format, st.sampled_from(["", "not "]), st.sampled_from([1994, 7])),
    st.builds("genres {}contains '{}'".format, st.sampled_from(["", "not "]), st.sampled_from(["War", "Drama", "x"])),
    st.builds("{} is {}null".format, st.sampled_from(["year", "price", "genres"]), st.sampled_from(["", "not "])),
)
TEXTS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("not {}".format, COMPARISONS),
        st.builds("{} and {}".format, inner, inner),
        st.builds("({}) or {}".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_a_filter_equals_a_plain_reading_of_its_tree(text: str) -> None:
    tree = parse(text)
    items = FILMS.with_columns(pl.col("item_kind").cast(pl.String)).to_dicts()
    assert found(text) == "".join(item["item_id"] for item in items if holds(tree, item))
