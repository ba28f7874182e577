"""Item neighbours by hand, and against the plain formulas on dense matrices."""

import numpy as np
import pytest
import scipy.sparse

from enterprise_recsys.baselines import neighbours
from enterprise_recsys.baselines.neighbours import ItemKNN, ItemKNNBM25
from enterprise_recsys.baselines.sources import taken
from enterprise_recsys.errors import ConfigError
from tests.baselines.worlds import asked, events_of

EVENTS = events_of([(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4), (6, 1)])


def random_events(users: int = 30, items: int = 12, seed: int = 3):
    generator = np.random.default_rng(seed)
    return events_of([(u, i) for u in range(1, users) for i in range(1, items) if generator.random() < 0.3])


def test_cosine_by_hand() -> None:
    # Items 3 and 4 share users 4 and 5; they have 3 and 2 users.
    found = ItemKNN(EVENTS, 7, 5, shrink=10.0).candidates(asked([3], [2]), 1)
    assert found.rows[:, 0].tolist() == [4, 1]
    assert np.isclose(found.scores[0, 0], 2 / (np.sqrt(3 * 2) + 10.0), atol=1e-5)


def test_each_item_keeps_its_nearest_only() -> None:
    # Item 1 is taken with 2 (twice) and with 3 (once): with one neighbour, only 2 remains.
    one = ItemKNN(EVENTS, 7, 5, neighbours=1, shrink=0.0).candidates(asked([1]), 3)
    assert one.rows[0, 0] == 2 and one.scores[0, 0] > 0.5 and (one.scores[0, 1:] < 1e-5).all()


def test_cosine_is_that_of_a_dense_matrix_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 5)
    events = random_events()
    dense = taken(events, 30, 12).toarray().astype(float)
    length = np.linalg.norm(dense, axis=0)
    similar = dense.T @ dense / np.maximum(length[:, None] * length[None, :] + 2.0, 1e-9)
    np.fill_diagonal(similar, 0.0)
    for row in similar:
        row[np.argsort(-row, kind="stable")[4:]] = 0.0
    found = ItemKNN(events, 30, 12, neighbours=4, shrink=2.0).candidates(asked([2, 7]), 11)
    scores = similar[2] + similar[7]
    places = found.rows[0][found.rows[0] > 0]
    assert np.allclose(found.scores[0, : len(places)], scores[places], atol=2e-6)


def test_the_largest_values_of_each_row_are_the_same_however_many_are_sorted_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(0)
    dense = generator.integers(0, 4, (30, 20)).astype(np.float32) * (generator.random((30, 1)) < 0.7)
    dense[:, 0] = 0.0
    monkeypatch.setattr(neighbours, "_SORTED", 7)
    rows, values = neighbours.largest(scipy.sparse.csr_matrix(dense), 5)
    for own, found, told in zip(dense, rows, values, strict=True):
        order = np.argsort(-own, kind="stable")[:5]
        assert told.tolist() == own[order].tolist() and found[told > 0].tolist() == order[own[order] > 0].tolist()
    assert neighbours.largest(scipy.sparse.csr_matrix((3, 3)), 5)[0].tolist() == [[0], [0], [0]]


def test_bm25_by_hand() -> None:
    # 4 items; users 1 to 5 have 2 of them: rarity log 4 - log 3.
    # Items have 4, 2, 3 and 2 users, 2.75 in the mean; k1 = 1, b = 0.5: weight 2 / (length + 1) * rarity.
    length = {item: 0.5 + 0.5 * count / 2.75 for item, count in {1: 4, 2: 2, 3: 3, 4: 2}.items()}
    weight = {item: 2.0 / (one + 1.0) * np.log(4.0 / 3.0) for item, one in length.items()}
    found = ItemKNNBM25(EVENTS, 7, 5, k1=1.0, b=0.5).candidates(asked([3]), 2)
    assert found.rows[0].tolist() == [4, 1]  # items 3 and 4 share users 4 and 5; 3 and 1 share user 3
    assert np.allclose(found.scores[0], [2 * weight[3] * weight[4], weight[3] * weight[1]], atol=2e-6)


def test_bm25_weights_are_those_of_implicit_but_for_the_floor() -> None:
    library = pytest.importorskip("implicit.nearest_neighbours", reason="implicit is not installed")
    events = random_events()
    # The library counts an empty row and column as a user and an item; ours are those with events.
    theirs = library.bm25_weight(taken(events, 30, 12)[1:, 1:].T.tocoo(), K1=1.7, B=0.4).toarray()
    similar = theirs @ theirs.T
    found = ItemKNNBM25(events, 30, 12, neighbours=11, k1=1.7, b=0.4).candidates(asked([3]), 5)
    assert (theirs >= 0).all()
    assert np.allclose(found.scores[0], np.sort(np.delete(similar[2], 2))[::-1][:5], rtol=1e-4)


def test_a_user_without_a_past_gets_the_popular_items() -> None:
    for source in (ItemKNN(EVENTS, 7, 5), ItemKNNBM25(EVENTS, 7, 5)):
        assert source.candidates(asked([]), 4).rows[0].tolist() == [1, 3, 2, 4]


def test_dials_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="neighbours=0 is out of range; it is a number of items, 1 or more"):
        ItemKNN(EVENTS, 7, 5, neighbours=0)
    with pytest.raises(ConfigError, match="shrink=-1 is out of range"):
        ItemKNN(EVENTS, 7, 5, shrink=-1)
    with pytest.raises(ConfigError, match="k1=1.2, b=2: k1 is over 0 and b from 0 to 1"):
        ItemKNNBM25(EVENTS, 7, 5, b=2)


def test_the_table_of_neighbours_holds_what_the_scores_are_made_of() -> None:
    knn = ItemKNN(random_events(), 30, 12, neighbours=4)
    rows, weights = knn.table()
    assert rows.shape == weights.shape == (12, 4) and (np.diff(weights, axis=1) <= 0).all()
    for item in range(1, 12):
        found = knn.candidates(asked([item]), 4)
        assert found.rows[0].tolist() == rows[item].tolist()
        assert np.allclose(found.scores[0], weights[item], atol=1e-5)  # what is beyond is popularity, for ties
