"""What each stage loses: the candidates, their order, the index, and the ranker's predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.engine.calibration import sigmoid
from enterprise_recsys.engine.gathering import SOURCES
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.evaluation.detail import Bin, best_order
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS, Judged, Truth, judge, ndcg, recall
from enterprise_recsys.evaluation.predictions import reliability
from enterprise_recsys.evaluation.protocol import Measured
from enterprise_recsys.evaluation.truth import at_depth
from enterprise_recsys.examining.evidence import CHUNK, SAMPLED_USERS, said_of_events, sample, shown_to
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.tasks import task_figures
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import RATING, Bools, Doubles, Ints

BINS = 10
"""Bins of the reliability plot, of equally many predictions."""
OF_LEVEL = ("LogLoss", "ECE")
"""Names in PREDICTION_METRICS that calibration moves, told before it too."""
OF_RATINGS = ("RMSE", "MAE")
"""Names in PREDICTION_METRICS that compare ratings; the others compare probabilities with what was taken."""


def losses_of(recommender: Recommender, exam: Exam, two_stage: Measured, *, ks: Sequence[int]) -> dict[str, Doubles]:
    """What a list could still be at each stage, user by user: key -> [U], NaN for whom it does not apply.

    A perfect list of the items that the model knows ("catalogue"), and the candidates in the best order ("ceiling"),
    are measured like any list, against all that the user took. What lies between two of these is what a stage loses.

    - "catalogue/NDCG@k", "ceiling/NDCG@k", and the same for Recall.
    - "retrieval/CandidateRecall@D": the user's relevant items among the D candidates / all of them; and the part of it
      that each source brought which none before it had, as "neighbours/CandidateRecall@D".
    - "two_stage/NDCG_given_candidates@k": NDCG@k of the list / that of the candidates in the best order; NaN if no
      candidate is relevant. "retrieval/NDCG_given_candidates@k": the same for the order that they were found in.

    Args:
        recommender: whose candidates are judged; a user who is answered by popular items has these as candidates.
        exam: who is asked.
        two_stage: how the served lists did on the same users, at the same ks.
        ks: lengths of list.
    """
    truth, depth = exam.truth, min(max(recommender.engine.depth, *ks), recommender.n_items)
    known = _known(truth, exam.n_items)
    result: dict[str, Doubles] = {f"retrieval/CandidateRecall@{depth}": np.full(truth.n_users, np.nan)}
    users = np.flatnonzero(truth.counts)
    for begin in range(0, len(users), CHUNK):
        part = users[begin : begin + CHUNK]
        found = recommender.candidates(exam.requests(part), max(ks))
        judged = judge(at_depth(found.rows, depth), part, truth, depth=depth)
        for name, share in recall_by_source(judged, at_depth(found.sources, depth)).items():
            result.setdefault(f"{name}/CandidateRecall@{depth}", np.where(truth.counts > 0, 0.0, np.nan))[part] = share
        perfect = Judged(judge(np.zeros((len(part), 1), np.int64), part, known, depth=depth).ideal, *_wanted(judged))
        result[f"retrieval/CandidateRecall@{depth}"][part] = recall(judged, k=depth)
        for k in ks:
            place = min(k, depth)
            ceiling = ndcg(best_order(judged), k=place)
            figures = {
                f"catalogue/NDCG@{k}": ndcg(perfect, k=place),
                f"catalogue/Recall@{k}": recall(perfect, k=place),
                f"ceiling/NDCG@{k}": ceiling,
                f"ceiling/Recall@{k}": recall(best_order(judged), k=place),
                f"retrieval/NDCG_given_candidates@{k}": _share(ndcg(judged, k=place), ceiling),
                f"two_stage/NDCG_given_candidates@{k}": _share(two_stage.of_users[f"NDCG@{k}"][part], ceiling),
            }
            for key, values in figures.items():
                result.setdefault(key, np.full(truth.n_users, np.nan))[part] = values
    return result


def recall_by_source(judged: Judged, sources: Ints) -> dict[str, Doubles]:
    """Source -> [B] the user's relevant items that it brought / all of them; sources that brought nothing are left out.

    Args:
        judged: candidates [B, D].
        sources: [B, D] place in SOURCES of what brought each; -1: popular items, where nothing is known of the user.
    """
    hits = judged.grades > 0
    return {
        name: (hits & (sources == place)).sum(axis=1) / judged.counts
        for place, name in [*enumerate(SOURCES), (-1, "popular")]
        if (sources == place).any()
    }


def _wanted(judged: Judged) -> tuple[Doubles, Ints]:
    return judged.ideal, judged.counts


def _known(truth: Truth, n_items: int) -> Truth:
    """The truth without what the catalogue lacks."""
    owners = np.repeat(np.arange(truth.n_users), truth.counts)
    held = (truth.items > 0) & (truth.items < n_items)
    return Truth.of(owners[held], truth.items[held], truth.gains[held], n_users=truth.n_users)


def _share(reached: Doubles, possible: Doubles) -> Doubles:
    return np.where(possible > 0, reached / np.where(possible > 0, possible, 1.0), np.nan)


def index_recall(recommender: Recommender, exam: Exam, *, seed: int) -> dict[str, float]:
    """Share of the D nearest items by exact search that the index finds, mean over users: "index/Recall@D".

    D is how many candidates the towers give.

    An item counts as found if its score reaches the D-th exact one, so that ties do not matter. Source: the
    "epsilon-recall" of Aumueller, Bernhardsson and Faithfull, Information Systems 2020, doi:10.1016/j.is.2019.02.006.
    """
    depth = recommender.engine.quotas.two_tower
    users = sample(np.flatnonzero(exam.truth.counts), SAMPLED_USERS, np.random.default_rng(seed))
    vectors, flat = recommender.engine.vectors, exact(recommender.engine.vectors)
    shares = []
    for begin in range(0, len(users), CHUNK):
        requests = exam.requests(users[begin : begin + CHUNK])
        queries = recommender.engine.encoder.encode(requests.query, requests.history)
        best = flat.search(queries, depth, requests.offsets, requests.seen)
        found = recommender.engine.index.search(queries, depth, requests.offsets, requests.seen).rows
        scores = np.einsum("bd,bkd->bk", queries, vectors[found])
        wanted = (best.rows > 0).sum(axis=1)
        bound = np.where(best.rows > 0, best.scores, np.inf).min(axis=1)
        hits = ((scores >= bound[:, None] - 1e-5) & (found > 0)).sum(axis=1)
        shares.append(np.minimum(hits, wanted)[wanted > 0] / wanted[wanted > 0])
    return {f"index/Recall@{depth}": float(np.concatenate(shares).mean())}


@dataclass(frozen=True)
class Reliable:
    """Bins of the ranker's probabilities, as they are told and as they were before calibration."""

    told: list[Bin]
    before: list[Bin]


def predictions_of(recommender: Recommender, exam: Exam, *, seed: int) -> tuple[dict[str, float], Reliable]:
    """How far the ranker's predictions come true: "ranker/<metric>", and bins of its probabilities.

    The CTR head is asked of the candidates that each user was given, with the request that the lists were made from:
    1 for those that the user took later. The rating head is asked of the test ratings of known items, with history and
    statistics as of each rating, free of what came later. "ranker/RMSE_of_mean" is that of always saying the mean
    training rating. Both take a sample where there is very much ("ranker/predictions", "ranker/ratings" count it).
    "ranker/ECE_uncalibrated", "ranker/LogLoss_uncalibrated" and "ranker/MeanPrediction_uncalibrated" are those of the
    network's own probabilities. Where `horizon` has them be of the next visit or the next item, they are not held
    against all that was taken later: "ranker/AUC" tells of their order alone. "ranker/<task>/<metric>" are those of
    `ModelConfig.tasks`, see `task_figures`.
    """
    generator = np.random.default_rng(seed)
    shown = shown_to(recommender, exam, generator)
    labels, logits = shown.taken, shown.said[0]
    clicks = recommender.engine.scorer.calibration.probabilities(logits).astype(np.float64)
    before = sigmoid(logits.astype(np.float64))
    figures = {"ranker/predictions": float(len(labels))}
    is_of_all = recommender.engine.processor.config.aim == "later"
    if len(labels):
        figures["ranker/TakenShare"] = float(labels.mean())
        if is_of_all:
            figures["ranker/MeanPrediction"] = float(clicks.mean())
            figures["ranker/MeanPrediction_uncalibrated"] = float(before.mean())
        for name, metric in PREDICTION_METRICS.items():
            if name in OF_RATINGS or not (is_of_all or name == "AUC"):
                continue
            figures[f"ranker/{name}"] = metric(labels.astype(np.float64), clicks)
            if name in OF_LEVEL:
                figures[f"ranker/{name}_uncalibrated"] = metric(labels.astype(np.float64), before)
    told, ratings = _ratings(recommender, exam, generator)
    if len(told):
        mean = np.full(len(told), float(exam.log.events[RATING].mean()))  # type: ignore[arg-type]
        figures |= {f"ranker/{name}": PREDICTION_METRICS[name](told, ratings) for name in OF_RATINGS}
        figures |= {"ranker/RMSE_of_mean": PREDICTION_METRICS["RMSE"](told, mean), "ranker/ratings": float(len(told))}
    figures |= task_figures(recommender, exam, shown, generator)
    kept = {key: value for key, value in figures.items() if np.isfinite(value)}
    return kept, Reliable(_bins(labels, clicks), _bins(labels, before)) if is_of_all else Reliable([], [])


def _bins(labels: Bools, clicks: Doubles) -> list[Bin]:
    curve = reliability(labels.astype(np.float64), clicks, bins=BINS)
    columns = (curve.predicted.tolist(), curve.observed.tolist(), curve.counts.tolist())
    return [Bin(*one) for one in zip(*columns, strict=True)]


def _ratings(recommender: Recommender, exam: Exam, generator: np.random.Generator) -> tuple[Doubles, Doubles]:
    """Test ratings [R] of known items, and what the rating head said of them [R]."""
    if RATING not in exam.log.events.columns or exam.log.events[RATING].is_null().all():
        return np.empty(0), np.empty(0)
    return said_of_events(recommender, exam, lambda events: events.ratings, 1, generator)
