"""Groups are who they say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.metrics import Catalogue
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.slices import Groups, by_activity, by_feature, by_popularity, standard
from enterprise_recsys.evaluation.truth import Truth


def members(groups: Groups) -> dict[str, list[int]]:
    return {name: np.flatnonzero(mask).tolist() for name, mask in groups.items()}


def test_users_by_activity() -> None:
    assert members(by_activity(np.array([0, 5, 1, 9, 2, 0, 7, 3]))) == {
        "new_users": [0, 5],
        "low_activity": [2, 4],
        "middle_activity": [1, 7],
        "high_activity": [3, 6],
    }
    assert members(by_activity(np.array([0, 4, 4, 4]))) == {"new_users": [0], "high_activity": [1, 2, 3]}
    assert members(by_activity(np.zeros(2, int))) == {"new_users": [0, 1]}
    assert list(by_activity(np.arange(1, 9), parts=4)) == ["new_users", *(f"{part}_activity" for part in (1, 2, 3, 4))]


def test_items_are_cut_by_share_of_events_and_not_of_items() -> None:
    # Of 100 events the first item alone holds a fifth and more, and the four that have 5 each hold the last fifth.
    popularity = np.array([999.0, 30, 30, 20, 5, 5, 5, 5, 0, 0])
    assert members(by_popularity(popularity)) == {
        "head_items": [1],
        "middle_items": [2, 3],
        "tail_items": [4, 5, 6, 7],
        "new_items": [0, 8, 9],
    }
    assert members(by_popularity(popularity, head=0.31))["head_items"] == [1, 2]


def test_every_item_is_in_one_group_and_the_shares_hold() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        popularity = np.floor(generator.pareto(1.0, 200) * 3)
        groups = by_popularity(popularity)
        assert (np.sum(list(groups.values()), axis=0)[1:] == 1).all()
        held = {name: popularity[1:][mask[1:]].sum() / popularity[1:].sum() for name, mask in groups.items()}
        assert held["head_items"] >= 0.2 and held.get("tail_items", 0.0) <= 0.2 + 1e-9
        assert not popularity[1:][groups["new_items"][1:]].any()


def test_any_feature_makes_groups() -> None:
    gender = pl.Series("gender", [None, "F", "M", "F"])
    assert members(by_feature(gender)) == {"gender_F": [1, 3], "gender_M": [2]}
    genres = pl.Series("genres", [None, "Drama", "Comedy|Drama", "Sci/Fi"])
    assert members(by_feature(genres)) == {"genres_Comedy": [2], "genres_Drama": [1, 2], "genres_Sci_Fi": [3]}
    assert members(by_feature(pl.Series("tags", [[], ["b"], ["a", "b"]]))) == {"tags_a": [2], "tags_b": [1, 2]}
    years = pl.Series("year", [None, *range(1990, 2002)])
    assert members(by_feature(years)) == {
        "year_low": [1, 2, 3, 4],
        "year_middle": [5, 6, 7, 8],
        "year_high": [9, 10, 11, 12],
    }
    assert members(by_feature(pl.Series("stars", [1, 5, 1]), name="item_stars")) == {
        "item_stars_1": [0, 2],
        "item_stars_5": [1],
    }
    assert members(by_feature(pl.Series("is_new", [True, False]))) == {"is_new_false": [1], "is_new_true": [0]}


def test_of_many_values_the_commonest_are_shown() -> None:
    values = [f"v{number:02}" for number in range(20) for _ in range(number + 1)]
    assert list(by_feature(pl.Series("v", values))) == [f"v_v{number}" for number in range(12, 20)]


def test_the_standard_groups_are_measured_as_they_are() -> None:
    of_users, of_items = standard(
        np.array([0, 3, 9]),
        np.array([0.0, 8, 2, 0]),
        users=pl.DataFrame({"user_gender": ["F", "M", "F"]}),
        items=pl.DataFrame({"item_kind": ["a", "b", "a"]}),
        features=["user_gender", "item_kind"],
    )
    assert {"new_users", "user_gender_F"} <= of_users.keys()
    assert members(of_items)["item_kind_a"] == [1, 3]
    truth = Truth.of(np.array([0, 0, 1, 2]), np.array([1, 7, 2, 3]), n_users=3)  # row 7: not in the catalogue
    means = measure(
        lambda users, k: np.tile(np.array([1, 3]), (len(users), 1)),
        truth,
        catalogue=Catalogue(4, groups=of_items),
        slices=of_users,
        ks=(2,),
    ).means()
    assert means["new_items/Recall@2"] == pytest.approx((0 + 1) / 2)  # user 0 missed row 7, user 2 found row 3
    assert means["head_items/Recall@2"] == 1.0 and means["new_users/Recall@2"] == 1 / 2
    assert means["head_items/Exposure@2"] == 1 / 2


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ConfigError, match="head=0.5, tail=0.5 leave no middle"):
        by_popularity(np.ones(4), head=0.5, tail=0.5)
    with pytest.raises(ConfigError, match="parts=0 is out of range; take 1 or more"):
        by_activity(np.ones(4), parts=0)
    users = pl.DataFrame({"user_age": [1, 2]})
    with pytest.raises(ConfigError, match="'age' is in neither table; known: user_age"):
        standard(np.ones(2), np.ones(3), users=users, features=["age"])
    with pytest.raises(DataError, match="users has a row for each user: 3, got 2"):
        standard(np.ones(3), np.ones(3), users=users)
    with pytest.raises(DataError, match="items has a row for each item: 9, row 0 included, got 2"):
        standard(np.ones(3), np.ones(9), items=users)
