"""What makes items neighbours: validation chooses, large catalogues are not solved, and lists are what weights say."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.baselines.linear import EDLAE
from enterprise_recsys.baselines.rules import SequentialRules
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.engine.gathering import nearest_said
from enterprise_recsys.engine.neighbours import HALF_LIFE, Neighbours
from enterprise_recsys.learning import neighbouring
from enterprise_recsys.learning.neighbouring import Nearness, chosen_related, nearest, related
from enterprise_recsys.learning.retrieving import Judge, judge_of
from enterprise_recsys.records import Ints


class _Judge:
    """Gives the scores that it was handed, in turn, to the users of a true one."""

    def __init__(self, own: Judge, scores: list[float]) -> None:
        self.requests, self.k, self._scores = own.requests, own.k, iter(scores)
        self.seen: list[Ints] = []

    def of(self, lists: Ints) -> float:
        self.seen.append(lists)
        return next(self._scores)


@pytest.mark.parametrize(
    ("scores", "ridge"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.0], 500.0),
        ([0.1, 0.2, 0.1, 0.2, 0.0], 5.0),
        ([0.2, 0.1, 0.2, 0.1, 0.0], None),
        ([0.1, 0.104, 0.1, 0.1, 0.0], None),
    ],
)
def test_validation_chooses_of_equals_the_first_and_a_map_only_where_it_is_clearly_better(
    parts: Split, scores: list[float], ridge: float | None
) -> None:
    processor = DataProcessor(ModelConfig()).fit(parts.train)
    judge = _Judge(judge_of(processor, parts.train, parts.val), scores)
    chosen, led = chosen_related(processor.config, processor.dataset(parts.train), cast(Judge, judge))
    assert chosen == Nearness(ridge) and str(chosen).endswith("users" if ridge is None else f"{ridge:g}")
    asked = len(judge.requests.history)
    assert [lists.shape for lists in judge.seen] == [(asked, 10)] * 5
    assert not np.array_equal(judge.seen[0], judge.seen[1])
    assert np.array_equal(led.neighbours.rows, nearest(processor.config, processor.dataset(parts.train), chosen).rows)


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ([0.1, 0.2, 0.1, 0.1, 0.2], Nearness(5.0, follows=True)),
        ([0.1, 0.2, 0.1, 0.1, 0.19], Nearness(5.0)),
        ([0.1, 0.1, 0.1, 0.1, 0.1], Nearness(follows=True)),
    ],
)
def test_followers_are_taken_where_their_lists_are_no_worse_than_the_neighbours(
    parts: Split, scores: list[float], chosen: Nearness
) -> None:
    processor = DataProcessor(ModelConfig()).fit(parts.train)
    judge = _Judge(judge_of(processor, parts.train, parts.val), scores)
    found, led = chosen_related(processor.config, processor.dataset(parts.train), cast(Judge, judge))
    assert found == chosen and led.follows == chosen.follows == str(chosen).endswith(", and followers")
    again = related(processor.config, processor.dataset(parts.train), chosen)
    assert np.array_equal(led.followers.rows, again.followers.rows) and led.follows == again.follows


@pytest.mark.parametrize("dials", [{"neighbour_candidates": 0, "follower_candidates": 0}, {"follower_candidates": 0}])
def test_a_large_catalogue_is_not_solved_and_where_nobody_asks_nothing_is_tried(
    parts: Split, monkeypatch: pytest.MonkeyPatch, dials: dict[str, int]
) -> None:
    processor = DataProcessor(ModelConfig(**dials)).fit(parts.train)
    if "neighbour_candidates" not in dials:
        monkeypatch.setattr(neighbouring, "_MOST_SOLVED", len(processor.items) - 2)
    judge = _Judge(judge_of(processor, parts.train, parts.val), [])  # to ask it would raise
    assert chosen_related(processor.config, processor.dataset(parts.train), cast(Judge, judge))[0] == Nearness(None)


def test_neighbours_of_a_linear_map_are_its_largest_weights(parts: Split) -> None:
    processor = DataProcessor(ModelConfig(neighbours=7)).fit(parts.train)
    dataset = processor.dataset(parts.train)
    found = nearest(processor.config, dataset, Nearness(50.0))
    whole = EDLAE(dataset.events, dataset.n_users, dataset.n_items, ridge=50.0, dropout=0.3)._weights
    for row in range(1, dataset.n_items):
        best = np.argsort(-whole[row], kind="stable")[:7]
        best = best[whole[row, best] > 0]
        assert set(found.rows[row][found.rows[row] > 0]) == set(best.tolist())
        assert found.weights[row, : len(best)].astype(float) == pytest.approx(np.sort(whole[row, best])[::-1], rel=1e-3)
    assert not found.rows[0].any()


def test_followers_are_rules_and_very_large_catalogues_have_none(parts: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = DataProcessor(ModelConfig(neighbours=7)).fit(parts.train)
    dataset = processor.dataset(parts.train)
    found = related(processor.config, dataset, Nearness(follows=True)).followers
    rows, weights = SequentialRules(dataset.events, dataset.n_users, dataset.n_items).table(7)
    assert np.array_equal(found.rows, rows) and np.allclose(found.weights, weights, atol=1e-3)
    assert found.rows.shape[1] == 7 and found.half_life == HALF_LIFE
    judge = _Judge(judge_of(processor, parts.train, parts.val), [0.1] * 4)  # to ask it of followers would raise
    monkeypatch.setattr(neighbouring, "_MOST_FOLLOWED", dataset.n_items - 2)
    assert not chosen_related(processor.config, dataset, cast(Judge, judge))[1].follows


def test_lists_hold_the_largest_sums_that_are_not_left_out() -> None:
    near = Neighbours.of(
        np.array([[0, 0], [2, 3], [3, 4], [4, 0], [1, 0]]),
        np.array([[0, 0], [0.5, 0.25], [0.5, 0.25], [0.5, 0], [1, 0]]),
    )
    history = np.array([[1, 2], [0, 3], [0, 0]])
    # The first: 2 has .5, 3 has .25 + .5, 4 has .25; 2 is left out.
    lists = nearest_said(near, history, np.array([0, 1, 1, 1]), np.array([2]), 2)
    assert lists.tolist() == [[3, 4], [4, 0], [0, 0]]
