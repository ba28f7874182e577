"""Attributions add up to the score, and name what the ranker really goes by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.attribution import MOST_EXPLAINED, TOLD, _growing, _with_older, attribute, groups_of
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.engine.neighbours import HALF_LIFE, Neighbours, Related
from enterprise_recsys.engine.runtime import Scorer
from enterprise_recsys.finding import Finder
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Columns
from enterprise_recsys.trainer import ProductionTrainer


class Plain:
    """A ranker whose logits are a plain function of the ranker's columns."""

    data = b""

    def __init__(self, score, first: Scorer, calibration: Calibration) -> None:
        self._score, self.calibration = score, calibration
        self.inputs, self.of_candidates = first.inputs, first.of_candidates

    def logits(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        logits = self._score(columns).astype(np.float32)
        return logits, np.zeros(len(logits), np.float32)

    def lean(self, columns: Columns) -> np.ndarray:
        return self.calibration.logits(self.logits(columns)[0])

    def score(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        logits, ratings = self.logits(columns)
        return self.calibration.probabilities(logits), ratings


def with_ranker(trainer: ProductionTrainer, score, calibration: Calibration | None = None) -> Recommender:
    engine = trainer.recommender.engine
    plain = Plain(score, engine.scorer, calibration or Calibration())
    return Recommender(replace(engine, scorer=plain), trainer.recommender.log)


def test_base_and_features_add_up_to_the_log_odds_of_the_score(trainer: ProductionTrainer) -> None:
    for user in ("1", "42", "77"):
        for item in trainer.recommend(user, 5, reasons=True):
            told = item["explanation"]
            score = item["score"]
            assert told["base"] + sum(told["features"].values()) == pytest.approx(np.log(score / (1 - score)), abs=1e-4)
            assert len(told["past"]) <= TOLD


@pytest.mark.parametrize("most", [1, 200])
def test_the_past_adds_up_to_what_the_newest_events_add(
    trainer: ProductionTrainer, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("enterprise_recsys.attribution._MOST_PAST", most)
    recommender = trainer.recommender
    request = recommender.state.of_one("42", 2**60)
    rows = np.arange(1, 6)
    told = attribute(recommender.finder, request, rows)

    def log_odds(history: np.ndarray) -> np.ndarray:
        # The same moment and statistics with another past: only towers and neighbours hear of it.
        asked = replace(request, history=history)
        given = recommender.finder.given(asked, rows[None, :])
        columns = recommender.state.pair_columns(asked, recommender.item_columns, given)
        scorer = recommender.engine.scorer
        return scorer.calibration.logits(scorer.logits(columns)[0])

    assert (request.history > 0).sum() > 1
    older = request.history.copy()
    older[:, -most:] = 0
    whole = log_odds(request.history) - log_odds(older)
    sums = [sum(one.past.values()) + one.past_others for one in told]
    assert np.abs(whole).max() > 0.01 and np.allclose(sums, whole, atol=1e-4)


def test_a_ranker_that_goes_by_one_thing_is_explained_by_it(trainer: ProductionTrainer) -> None:
    calibration = Calibration(1.0, 1.0, -2.0)
    recommender = with_ranker(trainer, lambda columns: 3.0 * columns["neighbour_score"], calibration)
    first = recommender.recommend("42", 3, reasons=True)[0]["explanation"]
    assert next(iter(first["features"])) == "taken together"
    assert sum(abs(value) for name, value in first["features"].items() if name != "taken together") < 1e-6
    # By neighbours alone more of the past never takes away.
    assert all(value >= -1e-6 for value in first["past"].values())


def test_past_items_are_those_of_the_request(trainer: ProductionTrainer) -> None:
    told = trainer.recommend("nobody", 2, history=["i3", "i4"], reasons=True)
    assert all(set(item["explanation"]["past"]) == {"i3", "i4"} for item in told)


def test_a_popular_list_is_not_explained_by_a_model_that_did_not_make_it(trainer: ProductionTrainer) -> None:
    assert all("explanation" not in item for item in trainer.recommend("nobody", 2, reasons=True))
    assert all("explanation" not in item for item in trainer.recommend("42", 2))


def test_a_past_grows_in_its_own_order_at_the_right_end() -> None:
    grown = _growing(np.array([0, 0, 5, 6, 7]), np.array([3, 4, 2]))
    assert grown.tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 6], [0, 0, 0, 6, 7], [0, 0, 5, 6, 7]]


def test_many_features_of_items_go_together(trainer: ProductionTrainer) -> None:
    recommender = trainer.recommender
    columns = {name: np.zeros(1) for name in recommender.engine.scorer.inputs}
    names = groups_of(recommender.finder, columns)
    assert {"taste", "taken together", "popularity", "the item itself"} <= set(names)
    grouped = [name for group in names.values() for name in group]
    assert len(grouped) == len(set(grouped)) and pl.Series(grouped).is_in(list(columns)).all()


@pytest.mark.parametrize("follows", [False, True])
def test_what_often_comes_next_is_told_where_there_are_followers(trainer: ProductionTrainer, follows: bool) -> None:
    recommender = trainer.recommender
    near = recommender.engine.related.neighbours
    soon = replace(near, half_life=HALF_LIFE) if follows else Neighbours.none(len(near.rows))
    engine = replace(recommender.engine, related=Related(near, soon))
    finder = Finder(engine, recommender.state, recommender.item_columns)
    columns = {name: np.zeros(1) for name in engine.scorer.inputs}
    assert ("often next" in groups_of(finder, columns)) == follows


def test_nothing_to_explain_is_no_explanation(trainer: ProductionTrainer) -> None:
    request = trainer.recommender.state.of_one("42", 2**60)
    assert attribute(trainer.recommender.finder, request, np.zeros(0, np.int64)) == []


def test_only_the_first_items_of_a_long_list_are_explained(trainer: ProductionTrainer) -> None:
    # A thousand explanations would hold up everybody else for half a minute.
    answer = trainer.recommend("42", MOST_EXPLAINED + 5, reasons=True)
    assert ["explanation" in item for item in answer] == [True] * MOST_EXPLAINED + [False] * 5
    assert all("reasons" in item for item in answer) and answer.took_ms["reasons"] > answer.took_ms["rules"]


def test_older_events_than_the_towers_see_stay_while_the_newest_come_one_by_one() -> None:
    orders = [np.array([1, 0]), np.array([0, 1])]
    grown = _with_older(np.array([9, 8, 5, 6]), 2, orders)
    assert grown.tolist() == [[9, 8, 0, 0], [9, 8, 0, 6], [9, 8, 5, 6], [9, 8, 0, 0], [9, 8, 0, 5], [9, 8, 5, 6]]
    # A past that is shorter than what the towers see, and a model whose lists hold nothing of it.
    assert _with_older(np.array([6]), 2, [np.array([1])]).tolist() == [[0, 0], [0, 6]]
    assert _with_older(np.array([], dtype=np.int64), 2, orders).shape == (6, 0)
