"""An order that repeats itself less: worked by hand, and the formula read off item by item."""

import numpy as np
import pytest

from enterprise_recsys.records import Ranked
from enterprise_recsys.reranking.diversity import DIVERSIFIERS, mmr

# Rows 1 and 2 are alike, 3 stands at a right angle to them, 4 half way.
VECTORS = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [np.sqrt(0.5), np.sqrt(0.5)]], dtype=np.float32)


def ranked(rows: list[int], scores: list[float]) -> Ranked:
    return Ranked(np.array([rows]), np.array([scores], dtype=np.float32))


def test_at_half_the_dial_the_twin_of_the_best_stands_behind_what_is_different() -> None:
    # Relevance 1, 0.75, 0.25, 0. After row 1: row 2 gives 0.5*0.75 - 0.5 = -0.125, row 3 0.125, row 4 -0.354.
    # After row 3: row 2 0.5*0.75 - 0.5*(1 + 0)/2 = 0.125, row 4 -0.354.
    found = mmr(ranked([1, 2, 3, 4], [0.9, 0.8, 0.6, 0.5]), VECTORS, 4, 0.5)
    assert found.rows.tolist() == [[1, 3, 2, 4]]
    assert found.scores[0].tolist() == pytest.approx([0.9, 0.6, 0.8, 0.5])


def test_at_the_end_of_the_dial_only_difference_counts() -> None:
    # After rows 2 and 3 the mean cosine is (1 + 0) / 2 for row 1, and sqrt(0.5) for row 4.
    assert mmr(ranked([2, 4, 1, 3], [0.9, 0.8, 0.6, 0.5]), VECTORS, 3, 1.0).rows.tolist() == [[2, 3, 1, 4]]


@pytest.mark.parametrize("name", sorted(DIVERSIFIERS))
@pytest.mark.parametrize("dial", [0.0, 0.3, 1.0])
def test_the_same_items_come_out_and_empty_places_stay_last(name: str, dial: float) -> None:
    lists = Ranked(
        np.array([[3, 1, 2, 4], [2, 0, 0, 0], [4, 3, 0, 0]]),
        np.array([[4, 3, 2, 1], [5, -np.inf, -np.inf, -np.inf], [2, 2, -np.inf, -np.inf]], dtype=np.float32),
    )
    found = DIVERSIFIERS[name](lists, VECTORS, 4, dial)
    assert sorted(found.rows[0].tolist()) == [1, 2, 3, 4]
    assert found.rows[1].tolist() == [2, 0, 0, 0] and np.isneginf(found.scores[1, 1:]).all()
    assert sorted(found.rows[2, :2].tolist()) == [3, 4] and not found.rows[2, 2:].any()
    assert (found.rows[:, 0] == [3, 2, 4]).all(), "the best stays first"
    if dial == 0.0:
        assert found.rows.tolist() == lists.rows.tolist()


def test_every_choice_is_the_best_of_what_is_left() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.stack([generator.permutation(np.arange(1, 60))[:40] for _ in range(5)])
    scores = -np.sort(-generator.random((5, 40)).astype(np.float32), axis=1)
    for dial in (0.2, 0.7):
        found = mmr(Ranked(rows, scores), vectors, 10, dial).rows
        for row, (candidates, told) in enumerate(zip(rows, scores, strict=True)):
            relevance = dict(zip(candidates.tolist(), (told - told.min()) / (told.max() - told.min()), strict=True))
            chosen = [int(candidates[0])]
            while len(chosen) < 10:
                left = [one for one in candidates.tolist() if one not in chosen]
                gains = [
                    (1 - dial) * relevance[one]
                    - dial * np.mean([max(vectors[one] @ vectors[other], 0.0) for other in chosen])
                    for one in left
                ]
                chosen.append(left[int(np.argmax(gains))])
            assert found[row, :10].tolist() == chosen
            assert found[row, 10:].tolist() == [one for one in candidates.tolist() if one not in chosen]
