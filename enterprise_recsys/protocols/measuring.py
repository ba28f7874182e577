"""One run of a protocol becomes figures, each with its interval over users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from enterprise_recsys.data.guards import refuse_leaks
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.intervals import bootstrap, over_seeds, resampled_means
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.protocols.barring import allowed
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, Lister, ListTask, Predictor, RowTask, Trial
from enterprise_recsys.records import RATING, USER_ID, Bools, Doubles, Ints

RESAMPLES = 1000
"""Times that the users are drawn anew for figures of predictions."""
OF_RATINGS = frozenset({"RMSE", "MAE"})
"""Metrics of ratings, where a task asks for clicks too; the others are of clicks."""


@dataclass(frozen=True)
class Figure:
    """A figure of one run, or of several.

    Attributes:
        stage, metric: what it is of.
        value: the figure.
        low, high: bounds of its 95 % interval over users; None for figures of all lists together.
        of_users: [U] the figure of each user, in the order of the truth; None where there is none.
        of_draws: [RESAMPLES] the figure on users drawn anew, where it is one of all events or questions together and
            not a mean over users; every system and seed has the same draws, so that two can be compared draw by draw.
            Else None.
    """

    stage: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    of_users: Doubles | None = field(default=None, compare=False, repr=False)
    of_draws: Doubles | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Run:
    """What one seed gave."""

    figures: Sequence[Figure]
    dials: Dials


def run_lists(task: ListTask, system: Lister, metrics: Sequence[str], *, seed: int, trials: int, dials: Dials) -> Run:
    """Let a system answer a list task, and measure each of its stages.

    Raises:
        DataError: a target stands in what may be learnt from.
    """
    refuse_known_targets(task)
    answer = system(task, metric=metrics[0], seed=seed, trials=trials, dials=dials)
    return Run(figures_of(task, answer, metrics, seed=seed), answer.dials)


def refuse_known_targets(task: ListTask) -> None:
    """Hold a protocol to its word: no target stands in the log or the past of its round, nor is one asked in both.

    Published splits may be drawn by lot, so that parts overlap in time is no fault here; nor, where a protocol asks for
    repeats, that a target was had before.

    Raises:
        DataError: one does; the message names it.
    """
    if task.repeats:
        return
    rounds = {"choose": task.choose, "judge": task.judge}
    for name, trial in rounds.items():
        targets = trial.log.with_events(trial.targets)
        for what, events in (("log", trial.log.events), ("past", trial.past)):
            parts = {f"{what} of {name}": trial.log.with_events(events), f"targets of {name}": targets}
            refuse_leaks(parts, by_time=False, guards=["target_in_history", "duplicate"])
    asked = {f"targets of {name}": trial.log.with_events(trial.targets) for name, trial in rounds.items()}
    refuse_leaks(asked, by_time=False, guards=["duplicate"])


def figures_of(task: ListTask, answer: Answer, metrics: Sequence[str], *, seed: int) -> list[Figure]:
    """The figures of the lists that a system gives for `judge`, with intervals over users.

    Where users are asked several times, a user is drawn with all questions: they are alike.
    """
    listed = task.listed(task.judge)
    truth, n_items = Encoded.of(task.judge, listed).truth, len(listed) + 1
    ks = sorted({int(metric.split("@")[1]) for metric in metrics})
    figures = []
    for stage, system in answer.stages.items():
        measured = measure(allowed(system, task.judge, listed), truth, n_items=n_items, ks=ks)
        for metric in metrics:
            if metric in measured.of_users:
                figures.append(_figure(stage, metric, measured.of_users[metric], task.judge, seed))
            else:
                figures.append(Figure(stage, metric, measured.of_lists[metric]))
    return figures


def over_runs(runs: Sequence[Run]) -> list[Figure]:
    """What several runs on the same users and targets say together: intervals that other seeds and users both move.

    Figures that no user has, and those of one run, are left out.
    """
    held: dict[tuple[str, str], list[Doubles]] = {}
    for figure in (figure for run in runs for figure in run.figures):
        if figure.of_users is not None:
            held.setdefault((figure.stage, figure.metric), []).append(figure.of_users)
    told = []
    for (stage, metric), values in held.items():
        if len(values) > 1:
            found = over_seeds(np.stack(values), generator=np.random.default_rng(0)).interval
            told.append(Figure(stage, metric, found.mean, found.low, found.high))
    return told


def _figure(stage: str, metric: str, values: Doubles, trial: Trial, seed: int) -> Figure:
    """A figure of lists, of one each user, or of several questions a user."""
    if trial.questions is None:
        found = bootstrap(values, generator=np.random.default_rng(seed))
        return Figure(stage, metric, found.mean, found.low, found.high, values)
    owners = trial.owners.rank("dense").to_numpy().astype(np.int64) - 1
    sums = np.stack([np.bincount(owners, values), np.bincount(owners).astype(np.float64)], axis=1)  # [owners, 2]
    drawn = resampled_means(sums, generator=np.random.default_rng(0))
    means = drawn[:, 0] / drawn[:, 1]
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(stage, metric, float(values.mean()), float(low), float(high), of_draws=means)


def run_rows(task: RowTask, system: Predictor, metrics: Sequence[str], *, seed: int, trials: int, dials: Dials) -> Run:
    """Let a system predict the events of a row task, and measure the predictions.

    Metrics without an entry in WEIGHTED have no interval.

    Raises:
        DataError: there is not one prediction an event, or an event is in two parts.
    """
    parts = {"train": task.train, "val": task.val, "test": task.test}
    refuse_leaks(parts, by_time=False, guards=["duplicate"])
    predictions = system(task, metric=metrics[0], seed=seed, trials=trials, dials=dials)
    # The users of all parts, so that seeds that cut the log otherwise have the same draws too.
    everyone = Vocabulary.of(*(part.events[USER_ID] for part in parts.values()))
    owners = everyone.rows(task.test.events[USER_ID])
    figures: list[Figure] = []
    for goal, values in zip(task.goals, (predictions.values, predictions.ratings), strict=False):
        labels = task.labels(task.test, goal)
        if values is None or values.shape != labels.shape:
            got = "none" if values is None else f"shape {values.shape}"
            raise DataError(f"a system predicts the {goal} of each of the {len(labels)} events of test, got {got}.")
        own, known = [one for one in metrics if _is_of(one, goal, task)], ~np.isnan(labels)
        figures += _row_figures(labels[known], values[known], owners[known], len(everyone), own)
    return Run(figures, predictions.dials)


def _is_of(metric: str, goal: str, task: RowTask) -> bool:
    return len(task.goals) == 1 or (metric in OF_RATINGS) == (goal == RATING)


def _row_figures(
    labels: Doubles, predictions: Doubles, owners: Ints, n_users: int, metrics: Sequence[str]
) -> list[Figure]:
    drawn = over_draws(labels, predictions, owners, n_users, [one for one in metrics if one in WEIGHTED])
    figures = []
    for metric in metrics:
        value = PREDICTION_METRICS[metric](labels, predictions)
        if metric in drawn:
            low, high = np.nanquantile(drawn[metric], [0.025, 0.975])
            figures.append(Figure("ranking", metric, value, float(low), float(high), of_draws=drawn[metric]))
        else:
            figures.append(Figure("ranking", metric, value))
    return figures


def over_draws(
    labels: Doubles, predictions: Doubles, owners: Ints, n_users: int, metrics: Sequence[str]
) -> dict[str, Doubles]:
    """Metric -> [RESAMPLES] its figure on users drawn anew: all events of a user come, as often as the user is drawn.

    Events of one user are alike, so drawing events would make an interval too narrow. The same users are drawn for
    whoever predicted.

    Args:
        labels: [R] what came true.
        predictions: [R].
        owners: [R] whose event each is, under n_users.
        n_users: users who are drawn from.
        metrics: names in WEIGHTED.
    """
    generator = np.random.default_rng(0)
    figures = {metric: WEIGHTED[metric](labels, predictions) for metric in metrics}
    drawn = {metric: np.empty(RESAMPLES) for metric in metrics}
    for place in range(RESAMPLES):
        weights = np.bincount(generator.integers(n_users, size=n_users), minlength=n_users)[owners].astype(np.float64)
        for metric, figure in figures.items():
            drawn[metric][place] = figure(weights)
    return drawn


def _weighted_auc(labels: Doubles, predictions: Doubles) -> Callable[[Doubles], float]:
    """The chance that a positive stands above a negative, by weights of the events [R]; sorted once for all."""
    order = np.argsort(predictions, kind="stable")
    positive: Bools = labels[order] == 1
    starts: Ints = np.flatnonzero(np.diff(predictions[order], prepend=np.nan) != 0)

    def auc(weights: Doubles) -> float:
        of_positives = np.add.reduceat(np.where(positive, weights[order], 0.0), starts)
        of_negatives = np.add.reduceat(np.where(positive, 0.0, weights[order]), starts)
        below = np.cumsum(of_negatives) - of_negatives / 2.0
        pairs = of_positives.sum() * of_negatives.sum()
        return float(of_positives @ below / pairs) if pairs else float("nan")

    return auc


def _weighted_loss(labels: Doubles, predictions: Doubles) -> Callable[[Doubles], float]:
    tiny = float(np.finfo(np.float64).eps)
    losses = -np.log(np.clip(np.where(labels == 1, predictions, 1.0 - predictions), tiny, 1.0))
    return lambda weights: float(losses @ weights / weights.sum())


def _weighted_square(labels: Doubles, predictions: Doubles) -> Callable[[Doubles], float]:
    return lambda weights: float(np.sqrt(np.square(labels - predictions) @ weights / weights.sum()))


def _weighted_distance(labels: Doubles, predictions: Doubles) -> Callable[[Doubles], float]:
    return lambda weights: float(np.abs(labels - predictions) @ weights / weights.sum())


WEIGHTED = {
    "AUC": _weighted_auc,
    "LogLoss": _weighted_loss,
    "RMSE": _weighted_square,
    "MAE": _weighted_distance,
}
"""Metric of predictions -> (labels [R], predictions [R]) -> weights [R] -> figure.

Calibration errors are not here: they are distances, which the noise of a draw can only lengthen, so that percentiles of
draws would lie above the figure."""
