"""The best rows are those of a plain sort, ties and all."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation import top
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.top import LeftOut, best, from_scores, from_vectors
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import Floats, Ints


def plainly(scores: Floats, k: int, left_out: LeftOut) -> list[list[int]]:
    found = []
    for number, row in enumerate(scores):
        banned = set(left_out.rows[left_out.offsets[number] : left_out.offsets[number + 1]].tolist()) | {0}
        allowed = [column for column in range(len(row)) if column not in banned and row[column] > -np.inf]
        chosen = sorted(allowed, key=lambda column: (-row[column], column))[:k]
        found.append(chosen + [0] * (k - len(chosen)))
    return found


@pytest.mark.parametrize("kind", ["different", "tied", "nearly all alike", "all alike", "broken"])
def test_random_scores_agree_with_a_plain_sort(kind: str) -> None:
    generator = np.random.default_rng(0)
    for n_items, k in [(2, 1), (5, 10), (130, 3), (400, 10), (900, 25)]:
        scores = generator.normal(size=(20, n_items)).astype(np.float32)
        if kind == "tied":
            scores = np.round(scores)
        if kind == "nearly all alike":
            scores = np.where(generator.random(scores.shape) < 0.01, scores, 0.0).astype(np.float32)
        if kind == "all alike":
            scores[:] = 3.0
        if kind == "broken":
            scores[generator.random(scores.shape) < 0.3] = np.nan
            scores[generator.random(scores.shape) < 0.3] = -np.inf
            scores[0], scores[1] = np.nan, -np.inf
        had = LeftOut.of(generator.integers(0, 20, 200), generator.integers(0, n_items, 200), n_users=20)
        told = best(scores.copy(), k, left_out=had)
        assert told.rows.tolist() == plainly(scores, k, had)
        filled = told.rows > 0
        owners = np.broadcast_to(np.arange(20)[:, None], told.rows.shape)
        assert np.array_equal(told.scores[filled], scores[owners[filled], told.rows[filled]])
        assert (told.scores[~filled] == -np.inf).all()


def test_what_is_left_out_follows_its_user() -> None:
    had = LeftOut.of(np.array([2, 0, 2]), np.array([5, 3, 1]), n_users=3)
    taken = had.take(np.array([2, 1, 2, 0]))
    assert taken.offsets.tolist() == [0, 2, 2, 4, 5] and taken.rows.tolist() == [5, 1, 5, 1, 3]


@pytest.mark.parametrize("cells", [1, 300, 2_000_000])
def test_vectors_and_scores_are_systems_whatever_the_chunk(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "CELLS", cells)
    generator = np.random.default_rng(1)
    users, items = generator.integers(-4, 5, (30, 8)), generator.integers(-4, 5, (90, 8))
    had = LeftOut.of(np.repeat(np.arange(30), 5), generator.integers(0, 90, 150), n_users=30)
    users32, items32 = users.astype(np.float32), items.astype(np.float32)
    expected = plainly(users32 @ items32.T, 7, had)  # small whole numbers: the same in any order of summing
    system = from_vectors(users32, items32, left_out=had)
    assert system(np.arange(30), 7).tolist() == expected
    at = np.array([4, 29, 4])
    assert system(at, 7).tolist() == [expected[user] for user in at]

    def scores(asked: Ints) -> Floats:
        return users32[asked] @ items32.T

    truth = Truth.of(np.arange(30), np.array([row[0] for row in expected]), n_users=30)
    means = measure(from_scores(scores, n_items=90, left_out=had), truth, n_items=90, ks=(1,)).means()
    assert means["HR@1"] == 1.0


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match="k=0 is out of range; take a length of list from 1 up"):
        best(np.ones((1, 3), np.float32), 0)
    with pytest.raises(DataError, match=r"one width, \[U, D\] and \[I, D\], got \(2, 3\), \(4, 5\)"):
        from_vectors(np.ones((2, 3), np.float32), np.ones((4, 5), np.float32))
    with pytest.raises(DataError, match=r"scores of 2 users are \[2, 6\], got \(2, 5\)"):
        from_scores(lambda users: np.ones((len(users), 5), np.float32), n_items=6)(np.arange(2), 1)
