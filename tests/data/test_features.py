"""Every kind of feature is fitted, encodes whatever comes, and survives JSON; some values worked out by hand."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data import features
from enterprise_recsys.data.features import FEATURES, Feature, Owner, fit_number
from enterprise_recsys.data.words import buckets_of, hashed_words

COLUMNS = {
    "category": pl.Series("one", ["a", "b", "b", None]),
    "number": pl.Series("one", [1.0, 2.0, None, 4.0]),
    "multi_value": pl.Series("one", [["a", "b"], ["b"], [], None]),
    "text": pl.Series("one", ["A tale of two cities", "two", None, ""]),
    "time": pl.Series("one", [datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC), None, None]),
    "vector": pl.Series("one", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], None, [1.0]]),
}


def fitted(kind: str) -> Feature:
    return FEATURES[kind].fit("one", "item", COLUMNS[kind])


def test_one_row_of_numbers_is_scaled_at_once_to_the_same_bits() -> None:
    generator = np.random.default_rng(0)
    learnt = [
        fit_number(f"n{place}", "statistic", generator.exponential(9.0, 50), **dials)
        for place, dials in enumerate(
            [{}, {"log": True}, {"log": True, "capped": True}, {"edges": True}, {"log": True}]
        )
    ]
    for value in (0.0, 0.1, 7.3, 1e9, -3.0, np.nan):
        told = {one.name: np.array([value + place], dtype=np.float32) for place, one in enumerate(learnt)}
        scaled = features.scaled_at_once(learnt, told)
        assert list(scaled) == [one.name for one in learnt]
        for one in learnt:
            alone = one.scale(told[one.name])
            assert np.array_equal(scaled[one.name], alone) and scaled[one.name].dtype == alone.dtype == np.float32


@pytest.mark.parametrize("kind", FEATURES)
def test_every_kind_encodes_a_column_and_one_value_alike(kind: str) -> None:
    feature, column = fitted(kind), COLUMNS[kind]
    whole = feature.encode(column)
    assert whole.shape == ((len(column), feature.width) if feature.width > 1 else (len(column),))
    assert whole.dtype in (np.int64, np.float32)
    assert np.array_equal(feature.encode(pl.concat([column] * 10)), np.concatenate([whole] * 10))  # the many-row way
    for value, expected in zip(column.to_list(), whole, strict=True):
        assert np.array_equal(feature.encode_one(value)[0], expected)
    if whole.dtype == np.int64:
        assert whole.min() >= 0 and whole.max() < feature.size


@pytest.mark.parametrize("kind", FEATURES)
def test_every_kind_takes_missing_unseen_and_wrong_values_for_missing(kind: str) -> None:
    feature = fitted(kind)
    nothing = feature.encode_one(None)
    assert not nothing.any()
    wrong = [object(), {"a": 1}, [[1]], b"\xff", [object()], float("nan"), 10**400, True]
    for value in wrong if kind != "number" else wrong[:-1]:
        assert np.array_equal(feature.encode_one(value), nothing), value
    for column in (pl.Series("one", [None, None]), pl.Series("one", [{"x": 1}, None])):
        assert not feature.encode(column).any() and len(feature.encode(column)) == 2
    assert len(feature.encode(COLUMNS[kind].clear())) == 0


@pytest.mark.parametrize("kind", FEATURES)
def test_every_kind_survives_json_and_an_empty_column(kind: str) -> None:
    import json

    for feature in (fitted(kind), FEATURES[kind].fit("one", "user", COLUMNS[kind].clear())):
        assert Feature.from_json(json.loads(json.dumps(feature.to_json()))) == feature
        assert len(feature.encode(COLUMNS[kind])) == 4


def test_the_most_frequent_values_keep_a_row_and_the_others_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MOST_VALUES", 2)
    feature = FEATURES["category"].fit("one", "user", pl.Series("one", ["c", "c", "b", "b", "a"]))
    assert feature.values == ("b", "c") and feature.size == 3 + features.RARE_BUCKETS
    rows = feature.encode(pl.Series("one", ["b", "c", "a", "never seen", None]))
    assert rows[:2].tolist() == [1, 2] and rows[4] == 0
    assert (rows[2:4] > 2).all() and (rows[2:4] < feature.size).all()
    assert rows[2] == feature.encode_one("a")[0]


@pytest.mark.parametrize(
    ("owner", "rows", "kept"),
    [
        ("user", 1000, ["five"]),
        ("user", 300, ["five", "three"]),
        ("user", 100, ["five", "one", "three"]),
        ("item", 1000, ["five", "one", "three"]),
        ("context", 1000, ["five", "one", "three"]),
    ],
)
@pytest.mark.parametrize("kind", ["category", "multi_value"])
def test_what_would_name_a_few_users_counts_as_missing(kind: str, owner: Owner, rows: int, kept: list[str]) -> None:
    values = ["five"] * 5 + ["three"] * 3 + ["one"]
    feature = FEATURES[kind].fit("one", owner, pl.Series("one", [*values, *[None] * (rows - len(values))]))
    assert list(feature.values) == kept
    assert (feature.encode(pl.Series("one", ["three"])) > 0).any() == ("three" in kept)


def test_heavy_tails_are_taken_as_logarithms_or_quantiles_and_others_as_they_are() -> None:
    generator = np.random.default_rng(0)
    signs = generator.choice([-1, 1], 5000)
    normal, spread = generator.normal(5, 2, 5000), np.exp(generator.normal(0, 2, 5000))
    made = {
        name: FEATURES["number"].fit(name, "item", pl.Series(values))
        for name, values in (
            ("normal", normal),
            ("price", spread),
            ("balance", spread * signs),
        )
    }
    assert not made["normal"].log and not made["normal"].edges
    assert made["price"].log and not made["price"].edges
    assert made["balance"].edges and not made["balance"].log
    for feature, values in zip(made.values(), (normal, spread, spread * signs), strict=True):
        scaled = feature.encode(pl.Series(np.sort(values)))
        assert (np.diff(scaled) >= 0).all()  # the order stays
        assert abs(scaled).max() < 7


def test_quantiles_are_places_among_the_fitted_values() -> None:
    feature = fit_number("one", "item", np.arange(101.0), edges=True)
    places = feature.scale(np.array([0.0, 25.0, 50.0, 100.0, -5.0, 900.0])) * feature.std + feature.mean
    assert np.allclose(places, [0, 0.25, 0.5, 1, 0, 1], atol=1e-6)
    tied = fit_number("one", "item", np.array([0.0] * 50 + [1.0] * 50), edges=True)
    low, high = tied.scale(np.array([0.0, 1.0])) * tied.std + tied.mean
    assert low < 0.3 and high > 0.7


def test_a_time_has_a_linear_part_and_turns_with_the_day_and_the_week() -> None:
    six, sunday = fitted("time").encode(COLUMNS["time"])[:2]  # Thursday, 6:00; Sunday, 0:00
    assert np.allclose(six[[1, 3]], [1.0, 0.0], atol=1e-6)  # a quarter of the day
    assert np.allclose(sunday[[1, 3]], [0.0, 1.0], atol=1e-6)
    turn = 2 * np.pi * 6 / 7  # Monday is 0
    assert np.allclose(sunday[[2, 4]], [np.sin(turn), np.cos(turn)], atol=1e-6)


def test_words_and_pairs_of_words_are_hashed_alike_in_any_process() -> None:
    import zlib

    rows = hashed_words(pl.Series(["Two cities", None, "Straße 9", "  "]), 1000, 6)
    expected = [zlib.crc32(word.encode()) % 1000 + 1 for word in ("two", "cities", "two cities")]
    assert rows[0].tolist() == [*expected, 0, 0, 0]
    assert not rows[1].any() and not rows[3].any()
    assert rows[2, 0] == zlib.crc32("straße".encode()) % 1000 + 1
    assert buckets_of(pl.Series(["x", None], dtype=pl.String), 10).tolist() == [zlib.crc32(b"x") % 10, -1]


def test_vectors_of_another_length_or_with_gaps_are_missing() -> None:
    feature = fitted("vector")
    assert feature.width == 3
    given = [[1.0, 2.0, 3.0], [1.0, None, 3.0], [1.0, float("inf"), 3.0], [1.0, 2.0]]
    rows = feature.encode(pl.Series("one", given))
    assert rows[0].any() and not rows[1:].any()
    assert np.allclose(rows[0] * feature.std + feature.mean, [1, 2, 3], atol=1e-6)
