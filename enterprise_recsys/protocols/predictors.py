"""PREDICTORS: what can answer a row task by name; public methods to hold a ranker against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import scipy.sparse

from enterprise_recsys.baselines.boosted import BoostedRanker
from enterprise_recsys.baselines.tuning import search
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.evaluation.metrics import ERRORS, PREDICTION_METRICS
from enterprise_recsys.evaluation.results import threads
from enterprise_recsys.protocols.encoding import columns_of
from enterprise_recsys.protocols.networks import alike, fields_alone, network
from enterprise_recsys.protocols.tasks import CLICK, Dials, Predictions, Predictor, RowTask, numbers
from enterprise_recsys.records import ITEM_ID, RATING, USER_ID, Columns, Doubles, Interactions, Ints


def logistic(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
    """Logistic regression on all fields, each value a column of its own, by scikit-learn; dial `ridge`.

    Learns from train; the ridge is chosen on val.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtraError(_missing("logistic", "scikit-learn")) from None
    if task.threshold is None:
        raise DataError("logistic predicts yes or no, and this protocol asks for ratings; take bias or lightgbm.")
    train, val, test = _one_hot(columns_of(task))
    labels = task.labels(task.train)

    def fitted(dials: Mapping[str, float]) -> Callable[[scipy.sparse.csr_matrix], Doubles]:
        model = LogisticRegression(C=1.0 / dials.get("ridge", 3.0), max_iter=300).fit(train, labels)
        return lambda table: np.asarray(model.predict_proba(table)[:, 1], dtype=np.float64)

    space = {"ridge": (0.3, 1.0, 3.0, 10.0, 30.0)}
    own = numbers(dials, list(space), system="logistic") or _chosen(
        lambda one: fitted(one)(val), task, metric, seed, trials, space
    )
    return Predictions(fitted(own)(test), own)


def boosted(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
    """Gradient-boosted trees on all fields, ids as categories; val says when to stop, and chooses the dials."""
    train, val, test = columns_of(task)
    labels, judged = task.labels(task.train), task.labels(task.val)

    defaults = {"leaves": 255, "learning_rate": 0.1, "rounds": 1000, "least": 20, "threads": threads()}

    def fitted(dials: Mapping[str, float]) -> BoostedRanker:
        settings = {**defaults, **dials}
        whole = {name: int(settings[name]) for name in ("leaves", "rounds", "least", "threads")}
        objective = "rating" if task.threshold is None else "click"
        model = BoostedRanker(objective, learning_rate=settings["learning_rate"], seed=seed, **whole)  # type: ignore[arg-type]
        return model.fit(train, labels, val=(val, judged, None))

    space = {"leaves": (63, 255), "learning_rate": (0.05, 0.1), "least": (20, 100)}
    own = numbers(dials, list(defaults), system="lightgbm") or _chosen(
        lambda one: fitted(one).score(val), task, metric, seed, trials, space
    )
    return Predictions(fitted(own).score(test), own)


def bias(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
    """Mean + bias of the user + bias of the item, by least squares with a ridge each, solved in turn.

    Learns from train and val once the ridges are chosen on val. Predictions are kept within the ratings that occur.

    Source: Koren, Bell and Volinsky, IEEE Computer 42, 2009, doi:10.1109/MC.2009.263, section "adding biases".
    """
    if task.threshold is not None:
        raise DataError("bias predicts ratings, and this protocol asks for yes or no; take logistic or lightgbm.")

    def fitted(parts: Sequence[Interactions], asked: Interactions, dials: Mapping[str, float]) -> Doubles:
        columns, labels = columns_of_ids([*parts, asked]), np.concatenate([task.labels(part) for part in parts])
        users, items = (column[: len(labels)] for column in columns)
        mean = labels.mean()
        of_users, of_items = np.zeros(columns[0].max() + 1), np.zeros(columns[1].max() + 1)
        for _ in range(20):
            of_items = _ridge(items, labels - mean - of_users[users], len(of_items), dials.get("ridge_items", 3.0))
            of_users = _ridge(users, labels - mean - of_items[items], len(of_users), dials.get("ridge_users", 5.0))
        user, item = (column[len(labels) :] for column in columns)
        values: Doubles = np.clip(mean + of_users[user] + of_items[item], labels.min(), labels.max())
        return values

    space = {"ridge_items": (1.0, 3.0, 10.0), "ridge_users": (1.0, 3.0, 5.0, 10.0)}
    own = numbers(dials, list(space), system="bias") or _chosen(
        lambda one: fitted([task.train], task.val, one), task, metric, seed, trials, space
    )
    return Predictions(fitted([task.train, task.val], task.test, own), own)


def apart(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials, predictor: Predictor) -> Predictions:
    """A predictor that answers one goal; where clicks and ratings are asked it learns each for itself."""
    if len(task.goals) == 1:
        return predictor(task, metric=metric, seed=seed, trials=trials, dials=dials)
    clicks = predictor(task.alone(CLICK), metric=metric, seed=seed, trials=trials, dials=dials)
    stars = predictor(task.alone(RATING), metric="RMSE", seed=seed, trials=trials, dials=dials)
    told = {f"{name}_{RATING}": value for name, value in stars.dials.items() if clicks.dials.get(name) != value}
    return Predictions(clicks.values, {**clicks.dials, **told}, stars.values)


def columns_of_ids(parts: Sequence[Interactions]) -> tuple[Ints, Ints]:
    """User and item rows of the events of some parts, one after the other, by a vocabulary of them all."""
    return tuple(  # type: ignore[return-value]
        np.concatenate([Vocabulary.of(*(part.events[key] for part in parts)).rows(one.events[key]) for one in parts])
        for key in (USER_ID, ITEM_ID)
    )


def _ridge(rows: Ints, rest: Doubles, size: int, ridge: float) -> Doubles:
    return np.bincount(rows, rest, minlength=size) / (np.bincount(rows, minlength=size) + ridge)


def _chosen(
    predict: Callable[[Mapping[str, float]], Doubles],
    task: RowTask,
    metric: str,
    seed: int,
    trials: int,
    space: Mapping[str, Sequence[float]],
) -> Mapping[str, float]:
    """The dials whose predictions of val are best; the defaults if there is nothing to try."""
    if trials <= 1:
        return {}
    labels, sign = task.labels(task.val), -1.0 if metric in ERRORS else 1.0
    return search(
        lambda dials: sign * PREDICTION_METRICS[metric](labels, predict(dials)),
        space,
        trials=trials,
        generator=np.random.default_rng(seed),
    )[0].dials


def _one_hot(parts: Sequence[Columns]) -> list[scipy.sparse.csr_matrix]:
    """[R, F] a column for each value of each field but 0, numbers as they are; the same columns for all parts."""
    sizes = {
        name: max(int(part[name].max(initial=0)) for part in parts)
        for name, column in parts[0].items()
        if np.issubdtype(column.dtype, np.integer)
    }
    return [
        scipy.sparse.hstack([_spread(part[name], sizes.get(name)) for name in part], format="csr") for part in parts
    ]


def _spread(column: np.ndarray, size: int | None) -> scipy.sparse.csr_matrix:
    if size is None:
        return scipy.sparse.csr_matrix(column.reshape(-1, 1).astype(np.float64))
    values = column.reshape(len(column), -1)
    rows, places = np.nonzero(values)
    ones = np.ones(len(rows))
    return scipy.sparse.csr_matrix((ones, (rows, values[rows, places] - 1)), shape=(len(column), size))


def _missing(name: str, package: str) -> str:
    return f"{name!r} needs the package {package}; install it with pip install 'enterprise_recsys[baselines]'."


NETWORKS = ("dcn_v2", "dcn_v2_low_rank", "mlp")
"""As the ranker's table of this name, which only who has PyTorch can import."""

PREDICTORS: Mapping[str, Predictor] = {
    "ours": network,
    **{name: partial(fields_alone, name=name) for name in NETWORKS},
    "dcn_v2_apart": partial(apart, predictor=alike),
    "logistic": partial(apart, predictor=logistic),
    "lightgbm": partial(apart, predictor=boosted),
    "bias": partial(apart, predictor=bias),
}
"""What can answer a row task. Where clicks and ratings are asked, `ours` and the networks by name learn both in one
network, the others each by itself."""
