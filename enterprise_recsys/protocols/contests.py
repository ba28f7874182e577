"""Several systems that answered one protocol: between which two is the difference real?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from enterprise_recsys.evaluation.comparisons import sign_flip
from enterprise_recsys.evaluation.intervals import Interval, difference_of, paired
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.protocols.measuring import Figure, Run
from enterprise_recsys.records import Doubles


def differences(runs: Mapping[str, Sequence[Run]], metric: str) -> Evaluation:
    """The difference of each two systems on the same users, with interval and p, as keys of an `Evaluation`.

    Figures that each user has are compared user by user: bootstrap, and paired test by turning signs. Those of all
    events together (AUC, log loss, RMSE) are compared on the same users drawn anew: interval and p of the paired
    bootstrap. A figure is the mean over the seeds, where all seeds have as many users; else that of the first seed. A
    system with two stages stands for each by its name, as "ours_two_stage".

    Args:
        runs: system -> what each seed gave; all on the same splits.
        metric: one that users or draws of users have, such as "NDCG@10"; of others (coverage) nothing is told.
    """
    figures: dict[str, Figure] = {}
    for system, seeds in runs.items():
        held: dict[str, list[Figure]] = {}
        for figure in (figure for run in seeds for figure in run.figures):
            if figure.metric == metric and (figure.of_users is not None or figure.of_draws is not None):
                held.setdefault(figure.stage, []).append(figure)
        for stage, told in held.items():
            figures[system if len(held) == 1 else f"{system}_{stage}"] = _over_seeds(told)
    keys: dict[str, float] = {}
    generator = np.random.default_rng(0)
    for first, second in combinations(figures, 2):
        found = _difference(figures[first], figures[second], generator)
        if found is not None:
            key = f"{first}-{second}/{metric}"
            keys |= {key: found.mean, f"{key}/low": found.low, f"{key}/high": found.high}
            keys |= {} if found.p is None else {f"{key}/p": found.p}
    return Evaluation(keys)


def _over_seeds(told: Sequence[Figure]) -> Figure:
    """The mean figure of the seeds."""
    first = told[0]
    of_users = [one.of_users for one in told if one.of_users is not None]
    if of_users:
        same = len({len(one) for one in of_users}) == 1
        mean: Doubles = np.mean(of_users, axis=0) if same else of_users[0]
        return Figure(first.stage, first.metric, float(np.nanmean(mean)), of_users=mean)
    drawn: Doubles = np.mean([one.of_draws for one in told if one.of_draws is not None], axis=0)
    return Figure(first.stage, first.metric, float(np.mean([one.value for one in told])), of_draws=drawn)


def _difference(first: Figure, second: Figure, generator: np.random.Generator) -> Interval | None:
    """The first less the second; None where they are not of the same users."""
    if first.of_draws is not None and second.of_draws is not None:
        drawn = first.of_draws - second.of_draws
        return difference_of(np.array([first.value - second.value]), drawn[~np.isnan(drawn)], confidence=0.95)
    if first.of_users is None or second.of_users is None or len(first.of_users) != len(second.of_users):
        return None
    found = paired(first.of_users, second.of_users, generator=generator)
    p = sign_flip(first.of_users, second.of_users, generator=generator)
    return Interval(found.mean, found.low, found.high, p)
