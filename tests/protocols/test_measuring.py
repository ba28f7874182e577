"""Intervals of predictions: the weighted figures are the plain ones, and users are drawn, not events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.metrics import ERRORS, PREDICTION_METRICS
from enterprise_recsys.protocols.contests import differences
from enterprise_recsys.protocols.listers import LISTERS
from enterprise_recsys.protocols.measuring import RESAMPLES, WEIGHTED, Run, figures_of, over_draws, run_lists, run_rows
from enterprise_recsys.protocols.predictive import PREDICTIVE
from enterprise_recsys.protocols.predictors import PREDICTORS
from enterprise_recsys.protocols.tasks import Answer, Encoded, Predictions
from enterprise_recsys.records import Ints
from tests.protocols.worlds import blocks_task, places_task, stars_task


@pytest.mark.parametrize("metric", sorted(WEIGHTED))
def test_an_event_of_weight_2_counts_as_two_events(metric: str) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80).astype(float)
    predictions = np.round(generator.random(80), 1)  # many ties
    weights = generator.integers(0, 4, 80)
    repeated = np.repeat(np.arange(80), weights)
    wanted = PREDICTION_METRICS[metric](labels[repeated], predictions[repeated])
    assert np.isclose(WEIGHTED[metric](labels, predictions)(weights.astype(float)), wanted)


def test_the_table_has_every_metric_of_predictions_that_protocols_use() -> None:
    used = {metric for protocol in PREDICTIVE.values() for metric in protocol.metrics}
    assert set(WEIGHTED) < used <= set(PREDICTION_METRICS) and used - set(WEIGHTED) == {"ECE"}
    assert set(PREDICTION_METRICS) - ERRORS == {"AUC"}


def test_alike_events_of_one_user_widen_the_interval() -> None:
    generator = np.random.default_rng(1)
    level = np.repeat(generator.normal(0, 1, 50), 40)  # each user's errors are alike
    labels, predictions = np.zeros(2000), level + generator.normal(0, 0.1, 2000)
    grouped = over_draws(labels, predictions, np.repeat(np.arange(50), 40), 50, ["RMSE"])["RMSE"]
    single = over_draws(labels, predictions, np.arange(2000), 2000, ["RMSE"])["RMSE"]
    assert grouped.std() > 4 * single.std()
    # By the delta method: the deviation of a user's mean square, over sqrt(50) and twice the RMSE.
    rmse = float(np.sqrt(np.mean(predictions**2)))
    of_users = np.square(predictions).reshape(50, 40).mean(axis=1)
    assert grouped.std() == pytest.approx(of_users.std() / np.sqrt(50) / (2 * rmse), rel=0.1)
    assert grouped.mean() == pytest.approx(rmse, rel=0.03)


def test_every_system_and_seed_has_the_same_draws_of_users() -> None:
    task = stars_task(3.0)
    values = np.random.default_rng(0).random(len(task.test.events))

    def fixed(task, *, metric, seed, trials, dials) -> Predictions:
        return Predictions(values)

    runs = [run_rows(task, fixed, ("AUC", "ECE"), seed=seed, trials=0, dials={}) for seed in (0, 7)]
    first, again = (run.figures[0] for run in runs)
    assert first.of_draws is not None and again.of_draws is not None and len(first.of_draws) == RESAMPLES
    assert (first.of_draws == again.of_draws).all()
    error = runs[0].figures[1]
    assert error.metric == "ECE" and error.low is None and error.of_draws is None, "a distance: draws only lengthen it"


def test_a_user_is_drawn_with_all_questions() -> None:
    """Half of the users are always right and half never: 30 coins, not 120, and users who ask more weigh more."""
    task = places_task(users=30)
    rows, names = Encoded.of(task.judge, task.catalogue).truth.items, task.judge.owners
    right = (names.str.slice(1).cast(pl.Int64) % 2 == 0).to_numpy()

    def half(at: Ints, k: int) -> Ints:
        return np.where(right[at], rows[at], 0)[:, None]

    (figure,) = figures_of(task, Answer({"retrieval": half}), ("HR@1",), seed=0)
    assert figure.value == 0.5
    width = (figure.high or 0.0) - (figure.low or 0.0)
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 30), rel=0.12)

    def all_but_two(at: Ints, k: int) -> Ints:
        return np.where(right[at] | (names[at].to_numpy() < "u04"), rows[at], 0)[:, None]

    runs = {
        name: [Run(figures_of(task, Answer({"retrieval": system}), ("HR@1",), seed=0), {})]
        for name, system in {"more": all_but_two, "half": half}.items()
    }
    told = differences(runs, "HR@1")
    assert told["more-half/HR@1"] == pytest.approx(2 / 30), "u01 and u03, among the same users drawn"
    low, high = told["more-half/HR@1/low"], told["more-half/HR@1/high"]
    assert 0 <= low < 2 / 30 < high < 6 / 30, "far narrower than either figure's interval"
    (other,) = figures_of(task, Answer({"retrieval": half}), ("HR@1",), seed=7)
    assert figure.of_draws is not None and other.of_draws is not None
    assert (figure.of_draws == other.of_draws).all(), (
        "another seed is of the same users: its draws are not averaged out"
    )


def test_a_protocol_whose_target_can_be_learnt_from_is_refused() -> None:
    task = blocks_task()
    leaky = replace(task.judge, log=task.judge.log.with_events(pl.concat([task.judge.log.events, task.judge.targets])))
    with pytest.raises(DataError, match=r"\[target_in_history\] log of judge and targets of judge: 40 events"):
        run_lists(replace(task, judge=leaky), LISTERS["popularity"], ("HR@1",), seed=0, trials=0, dials={})
    again = replace(task, judge=replace(task.judge, past=pl.concat([task.judge.past, task.judge.targets.head(1)])))
    with pytest.raises(DataError, match=r"\[target_in_history\] past of judge and targets of judge: 1 events"):
        run_lists(again, LISTERS["popularity"], ("HR@1",), seed=0, trials=0, dials={})
    twice = replace(task, choose=replace(task.choose, targets=task.judge.targets))
    with pytest.raises(DataError, match=r"\[duplicate\] targets of choose and targets of judge: 40 events"):
        run_lists(twice, LISTERS["popularity"], ("HR@1",), seed=0, trials=0, dials={})
    stars = stars_task(None)
    with pytest.raises(DataError, match=r"\[duplicate\] train and test"):
        run_rows(replace(stars, test=stars.train), PREDICTORS["bias"], ("RMSE",), seed=0, trials=0, dials={})


def test_clicks_are_judged_where_they_are_known_and_ratings_everywhere() -> None:
    stars = stars_task(3.0)
    ratings = np.tile([1.0, 3.0, 5.0, 4.0, 2.0], len(stars.test.events) // 5)
    test = stars.test.with_events(stars.test.events.with_columns(rating=pl.Series(ratings)))
    task = replace(stars, threshold=4.0, undecided=3.0, is_rated=True, test=test)
    assert task.goals == ("click", "rating")
    assert np.array_equal(task.labels(test)[:5], [0.0, np.nan, 1.0, 1.0, 0.0], equal_nan=True)
    assert (task.labels(test, "rating") == ratings).all()

    def right(task, *, metric, seed, trials, dials) -> Predictions:
        chances = np.where(ratings >= 4, 0.8, 0.3)  # of 3 stars whatever: nobody asks
        return Predictions(chances, {}, ratings + 0.5)

    found = {
        one.metric: one.value for one in run_rows(task, right, ("AUC", "RMSE"), seed=0, trials=0, dials={}).figures
    }
    assert found == {"AUC": 1.0, "RMSE": 0.5}

    def silent(task, *, metric, seed, trials, dials) -> Predictions:
        return Predictions(ratings)

    with pytest.raises(DataError, match="predicts the rating of each of the 240 events of test, got none"):
        run_rows(task, silent, ("AUC", "RMSE"), seed=0, trials=0, dials={})


def test_a_system_that_gives_another_number_of_predictions_is_told() -> None:
    def short(task, *, metric, seed, trials, dials) -> Predictions:
        return Predictions(np.zeros(3))

    with pytest.raises(DataError, match=r"predicts the rating of each of the 240 events of test, got shape \(3,\)"):
        run_rows(stars_task(None), short, ("RMSE",), seed=0, trials=0, dials={})
