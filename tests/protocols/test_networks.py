"""The ranker's network answers row tasks: by ids, by fields, and by what users and items did elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.predictions import (
    area_under_curve,
    calibration_error,
    root_mean_squared_error,
)
from enterprise_recsys.loop import Fit
from enterprise_recsys.protocols.predictors import PREDICTORS
from enterprise_recsys.ranking.rows import RowRanker
from tests.protocols.worlds import stars_task

QUICK = {"ranking_dims": (16,), "cross_layers": 1, "batch_size": 256, "learning_rate": 0.02, "epochs": 6, "past": 8}


@pytest.mark.parametrize("past", [0, 8])
def test_clicks_are_predicted_and_their_probabilities_come_true(past: int) -> None:
    task = stars_task(3.0)
    found = PREDICTORS["ours"](task, metric="AUC", seed=0, trials=0, dials={**QUICK, "past": past})
    labels = task.labels(task.test)
    assert area_under_curve(labels, found.values) > 0.9
    assert calibration_error(labels, found.values) < 0.08
    assert found.values.min() >= 0.0 and found.values.max() <= 1.0
    assert found.dials["past"] == past and 1 <= found.dials["epoch"] <= 6


def test_ratings_are_predicted_better_than_by_their_mean_and_within_what_occurs() -> None:
    task = stars_task(None)
    found = PREDICTORS["ours"](task, metric="RMSE", seed=0, trials=0, dials={**QUICK, "ranking_l2": 0.0})
    truth, known = task.labels(task.test), task.labels(task.train)
    mean = root_mean_squared_error(truth, np.full(len(truth), known.mean()))
    assert root_mean_squared_error(truth, found.values) < 0.6 * mean
    assert known.min() <= found.values.min() and found.values.max() <= known.max()


def test_one_network_predicts_clicks_and_ratings() -> None:
    task = replace(stars_task(3.0), is_rated=True)
    dials = {**QUICK, "ranking_l2": 0.0}
    found = PREDICTORS["dcn_v2"](task, metric="AUC", seed=0, trials=0, dials=dials)
    stars = task.labels(task.test, "rating")
    assert found.ratings is not None
    assert area_under_curve(task.labels(task.test), found.values) > 0.9
    assert root_mean_squared_error(stars, found.ratings) < 0.6 * stars.std()
    assert found.values.max() <= 1.0 and {"validation", "validation_rating"} <= set(found.dials)


@pytest.mark.parametrize(("is_rated", "dials", "patience"), [(True, {}, 6), (False, {}, 3), (True, {"patience": 2}, 2)])
def test_a_click_and_a_rating_together_are_given_more_patience(
    monkeypatch: pytest.MonkeyPatch, is_rated: bool, dials: dict[str, object], patience: int
) -> None:
    told, fit = [], RowRanker.fit

    def watched(self: RowRanker, *rows: object, **further: object) -> Fit:
        told.append(self.config.patience)
        return fit(self, *rows, **further)  # type: ignore[arg-type]

    monkeypatch.setattr(RowRanker, "fit", watched)
    task = replace(stars_task(3.0, users=20, items=20), is_rated=is_rated)
    PREDICTORS["dcn_v2"](task, metric="AUC", seed=0, trials=0, dials={**QUICK, "epochs": 1, **dials})
    assert told == [patience]


def test_the_same_seed_predicts_the_same() -> None:
    task = stars_task(3.0, users=20, items=20)
    once, again = (PREDICTORS["ours"](task, metric="AUC", seed=3, trials=0, dials=QUICK).values for _ in range(2))
    assert (once == again).all()


def test_dcn_v2_is_ours_without_the_past() -> None:
    task = stars_task(3.0, users=20, items=20)
    plain = PREDICTORS["dcn_v2"](task, metric="AUC", seed=0, trials=0, dials={**QUICK, "past": 0})
    same = PREDICTORS["ours"](task, metric="AUC", seed=0, trials=0, dials={**QUICK, "past": 0})
    assert (plain.values == same.values).all() and plain.dials["past"] == 0


def test_each_network_is_a_system() -> None:
    from enterprise_recsys.ranking.networks import NETWORKS

    assert set(NETWORKS) <= set(PREDICTORS)
    task = stars_task(3.0, users=20, items=20)
    named = PREDICTORS["mlp"](task, metric="AUC", seed=0, trials=0, dials=QUICK)
    told = {**QUICK, "ranking_network": "mlp"}
    assert (named.values == PREDICTORS["ours"](task, metric="AUC", seed=0, trials=0, dials=told).values).all()


def test_an_unknown_dial_or_network_is_refused() -> None:
    task = stars_task(3.0, users=5, items=5)
    with pytest.raises(ConfigError, match="ctr_weight and rating_weight are both 0: there is nothing to learn"):
        nothing = {"ctr_weight": 0.0, "rating_weight": 0.0}
        PREDICTORS["ours"](replace(task, is_rated=True), metric="AUC", seed=0, trials=0, dials=nothing)
    with pytest.raises(ConfigError, match="no field 'depth'"):
        PREDICTORS["ours"](task, metric="AUC", seed=0, trials=0, dials={"depth": 3})
