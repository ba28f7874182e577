"""Any function is measured by the same lines."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.metrics import Catalogue
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import Ints

TRUTH = Truth.of(np.array([0, 1, 1, 3]), np.array([1, 2, 3, 4]), n_users=4)  # user 2 took nothing


def same_for_all(users: Ints, k: int) -> Ints:
    return np.tile(np.array([1, 2, 5, 3])[:k], (len(users), 1))


def test_every_metric_is_taken_at_every_k() -> None:
    measured = measure(same_for_all, TRUTH, n_items=6, ks=(1, 3))
    assert measured.of_users["HR@1"].tolist() == pytest.approx([1, 0, np.nan, 0], nan_ok=True)
    assert measured.of_users["Recall@3"].tolist() == pytest.approx([1, 1 / 2, np.nan, 0], nan_ok=True)
    means = measured.means()
    assert means["HR@1"] == pytest.approx(1 / 3)
    assert means["Recall@3"] == pytest.approx(1.5 / 3)
    assert means["Coverage@1"] == pytest.approx(1 / 5)
    assert means["Coverage@3"] == pytest.approx(3 / 5)
    assert "Diversity@3" not in means and "FeatureDiversity@3" not in means


def test_the_lists_are_kept_and_users_without_truth_are_not_asked() -> None:
    asked: list[int] = []

    def system(users: Ints, k: int) -> Ints:
        asked.extend(users.tolist())
        return same_for_all(users, k)

    measured = measure(system, TRUTH, n_items=6, ks=(3,), chunk=2)
    assert asked == [0, 1, 3]
    assert measured.lists.tolist() == [[1, 2, 5], [1, 2, 5], [0, 0, 0], [1, 2, 5]]
    assert measured.counted.tolist() == [True, True, False, True]


def test_the_chunk_does_not_change_the_figures() -> None:
    generator = np.random.default_rng(0)
    truth = Truth.of(generator.integers(0, 50, 300), generator.integers(1, 40, 300), n_users=50)
    lists = generator.integers(0, 40, (50, 10))
    vectors, tokens = generator.normal(size=(40, 3)).astype(np.float32), generator.integers(0, 5, (40, 2))
    whole, parts = (
        measure(
            lambda users, k: lists[users, :k],
            truth,
            n_items=40,
            ks=(5, 10),
            vectors=vectors,
            tokens=tokens,
            chunk=chunk,
        )
        for chunk in (1024, 7)
    )
    assert whole.means() == parts.means()
    assert {"Diversity@5", "FeatureDiversity@10"} <= whole.means().keys()


def test_a_system_that_knows_the_truth_is_perfect() -> None:
    answers = np.array([[1, 0], [3, 2], [0, 0], [4, 0]])
    means = measure(lambda users, k: answers[users, :k], TRUTH, n_items=6, ks=(2,)).means()
    assert means["NDCG@2"] == means["MAP@2"] == means["Recall@2"] == means["HR@2"] == 1.0


def test_shorter_lists_end_in_empty_places() -> None:
    measured = measure(lambda users, k: np.full((len(users), 1), 1), TRUTH, n_items=6, ks=(4,))
    assert measured.lists[0].tolist() == [1, 0, 0, 0]
    assert measured.of_users["Precision@4"][0] == 1 / 4


def test_groups_of_users_are_shown_beside_all() -> None:
    slices = {"new_users": np.array([True, False, True, False]), "nobody": np.zeros(4, bool)}
    means = measure(same_for_all, TRUTH, n_items=6, ks=(3,), slices=slices).means()
    assert means["new_users/HR@3"] == 1.0
    assert means["HR@3"] == pytest.approx(2 / 3)
    assert not any(name.startswith("nobody") for name in means)


def test_a_truth_without_users_has_no_figures() -> None:
    measured = measure(same_for_all, Truth.of(np.array([], int), np.array([], int), n_users=3), n_items=6)
    assert measured.means() == {"Coverage@10": 0.0}


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ks=\(0,\) is out of range; take one or more lengths"):
        measure(same_for_all, TRUTH, n_items=6, ks=(0,))
    with pytest.raises(ConfigError, match=r"ks=\(\) is out of range"):
        measure(same_for_all, TRUTH, n_items=6, ks=())
    with pytest.raises(DataError, match=r"whole numbers \[3, 2\] for 3 users and k=2, got float64 of shape \(3, 2\)"):
        measure(lambda users, k: np.zeros((len(users), k)), TRUTH, n_items=6, ks=(2,))  # type: ignore[arg-type, return-value]
    with pytest.raises(DataError, match=r"got int64 of shape \(3, 3\)"):
        measure(lambda users, k: np.zeros((len(users), k + 1), int), TRUTH, n_items=6, ks=(2,))
    with pytest.raises(DataError, match="gave item row 5, the catalogue ends at 4; give rows, not ids"):
        measure(same_for_all, TRUTH, n_items=5)
    with pytest.raises(DataError, match=r"vectors has a row for each item, row 0 included: \[6, ...\], got \(5, 2\)"):
        measure(same_for_all, TRUTH, n_items=6, vectors=np.zeros((5, 2), np.float32))
    with pytest.raises(DataError, match=r"slice 'new' says .* bool \[4\], got int64 \(3,\)"):
        measure(same_for_all, TRUTH, n_items=6, slices={"new": np.zeros(3, int)})
    with pytest.raises(ConfigError, match="a slice is named 'a/b'"):
        measure(same_for_all, TRUTH, n_items=6, slices={"a/b": np.zeros(4, bool)})


def test_groups_of_items_have_the_truth_cut_down_to_them() -> None:
    # Users 0, 1, 3 took {1}, {2, 3}, {4}; everybody is shown 1, 2, 5.
    groups = {"rare": np.array([False, False, False, True, True, True]), "none": np.zeros(6, bool)}
    measured = measure(same_for_all, TRUTH, catalogue=Catalogue(6, groups=groups), ks=(3, 4))
    assert measured.item_slices["rare"]["Recall@3"].tolist() == pytest.approx([np.nan, 0, np.nan, 0], nan_ok=True)
    assert measured.item_slices["rare"]["Recall@4"].tolist() == pytest.approx([np.nan, 1, np.nan, 0], nan_ok=True)
    means = measured.means()
    assert means["rare/Recall@4"] == means["rare/HR@4"] == 1 / 2
    # The list stays as it is: item 3 stands in place 4, whatever was before it.
    assert means["rare/NDCG@4"] == pytest.approx(1 / np.log2(5) / 2)
    assert means["rare/Exposure@3"] == pytest.approx(1 / 3) and means["none/Exposure@3"] == 0.0
    assert not any(name.startswith("none/Recall") for name in means)


def test_serendipity_is_what_the_popularity_list_would_not_have_found() -> None:
    popularity = np.array([0.0, 9, 5, 0, 0, 7])  # popular are 1, then 5
    answers = np.array([[1, 4], [2, 3], [0, 0], [5, 4]])

    def system(users: Ints, k: int) -> Ints:
        return answers[users, :k]

    measured = measure(system, TRUTH, catalogue=Catalogue(6, popularity=popularity), ks=(2,))
    assert measured.of_users["Serendipity@2"].tolist() == pytest.approx([0, 1, np.nan, 1 / 2], nan_ok=True)
    assert {"ARP@2", "Novelty@2", "PopularityPercentile@2", "Gini@2"} <= measured.of_lists.keys()
    own = np.array([[5, 2], [3, 1], [1, 2], [1, 4]])  # what popularity gives each of them, their past taken out
    beside = measure(system, TRUTH, n_items=6, expected=own, ks=(2,))
    assert beside.of_users["Serendipity@2"].tolist() == pytest.approx([1 / 2, 1 / 2, np.nan, 0], nan_ok=True)
    assert "Serendipity@10" not in measure(same_for_all, TRUTH, n_items=6).of_users


def test_a_catalogue_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="told once: give either catalogue=.* or n_items"):
        measure(same_for_all, TRUTH)
    with pytest.raises(ConfigError, match="told once"):
        measure(same_for_all, TRUTH, n_items=6, catalogue=Catalogue(6))
    with pytest.raises(DataError, match=r"popularity has a number for each item, row 0 included: \[6\], got \(5,\)"):
        measure(same_for_all, TRUTH, catalogue=Catalogue(6, popularity=np.ones(5)))
    with pytest.raises(DataError, match=r"slice 'tail' says of each item .* bool \[6\], got bool \(5,\)"):
        measure(same_for_all, TRUTH, catalogue=Catalogue(6, groups={"tail": np.ones(5, bool)}))
    with pytest.raises(ConfigError, match=r"\['tail'\] names a slice of users and one of items"):
        measure(
            same_for_all,
            TRUTH,
            catalogue=Catalogue(6, groups={"tail": np.ones(6, bool)}),
            slices={"tail": np.ones(4, bool)},
        )
    with pytest.raises(DataError, match=r"expected holds the list of each user, \[4, K\], got shape \(3, 2\)"):
        measure(same_for_all, TRUTH, n_items=6, expected=np.ones((3, 2), int))
