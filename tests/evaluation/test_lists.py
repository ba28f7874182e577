"""Metrics of all lists: by hand, and against loops over pairs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from enterprise_recsys.evaluation import lists
from enterprise_recsys.evaluation.lists import Catalogue, coverage, diversity, feature_diversity


def test_coverage_is_the_share_of_items_shown() -> None:
    assert coverage(np.array([[1, 2, 0], [2, 2, 4]]), Catalogue(n_items=7)) == pytest.approx(3 / 6)
    assert coverage(np.zeros((2, 3), int), Catalogue(n_items=7)) == 0.0
    assert math.isnan(coverage(np.zeros((2, 3), int), Catalogue(n_items=1)))


def test_diversity_of_vectors_worked_out_by_hand() -> None:
    vectors = np.array([[0, 0], [2, 0], [0, 3], [-1, 0], [0, 0]], np.float32)
    catalogue = Catalogue(5, vectors)
    assert diversity(np.array([[1, 2]]), catalogue) == pytest.approx(1.0)
    assert diversity(np.array([[1, 3]]), catalogue) == pytest.approx(2.0)
    # Pairs (1,2), (1,3), (2,3) are 1, 2, 1 apart; empty places, repetitions and items without a vector do not count.
    assert diversity(np.array([[1, 2, 3, 0, 1, 4]]), catalogue) == pytest.approx(4 / 3)


def test_feature_diversity_worked_out_by_hand() -> None:
    tokens = np.array([[0, 0], [5, 9], [9, 0], [7, 7], [0, 0]])
    catalogue = Catalogue(5, tokens=tokens)
    assert feature_diversity(np.array([[1, 2]]), catalogue) == pytest.approx(1 - 1 / 2)
    # Pairs (1,2), (1,3), (2,3): 1/2, 1, 1.
    assert feature_diversity(np.array([[1, 2, 0, 3, 3, 4]]), catalogue) == pytest.approx(2.5 / 3)


def test_lists_of_fewer_than_two_items_are_left_out() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    catalogue = Catalogue(3, vectors, np.array([[0], [1], [2]]))
    rows = np.array([[1, 2], [1, 0], [2, 2], [0, 0]])
    assert diversity(rows, catalogue) == pytest.approx(1.0)
    assert feature_diversity(rows, catalogue) == pytest.approx(1.0)
    assert math.isnan(diversity(rows[1:], catalogue))
    assert math.isnan(feature_diversity(rows[1:], catalogue))


def test_without_vectors_and_tokens_there_is_no_figure() -> None:
    assert math.isnan(diversity(np.array([[1, 2]]), Catalogue(3)))
    assert math.isnan(feature_diversity(np.array([[1, 2]]), Catalogue(3)))


@pytest.mark.parametrize("cells", [10, 100_000])
def test_random_lists_agree_with_loops_over_pairs(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "CELLS", cells)
    generator = np.random.default_rng(5)
    vectors = generator.normal(size=(40, 6)).astype(np.float32)
    tokens = generator.integers(0, 8, size=(40, 4)) * 1_000_003
    vectors[3], tokens[4] = 0, 0
    rows = generator.integers(0, 40, size=(60, 7))
    far, unlike = [], []
    for row in rows:
        known = sorted({int(item) for item in row if item})
        cosines = [
            float(vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b]))
            for a, b in itertools.combinations([item for item in known if vectors[item].any()], 2)
        ]
        sets = [set(tokens[item].tolist()) - {0} for item in known if tokens[item].any()]
        jaccards = [len(a & b) / len(a | b) for a, b in itertools.combinations(sets, 2)]
        far += [1 - np.mean(cosines)] if cosines else []
        unlike += [1 - np.mean(jaccards)] if jaccards else []
    catalogue = Catalogue(40, vectors, tokens)
    assert diversity(rows, catalogue) == pytest.approx(np.mean(far), abs=1e-6)
    assert feature_diversity(rows, catalogue) == pytest.approx(np.mean(unlike), abs=1e-12)
