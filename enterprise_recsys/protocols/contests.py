"""Several systems that answered one protocol: between which two is the difference real?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from enterprise_recsys.evaluation.comparisons import sign_flip
from enterprise_recsys.evaluation.intervals import paired
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.protocols.measuring import Run
from enterprise_recsys.records import Doubles


def differences(runs: Mapping[str, Sequence[Run]], metric: str) -> Evaluation:
    """The difference of each two systems user by user, with interval and paired test, as keys of an `Evaluation`.

    A user's figure is the mean over the seeds, where all seeds ask as many users; else that of the first seed. A system
    with two stages stands for each by its name, as "ours_two_stage".

    Args:
        runs: system -> what each seed gave; all on the same splits.
        metric: one that users have, such as "NDCG@10"; of others (predictions, coverage) nothing is told.
    """
    figures: dict[str, Doubles] = {}
    for system, seeds in runs.items():
        held: dict[str, list[Doubles]] = {}
        for figure in (figure for run in seeds for figure in run.figures):
            if figure.metric == metric and figure.of_users is not None:
                held.setdefault(figure.stage, []).append(figure.of_users)
        for stage, values in held.items():
            same = len({len(one) for one in values}) == 1
            figures[system if len(held) == 1 else f"{system}_{stage}"] = np.mean(values, axis=0) if same else values[0]
    told: dict[str, float] = {}
    generator = np.random.default_rng(0)
    for first, second in combinations(figures, 2):
        if len(figures[first]) == len(figures[second]):
            found = paired(figures[first], figures[second], generator=generator)
            key = f"{first}-{second}/{metric}"
            told |= {key: found.mean, f"{key}/low": found.low, f"{key}/high": found.high}
            told[f"{key}/p"] = sign_flip(figures[first], figures[second], generator=generator)
    return Evaluation(told)
