"""In a made world: how well the ranker orders candidates, beside the best that anybody could, who knew the chances."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from enterprise_recsys.evaluation.predictions import area_under_curve
from enterprise_recsys.evaluation.truth import judge
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Doubles, Floats, Interactions

CHUNK = 256
"""Users asked at a time; bounds the memory."""


def against_truth(
    recommender: Recommender, test: Interactions, chances: Callable[[Sequence[str]], Floats]
) -> dict[str, float]:
    """The mean over users of the AUC within their candidates, by three orders.

    "ranker/UserAUC": by the ranker; "retrieval/UserAUC": by the towers; "ranker/UserAUC_possible": by the true chances,
    which no order beats but by luck. A user whose candidates were all taken, or none, does not count. Within users,
    since how often somebody will come is nobody's to know.

    Args:
        recommender: whose candidates are judged.
        test: what the users went on to take.
        chances: user ids -> [B, I] true chance of each item, in the order of the catalogue's ids.
    """
    exam = Exam(recommender.engine.processor, recommender.log, test)
    depth = min(recommender.engine.depth, recommender.n_items)
    users = np.flatnonzero(exam.truth.counts)
    found: dict[str, list[float]] = {"ranker/UserAUC": [], "retrieval/UserAUC": [], "ranker/UserAUC_possible": []}
    for begin in range(0, len(users), CHUNK):
        part = users[begin : begin + CHUNK]
        requests = exam.requests(part)
        asked = recommender.finder.gather(requests, 1)
        columns = recommender.state.pair_columns(requests, recommender.item_columns, asked)
        said = recommender.engine.scorer.logits(columns)[0]
        true = np.concatenate([np.zeros((len(part), 1)), chances(exam.user_ids.gather(part).to_list())], axis=1)
        scores: Sequence[Doubles] = (
            said.astype(np.float64).reshape(asked.rows.shape),
            asked.scores.astype(np.float64),
            np.take_along_axis(true, asked.rows, axis=1),
        )
        taken = judge(asked.rows, part, exam.truth, depth=depth).grades > 0
        for place, held in enumerate(asked.rows > 0):
            labels = taken[place][held].astype(np.float64)
            if 0 < labels.sum() < len(labels):
                for name, values in zip(found, scores, strict=True):
                    found[name].append(area_under_curve(labels, values[place][held]))
    return {name: float(np.mean(values)) for name, values in found.items() if values}
