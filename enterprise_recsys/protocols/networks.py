"""The ranker's network as a system for row tasks: `ours`, and its networks with the protocol's fields alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.metrics import ERRORS, PREDICTION_METRICS
from enterprise_recsys.protocols.encoding import columns_of
from enterprise_recsys.protocols.tasks import CLICK, Dials, Predictions, RowTask, numbers
from enterprise_recsys.ranking.pasts import Pasts
from enterprise_recsys.records import ITEM_ID, RATING, USER_ID, Columns, Doubles, Ints

if TYPE_CHECKING:
    from enterprise_recsys.ranking.losses import Goal
    from enterprise_recsys.ranking.rows import Inputs

FIXED: Mapping[str, object] = {
    "ranking_network": "dcn_v2",
    "ranking_dim": 16,
    "ranking_dims": (256, 128),
    "cross_layers": 3,
    "ranking_batch_norm": True,
    "ranking_l2": 0.004,
    "ranker_average": 0.995,
    "dropout": 0.0,
    "id_dropout": 0.0,
    "batch_size": 4096,
    "learning_rate": 2e-3,
    "epochs": 20,
    "patience": 3,
    "rating_weight": 4.0,
}
"""Dials of ModelConfig that rows want otherwise than lists do: the best of six settings on the validation of
ml1m-ctr-random, seed 0. The settings differed in several dials at once, so that none is shown to matter by itself.
The weight of ratings beside clicks is the best of .5, 1.5, 4 and 9 on the validation of ml100k-tasks-random, seed 0."""
OF_RATINGS: Mapping[str, object] = {
    "ranking_dims": (128, 64),
    "ranking_l2": 0.002,
    "ranker_average": 0.99,
    "epochs": 60,
}
"""What ratings want otherwise: near a setting that was good on the validation of ml1m-rating-random90, itself untried.
"""
OF_BOTH: Mapping[str, object] = {"patience": 6}
"""What a click and a rating in one network want otherwise: their two figures together waver more from epoch to epoch.
On the validation of ml1m-tasks-temporal, seed 0, three epochs of patience may end it after 6 (AUC .8404, RMSE .9478)
where it goes on to .8420 and .9461."""
PLACES = 25
"""Other rows of the user, and of the item, that a rating is given of each while learning (dial `past`, 0: none).
Clicks are given none: on the validation of ml1m-ctr-temporal a past took the AUC from .831 to .820."""
MOST_LEVELS = 10
"""Levels of a label that are told apart in a past: each of its values, or this many quantiles."""


@dataclass(frozen=True)
class _Rows:
    """Columns of a part, with what else their users and items did in train.

    `generator` draws it while learning; None: the rows are not those of train.
    """

    own: Columns
    pasts: Mapping[str, tuple[str, Pasts]]
    generator: np.random.Generator | None

    def __len__(self) -> int:
        return len(self.own[ITEM_ID])

    def columns(self, places: Ints) -> Columns:
        """See `ranking.rows.Table`."""
        columns = {name: column[places] for name, column in self.own.items()}
        for name, (owner, past) in self.pasts.items():
            owners = columns[owner].astype(np.int64)
            given = past.spread(owners) if self.generator is None else past.drawn(places, owners, self.generator)
            columns[name] = given
        return columns


def network(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
    """A network over the fields and, with the dial `past`, what user and item did elsewhere in train.

    Learns from train; val chooses the epoch and calibrates. Other dials are those of ModelConfig; nothing is searched.
    Where clicks and ratings are asked one network learns both, each from the events whose label is known, and the
    epoch goes by the metric of clicks less the RMSE in deviations of the ratings.
    """
    from enterprise_recsys.ranking.rows import RowRanker  # PyTorch: only who trains loads it

    wanted = dict(dials)
    rated = task.threshold is None
    places = int(numbers({"past": wanted.pop("past", PLACES if rated else 0)}, ["past"], system="ours")["past"])
    further = OF_RATINGS if rated else OF_BOTH if len(task.goals) > 1 else {}
    config = ModelConfig(**{"seed": seed, "threads": 1, **FIXED, **further, **wanted})
    parts = columns_of(task)
    labels, judged = ({goal: task.labels(part, goal) for goal in task.goals} for part in (task.train, task.val))
    pasts = _pasts(parts[0], labels[task.goals[-1]], places) if places else {}
    train = _Rows(parts[0], pasts, np.random.default_rng(seed))
    val, test = (_Rows(part, pasts, None) for part in parts[1:])
    ranker = RowRanker(_inputs(parts, pasts), config, _goals(labels, config))
    metrics = {goal: "RMSE" if goal == RATING and len(task.goals) > 1 else metric for goal in task.goals}

    def figures() -> dict[str, float]:
        said = ranker.predict(val)
        return {
            goal: _figure(metrics[goal], judged[goal], _told(goal, said[goal], labels[goal], Calibration()))
            for goal in task.goals
        }

    def validate() -> float:
        units = {goal: np.std(labels[goal]) if len(task.goals) > 1 and goal == RATING else 1.0 for goal in task.goals}
        signs = {goal: -1.0 if metrics[goal] in ERRORS else 1.0 for goal in task.goals}
        return float(sum(signs[goal] * figure / units[goal] for goal, figure in figures().items()))

    fit = ranker.fit(train, labels, validate=validate, epochs=config.epochs)
    calibration = _calibration(judged[CLICK], ranker.predict(val)[CLICK]) if CLICK in judged else Calibration()
    values = [_told(goal, said, labels[goal], calibration) for goal, said in ranker.predict(test).items()]
    names = {goal: "validation" if goal == task.goals[0] else f"validation_{goal}" for goal in task.goals}
    reached = {names[goal]: round(figure, 5) for goal, figure in figures().items()}
    return Predictions(values[0], {**dials, "epoch": fit.epoch, **reached}, *values[1:])


def fields_alone(
    task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials, name: str = "dcn_v2"
) -> Predictions:
    """A network by its name over the protocol's fields and nothing else: with DCN-v2 what others call by that name."""
    own = {"past": 0, "ranking_network": name, **dials}
    return network(task, metric=metric, seed=seed, trials=trials, dials=own)


def alike(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials, name: str = "dcn_v2") -> Predictions:
    """As `fields_alone`, with the same dials for ratings as for clicks."""
    own = {**{dial: FIXED[dial] for dial in OF_RATINGS}, **dials}
    return fields_alone(task, metric=metric, seed=seed, trials=trials, dials=own, name=name)


def _pasts(train: Columns, labels: Doubles, places: int) -> dict[str, tuple[str, Pasts]]:
    """What else the user of a row took, and who else took its item, and how each was judged."""
    values = np.unique(labels)
    edges = values[1:] if len(values) <= MOST_LEVELS else np.quantile(labels, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1])
    levels = np.searchsorted(edges, labels, side="right")
    users, items = (train[name].astype(np.int64) for name in (USER_ID, ITEM_ID))
    return {
        "user_past": (USER_ID, Pasts(users, items, levels, n_levels=len(edges) + 1, places=places)),
        "item_past": (ITEM_ID, Pasts(items, users, levels, n_levels=len(edges) + 1, places=places)),
    }


def _inputs(parts: Sequence[Columns], pasts: Mapping[str, tuple[str, Pasts]]) -> Inputs:
    from enterprise_recsys.ranking.rows import Inputs

    first = parts[0]
    whole = {name: max(int(part[name].max()) for part in parts) + 1 for name in first if first[name].dtype == np.int64}
    return Inputs(
        {name: size for name, size in whole.items() if first[name].ndim == 1},
        {name: size for name, size in whole.items() if first[name].ndim == 2}
        | {name: past.size for name, (_, past) in pasts.items()},
        [name for name in first if name not in whole],
        dropped=[USER_ID, ITEM_ID],
    )


def _goals(labels: Mapping[str, Doubles], config: ModelConfig) -> dict[str, Goal]:
    """What is learnt of each goal.

    Weights add up to 1, which is what one goal alone counts: the decay of embeddings was chosen for a loss of that, and
    lets the network learn more by heart under a larger one.
    """
    from enterprise_recsys.ranking.losses import Goal

    weights = {name: config.rating_weight if name == RATING else config.ctr_weight for name in labels}
    total = sum(weights.values())
    if len(weights) > 1 and total == 0.0:
        raise ConfigError("ctr_weight and rating_weight are both 0: there is nothing to learn; give one of them more.")
    goals = {}
    for name, own in labels.items():
        share = weights[name] / total if len(weights) > 1 else 1.0
        if name == RATING:
            goals[name] = Goal("rating", share, float(own.mean()), float(own.std()))
        else:
            goals[name] = Goal("ctr", share)
    return goals


def _figure(metric: str, labels: Doubles, predictions: Doubles) -> float:
    known = ~np.isnan(labels)
    return PREDICTION_METRICS[metric](labels[known], predictions[known])


def _calibration(labels: Doubles, logits: Doubles) -> Calibration:
    known = ~np.isnan(labels)
    return Calibration.of(labels[known], logits[known])


def _told(goal: str, said: Doubles, labels: Doubles, calibration: Calibration) -> Doubles:
    """Predictions as the task wants them: probabilities, or ratings within those that occur."""
    if goal == CLICK:
        return calibration.probabilities(said.astype(np.float32)).astype(np.float64)
    told: Doubles = np.clip(said, labels.min(), labels.max())
    return told
