"""How far what the ranker says of each task comes true, and what the blend does to the order."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.engine.blending import Amount, Chance
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.examining.evidence import Shown, said_of_events
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Bools, Doubles, Ints

OF_CHANCES = ("AUC", "LogLoss", "ECE")
"""Names in PREDICTION_METRICS that compare probabilities with what was taken."""
PLACES = 10
"""Length of the lists whose order is judged."""


def task_figures(
    recommender: Recommender, exam: Exam, shown: Shown, generator: np.random.Generator
) -> dict[str, float]:
    """Name -> figure, "ranker/<task>/<metric>"; those that cannot be told are NaN.

    Of a yes or no, over the candidates that users were given, without those whose label is not known: AUC, LogLoss,
    ECE, TakenShare, MeanPrediction; and how well the candidates stand in order for it, NDCG@10 by the score and
    NDCG@10_by_click by the click alone, mean over the users who had such a candidate. Of a number, over test events, in
    the unit that is learnt: RMSE, and RMSE_of_mean of always saying the mean that was learnt.
    """
    figures: dict[str, float] = {}
    if not recommender.engine.processor.config.tasks:
        return figures
    scorer = recommender.engine.scorer
    lean = scorer.lean_of(shown.said)
    for place, (name, served) in enumerate(scorer.tasks.items(), start=2):
        said = shown.said[place]
        if isinstance(served, Chance):
            labels = _labels(exam, shown, name)
            held = ~np.isnan(labels)
            own = _of_chance(labels[held], served.told(said[held]).astype(np.float64))
            orders = {"": lean, "_by_click": shown.said[0].astype(np.float64)}
            for suffix, order in orders.items():
                own[f"NDCG@{PLACES}{suffix}"] = _ndcg(shown.owners[held], labels[held], order[held])
        else:
            own = _of_amount(recommender, exam, name, served, place, generator)
        figures |= {f"ranker/{name}/{key}": value for key, value in own.items()}
    return figures


def _labels(exam: Exam, shown: Shown, name: str) -> Doubles:
    """[R] 1 if the user went on to do it with the candidate, 0 if not; NaN: only events of no known type tell of it."""
    keys, own = exam.owners * exam.n_items + exam.events.items, exam.events.tasks[name]
    if np.isnan(own).all():  # the test log has no types at all, and what is not in it says nothing either
        return np.full(len(shown.keys), np.nan)
    is_yes = np.isin(shown.keys, keys[own == 1])
    return np.where(is_yes, 1.0, np.where(np.isin(shown.keys, keys[np.isnan(own)]), np.nan, 0.0))


def _of_chance(labels: Doubles, chances: Doubles) -> dict[str, float]:
    if not len(labels):
        return {}
    told = {name: PREDICTION_METRICS[name](labels, chances) for name in OF_CHANCES}
    return {**told, "TakenShare": float(labels.mean()), "MeanPrediction": float(chances.mean())}


def _of_amount(
    recommender: Recommender, exam: Exam, name: str, served: Amount, place: int, generator: np.random.Generator
) -> dict[str, float]:
    known, said = said_of_events(recommender, exam, lambda events: events.tasks[name], place, generator)
    if not len(known):
        return {}
    error = PREDICTION_METRICS["RMSE"]
    learnt, mean = served.learnt(said.astype(np.float32)), np.full(len(known), served.mean)
    return {"RMSE": error(known, learnt), "RMSE_of_mean": error(known, mean)}


def _ndcg(owners: Ints, labels: Doubles, scores: Doubles) -> float:
    """Mean NDCG@PLACES of each owner's candidates in the order of the scores; NaN if nobody did it with any."""
    users, owner = np.unique(owners, return_inverse=True)
    reached, ideal = (_gain(owner, labels, by, len(users)) for by in (scores, labels))
    asked: Bools = ideal > 0
    return float((reached[asked] / ideal[asked]).mean()) if asked.any() else float("nan")


def _gain(owner: Ints, labels: Doubles, by: Doubles, users: int) -> Doubles:
    """[U] discounted gain of the first places."""
    order = np.lexsort((-by, owner))
    starts = np.searchsorted(owner[order], np.arange(users))
    place = np.arange(len(owner)) - starts[owner[order]]
    gains = np.where(place < PLACES, labels[order] / np.log2(place + 2.0), 0.0)
    return np.bincount(owner[order], weights=gains, minlength=users).astype(np.float64)
