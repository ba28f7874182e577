"""Predictors find what made the ratings, and each says what it is not for."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.evaluation.predictions import area_under_curve, root_mean_squared_error
from enterprise_recsys.protocols.encoding import columns_of
from enterprise_recsys.protocols.measuring import run_rows
from enterprise_recsys.protocols.predictors import PREDICTORS
from tests.protocols.worlds import stars_task


def test_the_bias_model_comes_down_to_the_noise() -> None:
    task = stars_task(None)
    found = PREDICTORS["bias"](task, metric="RMSE", seed=0, trials=20, dials={})
    truth = task.labels(task.test)
    assert root_mean_squared_error(truth, found.values) < 0.23  # the noise is 0.2
    assert root_mean_squared_error(truth, np.full(len(truth), truth.mean())) > 0.8
    assert found.dials["ridge_items"] == 1.0, "with 32 ratings an item and little noise, least shrinkage is best"


def test_the_bias_model_by_hand() -> None:
    # In turn the least of the penalised squares of items and of users: they come to rest at the joint least squares.
    task = stars_task(None, users=6, items=5)
    found = PREDICTORS["bias"](task, metric="RMSE", seed=0, trials=0, dials={"ridge_users": 2.0, "ridge_items": 1.0})
    parts = [task.train, task.val]
    users = [int(one[1:]) for part in parts for one in part.events["user_id"]]
    items = [int(one[1:]) for part in parts for one in part.events["item_id"]]
    ratings = np.concatenate([task.labels(part) for part in parts])
    design = np.zeros((len(users), 11))
    design[np.arange(len(users)), users] = 1
    design[np.arange(len(users)), 6 + np.array(items)] = 1
    weights = np.linalg.solve(design.T @ design + np.diag([2.0] * 6 + [1.0] * 5), design.T @ (ratings - ratings.mean()))
    wanted = [
        ratings.mean() + weights[int(user[1:])] + weights[6 + int(item[1:])]
        for user, item in task.test.events.select("user_id", "item_id").rows()
    ]
    assert np.allclose(found.values, np.clip(wanted, ratings.min(), ratings.max()), atol=1e-4)


@pytest.mark.parametrize(("name", "package"), [("logistic", "sklearn"), ("lightgbm", "lightgbm")])
def test_clicks_are_predicted_from_ids_and_genres(name: str, package: str) -> None:
    pytest.importorskip(package, reason="the extra `baselines` is not installed")
    task = stars_task(3.0)
    found = PREDICTORS[name](
        task, metric="AUC", seed=0, trials=0, dials={"rounds": 60, "threads": 1} if name == "lightgbm" else {}
    )
    assert area_under_curve(task.labels(task.test), found.values) > 0.9


def test_columns_are_encoded_by_train_alone() -> None:
    task = stars_task(3.0)
    train, val, test = columns_of(task)
    assert list(train) == list(val) == list(test) == ["user_id", "item_id", "item_genre"]
    assert train["user_id"].min() >= 1 and len(test["user_id"]) == len(task.test.events)
    assert set(np.unique(train["item_genre"])) == {1, 2, 3}


def test_each_says_what_it_is_not_for() -> None:
    with pytest.raises(DataError, match="bias predicts ratings, and this protocol asks for yes or no"):
        PREDICTORS["bias"](stars_task(3.0, users=5, items=5), metric="AUC", seed=0, trials=0, dials={})
    with pytest.raises(DataError, match="logistic predicts yes or no, and this protocol asks for ratings"):
        PREDICTORS["logistic"](stars_task(None, users=5, items=5), metric="RMSE", seed=0, trials=0, dials={})


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtraError, match=r"'logistic' needs .* 'enterprise_recsys\[baselines\]'"):
        PREDICTORS["logistic"](stars_task(3.0, users=5, items=5), metric="AUC", seed=0, trials=0, dials={})


def test_two_goals_are_learnt_one_by_one_as_if_each_were_alone() -> None:
    pytest.importorskip("lightgbm", reason="the extra `baselines` is not installed")
    task = replace(stars_task(3.0), is_rated=True)
    dials = {"rounds": 20, "threads": 1}
    both = PREDICTORS["lightgbm"](task, metric="AUC", seed=0, trials=0, dials=dials)
    clicks = PREDICTORS["lightgbm"](stars_task(3.0), metric="AUC", seed=0, trials=0, dials=dials)
    stars = PREDICTORS["lightgbm"](stars_task(None), metric="RMSE", seed=0, trials=0, dials=dials)
    assert both.ratings is not None
    assert (both.values == clicks.values).all() and (both.ratings == stars.values).all()


def test_a_goal_alone_learns_from_the_events_whose_label_is_known() -> None:
    task = replace(stars_task(3.0), is_rated=True)
    some = float(task.train.events["rating"][0])
    alone = replace(task, undecided=some).alone("click")
    assert len(alone.train.events) == len(task.train.events) - 1 and alone.goals == ("click",)
    assert len(alone.test.events) == len(task.test.events)
    assert len(replace(task, undecided=some).alone("rating").train.events) == len(task.train.events)


def test_a_run_tells_each_metric_within_its_interval() -> None:
    run = run_rows(stars_task(None), PREDICTORS["bias"], ("RMSE", "MAE"), seed=0, trials=0, dials={})
    assert [figure.metric for figure in run.figures] == ["RMSE", "MAE"] and run.figures[0].stage == "ranking"
    for figure in run.figures:
        assert figure.low is not None and figure.high is not None and figure.low < figure.value < figure.high
