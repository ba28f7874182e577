"""How the ranker is taught: for as many epochs as serve a later time, or users whom it has not learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.blending import Served
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.learning.calibrating import calibrated, tasks_as_served
from enterprise_recsys.learning.retrieving import plan
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.loop import Report
from enterprise_recsys.ranking.ranker import Ranker, fit_together
from enterprise_recsys.records import Floats, Ints

_FOLDS = 4
_JUDGES = 600
_LEAST = 100
"""Users in each of two slices of time, below which the later one does not judge: too few to teach, or to tell."""


@dataclass(frozen=True)
class Taught:
    """A ranker, for how many epochs it was taught, and what makes probabilities of its logits; of the tasks' too."""

    ranker: Ranker
    epochs: int
    calibration: Calibration
    tasks: dict[str, Served]


def taught_ranker(
    processor: DataProcessor,
    moments: Moments,
    later: Slates,
    earlier: Slates | None,
    folder: Path | None,
    report: Report | None,
) -> Taught:
    """A ranker that has learnt all lists.

    Epochs go by the mean NDCG@10 of re-ranked candidates: of the clicks, and of each task of yes or no that has a blend
    by what its own head says, by their shares in the blend. With two slices of time the later one judges what was
    learnt from the earlier one, as the future will judge both: users set aside from one slice share its fashions with
    those who are learnt from, and are flattered by them (in the made world by .02 where .003 was left of it later). Two
    slices teach better than one as well; see "What teaches the ranker" in docs/choices.md.

    Args:
        processor, moments: over all data.
        later, earlier: lists of two slices of time; `earlier` may lack.
        folder: for checkpoints; None: none.
        report: told of the progress.
    """
    config = processor.config
    lists = later if earlier is None else earlier.beside(later)
    contests = _by_time(earlier, later) if earlier is not None else []
    contests = contests or _by_user(lists, later, config.seed)
    events = moments.events
    trials = [Ranker(processor, config, events.ratings, events.tasks) for _ in contests]

    def said() -> list[tuple[Floats, ...]]:
        told = zip(trials, contests, strict=True)
        return [trial.predict(contest.judged.examples.columns) for trial, contest in told]

    def validate() -> float:
        told, aims = said(), _aims(config)
        total = 0.0
        for place, (task, share) in aims.items():
            pairs = zip(contests, told, strict=True)
            scores = [contest.judged.ndcg(one[place], task=task) for contest, one in pairs]
            total += share * float(np.nan_to_num(np.nanmean(np.concatenate(scores))))
        return total / sum(share for _, share in aims.values())

    epochs = config.ranker_epochs
    if contests:
        stage, taught = plan(config, "ranker, trial", epochs, folder, report), [one.taught for one in contests]
        epochs = fit_together(trials, [lists.examples] * len(trials), stage, lists=taught, validate=validate).epoch
    ranker = Ranker(processor, config, events.ratings, events.tasks)
    ranker.fit(lists.examples, plan(config, "ranker", epochs, folder, report))
    judged = [contest.judged for contest in contests]
    served, own = [ranker.predict(part.examples.columns) for part in judged], said()
    calibration = calibrated(judged, [one[0] for one in own], [one[0] for one in served])
    return Taught(ranker, epochs, calibration, tasks_as_served(config.tasks, ranker.goals, judged, own, served))


def _aims(config: ModelConfig) -> dict[int, tuple[str | None, float]]:
    """Place among the ranker's outputs -> the task that it is judged by (None: the click), and its share."""
    tasks = enumerate(config.tasks.items(), start=2)
    chances = {place: (name, one.blend) for place, (name, one) in tasks if one.is_chance and one.blend > 0}
    return {0: (None, 1.0), **chances}


@dataclass(frozen=True)
class _Contest:
    """Places of the lists that a ranker on trial learns from, and lists that judge it."""

    taught: Ints
    judged: Slates


def _by_time(earlier: Slates, later: Slates) -> list[_Contest]:
    """The earlier slice teaches, the later one judges; none if one of them has too few users."""
    if min(len(np.unique(part.users)) for part in (earlier, later)) < _LEAST:
        return []
    return [_Contest(np.arange(len(earlier.users)), later)]


def _by_user(lists: Slates, later: Slates, seed: int) -> list[_Contest]:
    """Users of the later slice, set aside in turn: with few lists one part would judge by luck."""
    everyone = np.random.default_rng(seed + 1).permutation(np.unique(later.users))
    folds = min(_FOLDS, math.ceil(_JUDGES * _FOLDS / len(later.users)))
    parts = [part for part in np.array_split(everyone, _FOLDS)[:folds] if len(part)]
    taught = [np.flatnonzero(~np.isin(lists.users, part)) for part in parts]
    if not all(len(places) for places in taught):
        return []
    return [
        _Contest(places, later.take(np.isin(later.users, part))) for part, places in zip(parts, taught, strict=True)
    ]
