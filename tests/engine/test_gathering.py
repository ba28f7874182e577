"""Neighbours of a history, and the candidates of all sources in one list."""

import numpy as np
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.engine import neighbours
from enterprise_recsys.engine.gathering import Asked, Quotas, Taken, gather, quotas
from enterprise_recsys.engine.indexes import Allowed, exact
from enterprise_recsys.engine.neighbours import Neighbours, Related
from enterprise_recsys.records import Ranked

# Items 1 to 6; 1 is near to 2 (.5) and 3 (.25), 2 is near to 3 (.5), the others to nothing.
NEAR = Neighbours.of(
    np.array([[0, 0], [2, 3], [3, 0], [0, 0], [0, 0], [0, 0], [0, 0]]),
    np.array([[0, 0], [0.5, 0.25], [0.5, 0], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=np.float32),
)
# After 2 comes 6, at times 4; after 1 comes 5.
SOON = Neighbours.of(
    np.array([[0, 0], [5, 0], [6, 4], [0, 0], [0, 0], [0, 0], [0, 0]]),
    np.array([[0, 0], [0.25, 0], [0.5, 0.125], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=np.float32),
    half_life=2.0,
)
RELATED = Related(NEAR, SOON)


def test_what_neighbours_say_is_summed_over_the_history() -> None:
    said = NEAR.said(np.array([[0, 1, 2], [0, 0, 0], [1, 1, 4]]))
    rows = np.array([[2, 3, 5], [2, 3, 5], [2, 3, 0]])
    assert said.of(rows).tolist() == [[0.5, 0.75, 0.0], [0.0, 0.0, 0.0], [1.0, 0.5, 0.0]]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("half_life", [None, 2.0])
def test_counted_and_sorted_sums_have_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, size: int, half_life: float | None
) -> None:
    generator = np.random.default_rng(0)
    weights = generator.random((200, 30)).astype(np.float32)
    near = Neighbours.of(generator.integers(0, 200, (200, 30)), weights, half_life)
    near.weights[:, ::7] = 0.0  # next to nothing, and yet near
    histories, found = generator.integers(0, 200, (size, 40)), []
    for sparse in (0, 1000):
        monkeypatch.setattr(neighbours, "_SPARSE", sparse)
        found.append(near.said(histories))
    assert np.array_equal(found[0].keys, found[1].keys) and np.array_equal(found[0].sums, found[1].sums)
    assert found[0].sums.dtype == found[1].sums.dtype == np.float32 and len(found[0].keys) > 150 * size


def test_nobody_is_near_where_there_are_no_neighbours() -> None:
    said = Related.none(7).said(np.array([[1, 2]]))
    assert said.of(np.array([[1, 2, 3]])).tolist() == [[[0.0, 0.0]] * 3]


def test_followers_of_what_was_taken_last_count_most() -> None:
    # An event back counts sqrt(1/2), two back a half; what the neighbours say does not fade.
    said = RELATED.said(np.array([[1, 2, 3], [0, 0, 2]])).of(np.array([[5, 6, 3], [6, 4, 0]]))
    assert said[:, :, 1] == pytest.approx(np.array([[0.125, 0.5 * 0.5**0.5, 0.0], [0.5, 0.125, 0.0]]), rel=1e-3)
    assert said[0, :, 0].tolist() == [0.0, 0.0, 1.0]


def test_what_neighbours_say_is_told_as_shares_of_what_they_say_most() -> None:
    # Of 1, 2: .5 for 2 and .75 for 3; twice the history, of which all say the same, changes nothing.
    rows = np.array([[2, 3, 5]])
    for history in ([1, 2], [1, 1, 2, 2]):
        assert NEAR.said(np.array([history])).shares(rows)[0] == pytest.approx([2 / 3, 1.0, 0.0])
    both = NEAR.said(np.array([[0, 1], [0, 0], [1, 2]])).shares(np.repeat(rows, 3, axis=0))
    assert both == pytest.approx(np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0], [2 / 3, 1.0, 0.0]]))
    nothing = Neighbours(NEAR.rows, np.zeros_like(NEAR.weights))
    assert nothing.said(np.array([[1, 2]])).shares(rows).tolist() == [[0.0, 0.0, 0.0]]


def test_followers_are_asked_of_the_newest_events_alone() -> None:
    history = np.array([[2, *[3] * neighbours.REACH]])
    assert not SOON.said(history).of(np.array([[6]])).any() and SOON.said(history[:, :-1]).of(np.array([[6]])).any()


@pytest.mark.parametrize("half_life", [None, 2.0])
def test_sums_and_shares_do_not_depend_on_what_they_are_batched_with(
    monkeypatch: pytest.MonkeyPatch, half_life: float | None
) -> None:
    monkeypatch.setattr(neighbours, "_CELLS", 500)  # five histories at a time
    generator = np.random.default_rng(0)
    near = Neighbours.of(generator.integers(0, 50, (50, 8)), generator.random((50, 8)).astype(np.float32), half_life)
    histories, rows = generator.integers(0, 50, (20, 12)), np.tile(np.arange(50), (20, 1))
    together = near.said(histories)
    alone = [near.said(histories[[one]]) for one in range(20)]
    assert np.array_equal(together.of(rows), np.concatenate([one.of(rows[:1]) for one in alone]))
    assert np.array_equal(together.shares(rows), np.concatenate([one.shares(rows[:1]) for one in alone]))


def _gathered(history: list[int], left_out: list[int], late: list[int], wanted: Quotas) -> list[list[int]]:
    vectors = np.array([[0, 0], [1, 0], [0.9, 0.1], [0.5, 0.5], [0, 1], [0, 0.9], [0.1, 0.8]], dtype=np.float32)
    asked = Asked(
        np.array([history]), np.array([0, len(left_out)]), np.array(left_out, dtype=np.int64), np.array([late])
    )
    found = gather(np.array([[1.0, 0.0]], np.float32), vectors, exact(vectors).search, RELATED, wanted, asked)
    held = found.rows[0] > 0
    cosines = vectors[found.rows[0]] @ np.array([1.0, 0.0])
    assert np.allclose(found.scores[0][held], cosines[held]) and np.isinf(found.scores[0][~held]).all()
    return [found.rows[0].tolist(), found.sources[0].tolist()]


def test_each_source_adds_its_best_that_none_before_has_given() -> None:
    rows, sources = _gathered([1, 2], [1, 2], [4, 3, 5], Quotas(1, 1, 0, 1))
    # Of what may be given the towers like 3 best; neighbours would give 3 too and have nothing else; 4 trends.
    # What neighbours leave empty is the next best of the towers.
    assert rows == [3, 6, 4] and sources == [0, 0, 3]
    rows, sources = _gathered([1], [1], [2, 6, 5], Quotas(1, 2, 0, 2))
    assert rows == [2, 3, 4, 6, 5] and sources == [0, 1, 0, 3, 3]


def test_what_often_comes_next_is_a_source() -> None:
    # 5 and 6 follow; they come after what neighbours say and before what trends.
    rows, sources = _gathered([1, 2], [1, 2], [4], Quotas(1, 0, 2, 1))
    assert rows == [3, 6, 5, 4] and sources == [0, 2, 2, 3]
    rows, sources = _gathered([1], [1], [4], Quotas(1, 2, 2, 1))
    assert rows == [2, 3, 6, 5, 4] or (rows[:2], sources) == ([2, 3], [0, 1, 0, 2, 0, 3])


def test_what_the_user_had_is_a_source_where_repeats_are_wanted() -> None:
    rows, sources = _gathered([4, 6, 4], [], [5], Quotas(1, 0, 0, 1, 2))
    assert rows == [1, 5, 4, 6] and sources == [0, 3, 4, 4]
    rows, sources = _gathered([4, 6, 4], [4], [5], Quotas(1, 0, 0, 1, 2))
    assert rows == [1, 5, 6, 2] and sources == [0, 3, 4, 0]


def test_what_is_left_out_comes_from_no_source() -> None:
    rows, sources = _gathered([1, 2], [1, 2, 3, 4], [3, 4, 5], Quotas(1, 2, 0, 2))
    assert rows == [6, 0, 0, 5, 0] and sources == [0, 0, 0, 3, 0]


def test_a_user_without_a_past_has_as_many_candidates() -> None:
    rows, sources = _gathered([0], [], [0], Quotas(2, 1, 0, 2))
    # 4 and 5 are as far away; which of two with the last place's score is found is left to FAISS.
    assert rows[:4] == [1, 2, 3, 6] and rows[4] in (4, 5) and sources == [0] * 5
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(200, 4)).astype(np.float32)
    queries = generator.normal(size=(9, 4)).astype(np.float32)
    near = Neighbours.of(generator.integers(1, 200, (200, 5)), generator.random((200, 5)).astype(np.float32))
    related = Related(near, Neighbours.none(200))
    history = generator.integers(1, 200, (9, 4)) * np.array([[0], [1], [1]] * 3)
    late = generator.permuted(np.tile(np.arange(1, 200), (9, 1)), axis=1)[:, :10]
    left_out, offsets = generator.integers(1, 200, 27), np.arange(10) * 3
    asked = Asked(history, offsets, left_out, late)
    found = gather(queries, vectors, exact(vectors).search, related, Quotas(20, 30, 0, 5), asked)
    for place, row in enumerate(found.rows):
        assert len(set(row.tolist())) == 55 and 0 not in row
        assert not set(row.tolist()) & set(left_out[3 * place : 3 * place + 3].tolist())
        # What the towers gave in all is the best of theirs that no other source gave.
        given = row[found.sources[place] == 0]
        others = np.setdiff1d(np.arange(1, 200), np.concatenate([row, left_out[3 * place : 3 * place + 3]]))
        assert (vectors[given] @ queries[place]).min() >= (vectors[others] @ queries[place]).max()


def test_no_item_stands_twice_and_none_is_left_out_by_chance() -> None:
    generator = np.random.default_rng(1)
    size, n_items = 40, 60
    vectors = generator.normal(size=(n_items, 4)).astype(np.float32)
    near = Neighbours.of(
        generator.integers(0, n_items, (n_items, 5)), generator.random((n_items, 5)).astype(np.float32)
    )
    soon = Neighbours.of(near.rows[::-1], near.weights[::-1], 2.0)
    related = Related(near, soon)
    counts = generator.integers(0, 20, size)
    left_out = np.concatenate([generator.choice(n_items - 1, count, replace=False) + 1 for count in counts])
    asked = Asked(
        generator.integers(0, n_items, (size, 6)),
        np.concatenate([[0], np.cumsum(counts)]),
        left_out,
        np.stack([generator.permutation(n_items)[:30] for _ in range(size)]),
    )
    queries = generator.normal(size=(size, 4)).astype(np.float32)
    found = gather(queries, vectors, exact(vectors).search, related, Quotas(10, 8, 5, 8), asked)
    for place, rows in enumerate(found.rows):
        held = rows[rows > 0]
        banned = left_out[asked.offsets[place] : asked.offsets[place + 1]]
        assert len(set(held.tolist())) == len(held) and not set(held.tolist()) & set(banned.tolist())
        assert (rows[:10] > 0).all()


@pytest.mark.parametrize(
    ("n_items", "expected"), [(1000, Quotas(200, 60, 60, 40)), (231, Quotas(200, 30, 0, 0)), (11, Quotas(10, 0, 0, 0))]
)
def test_quotas_are_cut_to_the_catalogue_from_the_end(n_items: int, expected: Quotas) -> None:
    assert quotas(ModelConfig(), n_items, follows=True) == expected
    assert expected.depth == min(360, n_items - 1)


def test_there_are_places_for_what_the_user_had_where_repeats_are_wanted() -> None:
    assert quotas(ModelConfig(repeats=True), 1000, follows=True) == Quotas(200, 60, 60, 40, 50)


def test_where_nothing_follows_there_are_no_places_for_it() -> None:
    assert RELATED.follows and not Related.none(7).follows
    assert quotas(ModelConfig(), 1000, follows=False) == Quotas(200, 60, 0, 40)


def test_joint_training_has_no_neighbours() -> None:
    assert quotas(ModelConfig(training="joint"), 1000, follows=False).neighbours == 0


def test_a_list_longer_than_the_quota_is_filled_by_the_towers() -> None:
    assert Quotas(200, 60, 0, 40).at_least(500) == Quotas(500, 60, 0, 40)


def test_items_that_came_later_have_no_neighbours_and_disturb_nobodys() -> None:
    # Rows 7 and 8 came after the neighbours were counted; a request's keys must not run into the next one's.
    histories = np.array([[8, 1, 2], [7, 8, 0], [1, 1, 8]])
    rows = np.array([[2, 3, 7, 8], [2, 3, 7, 8], [2, 3, 8, 0]])
    said = NEAR.said(histories, 9).of(rows)
    assert said.tolist() == [[0.5, 0.75, 0.0, 0.0], [0.0] * 4, [1.0, 0.5, 0.0, 0.0]]


def test_candidates_over_a_catalogue_that_has_grown_are_those_of_each_request_alone() -> None:
    generator = np.random.default_rng(2)
    size, known, n_items = 20, 40, 55
    vectors = generator.normal(size=(n_items, 4)).astype(np.float32)
    near = Neighbours.of(generator.integers(0, known, (known, 5)), generator.random((known, 5)).astype(np.float32))
    related = Related(near, Neighbours.of(near.rows[::-1], near.weights[::-1], 2.0))
    history, queries = generator.integers(0, known, (size, 6)), generator.normal(size=(size, 4)).astype(np.float32)
    late = np.stack([generator.permutation(n_items)[:30] for _ in range(size)])
    left_out = generator.integers(1, n_items, 3 * size)
    allowed = generator.random(n_items) < 0.8

    def search(queries: np.ndarray, k: int, offsets: np.ndarray, left_out: np.ndarray) -> Ranked:
        return exact(vectors).search(queries, k, offsets, left_out, Allowed(allowed & (np.arange(n_items) > 0)))

    wanted = Quotas(8, 8, 8, 8)
    asked = Asked(history, np.arange(size + 1) * 3, left_out, late, allowed)
    found = gather(queries, vectors, search, related, wanted, asked)
    assert (found.rows >= known).any() and allowed[found.rows[found.rows > 0]].all()
    assert not (found.said[found.rows >= known]).any()
    for place in range(size):
        own = left_out[3 * place : 3 * place + 3]
        one = Asked(history[[place]], np.array([0, 3]), own, late[[place]], allowed)
        alone = gather(queries[[place]], vectors, search, related, wanted, one)
        assert alone.rows[0].tolist() == found.rows[place].tolist()
        assert np.array_equal(alone.said[0], found.said[place])


def test_what_is_taken_is_the_same_in_a_mask_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    masked = Taken(50)
    monkeypatch.setattr("enterprise_recsys.engine.gathering._MASKED", 10)
    ordered, keys = Taken(50), np.arange(50).reshape(5, 10)
    assert not ordered.holds(keys).any()
    for taken in (masked, ordered):
        taken.add(np.array([7, 3, 3]))
        taken.add(np.array([49]))
        assert np.flatnonzero(taken.holds(keys)).tolist() == [3, 7, 49]
