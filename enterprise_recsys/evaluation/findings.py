"""What the figures say in words: whether each difference is real, where the lists lose most, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from enterprise_recsys.evaluation.comparisons import holm

OURS, FIRST_STAGE = "two_stage", "retrieval"
BOUND_SYSTEM = "best_possible"
LISTED_USERS = "ListedUsers"
"""Metric of a file of lists: share of the users that it has a list for."""
Verdict = Literal["better", "worse", "unclear", "told"]

STEPS: Sequence[tuple[str, str, str]] = (
    ("unknown items", "items that the model does not know", "catalogue"),
    ("candidates", "relevant items that are not among the candidates", "ceiling"),
    ("order", "the order of the candidates", "ranked"),
    ("rules", "rules after the ranking", OURS),
)
"""What is lost on the way from a perfect list to ours: in a word, in words, and the list that is left after it. Without
rules nothing is measured as "ranked", and the order is judged by the final list."""


@dataclass(frozen=True)
class Finding:
    """One thing that the figures say.

    Attributes:
        topic: second_stage, system (beside ours), loss, slice, index or ranker.
        verdict: of ours (or the first of two systems): better, worse, unclear; told = neither.
        text: the sentence.
    """

    topic: str
    verdict: Verdict
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Loss:
    """A step from a perfect list to ours: its name in a word and in words, and the metric before and after."""

    name: str
    words: str
    before: float
    after: float


def findings_of(figures: Mapping[str, float], *, headline: str = "NDCG", confidence: float = 0.95) -> list[Finding]:
    """What an evaluation says, by the headline metric at its first k.

    A difference is called real if its bootstrap interval leaves out zero and the p of its paired test, corrected by
    Holm for all the differences that are told of here, is under 1 - confidence.

    Args:
        figures: an `Evaluation`.
        headline: name of the metric, without "@".
        confidence: that the intervals were made with.
    """
    metric = next((part for key in figures for part in key.split("/")[1:] if part.split("@")[0] == headline), None)
    if metric is None:
        return []
    pairs = _pairs(figures, metric)
    found = [
        _of_pair(figures, pair, metric, p, len(pairs), confidence) for pair, p in corrected(figures, pairs, metric)
    ]
    found += _of_other_metrics(figures, pairs, metric, confidence) if len(pairs) == 1 else []
    found += _of_losses(figures, metric)
    found += _of_new_users(figures, metric, confidence)
    return [*found, *_of_index(figures), *_of_ranker(figures), *_of_coverage(figures)]


def _pairs(figures: Mapping[str, float], metric: str) -> list[tuple[str, str]]:
    """Pairs that were compared in a metric; the second stage first."""
    named = [key.split("/") for key in figures if key.endswith(f"/{metric}") and key.count("/") == 1]
    pairs = [(parts[0].split("-")[0], parts[0].split("-")[1]) for parts in named if parts[0].count("-") == 1]
    return sorted(pairs, key=lambda pair: pair != (OURS, FIRST_STAGE))


def corrected(
    figures: Mapping[str, float], pairs: Sequence[tuple[str, str]], metric: str
) -> list[tuple[tuple[str, str], float]]:
    """Each pair with its p, raised by Holm for being one of several; 1 where there is no p."""
    values = [figures.get(f"{first}-{second}/{metric}/p", 1.0) for first, second in pairs]
    return list(zip(pairs, _holm(values), strict=True))


def is_real(low: float, high: float, p: float, confidence: float) -> bool:
    """Whether a difference is too large to be chance: its interval leaves out zero, and so does the paired test."""
    return (low > 0 or high < 0) and p < 1 - confidence


def _holm(values: Sequence[float]) -> list[float]:
    return [float(p) for p in holm(np.array(values, dtype=np.float64))]


def _of_pair(
    figures: Mapping[str, float], pair: tuple[str, str], metric: str, p: float, family: int, confidence: float
) -> Finding:
    first, second = pair
    key = f"{first}-{second}/{metric}"
    mean, low, high = figures[key], figures.get(f"{key}/low", float("-inf")), figures.get(f"{key}/high", float("inf"))
    corrected_p = f", p = {p:.3f}" + (f" corrected for {family} comparisons" if family > 1 else "")
    bounds = f"{mean:+.4f}, {100 * confidence:g} % interval {low:+.4f} to {high:+.4f}{corrected_p}"
    verdict: Verdict = "unclear"
    if is_real(low, high, p, confidence):
        verdict = "better" if mean > 0 else "worse"
    ours, other = figures.get(f"{first}/{metric}", float("nan")), figures.get(f"{second}/{metric}", float("nan"))
    if pair == (OURS, FIRST_STAGE):
        words = {"better": "The second stage helps", "worse": "The second stage does not help, it harms"}
        start = words.get(verdict, "The second stage does not help")
        told = f"{start}: {metric} is {ours:.4f} with it and {other:.4f} with retrieval alone ({bounds})."
        if verdict == "unclear":
            told += f" No difference can be shown; if it does help, then by {max(high, 0.0):.4f} at the most."
        return Finding("second_stage", verdict, told)
    if verdict == "unclear":
        told = f"No clear difference between {first} ({metric} {ours:.4f}) and {second} ({other:.4f}): {bounds}."
    else:
        told = f"{first} is {verdict} than {second}: {metric} is {ours:.4f} beside {other:.4f} ({bounds})."
    return Finding("system", verdict, told)


def _of_other_metrics(
    figures: Mapping[str, float], pairs: Sequence[tuple[str, str]], metric: str, confidence: float
) -> Iterable[Finding]:
    """For the one pair that was compared: in which other metrics the first is better, worse or neither."""
    first, second = pairs[0]
    start = f"{first}-{second}/"
    keys = [key for key in figures if key.startswith(start) and key.count("/") == 1 and key != f"{start}{metric}"]
    keys = [key for key in keys if f"{key}/p" in figures]
    groups: dict[str, list[str]] = {"better": [], "worse": [], "not clearly different": []}
    for key, p in zip(keys, _holm([figures[f"{key}/p"] for key in keys]), strict=True):
        real = is_real(figures[f"{key}/low"], figures[f"{key}/high"], p, confidence)
        word = "not clearly different" if not real else "better" if figures[key] > 0 else "worse"
        groups[word].append(key.removeprefix(start))
    told = "; ".join(f"{word} in {', '.join(names)}" for word, names in groups.items() if names)
    if told:
        yield Finding("system", "told", f"By the other metrics (p corrected) {first} is {told}.")


def losses(figures: Mapping[str, float], metric: str) -> list[Loss]:
    """From a perfect list (1) to ours, step by step; empty where the stages were not measured.

    Args:
        figures: an `Evaluation`.
        metric: NDCG at some k, of which a perfect list has 1.
    """
    if f"ceiling/{metric}" not in figures or f"{OURS}/{metric}" not in figures:
        return []
    has_rules = f"ranked/{metric}" in figures
    steps: list[Loss] = []
    before = 1.0
    for name, words, after in STEPS if has_rules else STEPS[:-1]:
        value = figures[f"{after if has_rules or after != 'ranked' else OURS}/{metric}"]
        steps.append(Loss(name, words, before, value))
        before = value
    return steps


def _of_losses(figures: Mapping[str, float], metric: str) -> Iterable[Finding]:
    steps = losses(figures, metric)
    if not steps:
        return
    sizes = [step.before - step.after for step in steps]
    worst = steps[sizes.index(max(sizes))]
    kept = [(size, step.words) for step, size in zip(steps, sizes, strict=True) if abs(size) >= 0.00005]
    listed = ", ".join(f"{size:.4f} goes to {words}" for size, words in kept)
    best = figures.get(f"{BOUND_SYSTEM}/{metric}")
    bound = f" (a list that knows the answer would have {best:.4f})" if best is not None else ""
    yield Finding(
        "loss",
        "told",
        f"The lists lose most to {worst.words}. Of the {metric} of 1 that a perfect list has, {listed}; "
        f"{steps[-1].after:.4f} is left{bound}.",
    )
    given = {name: figures.get(f"{name}/NDCG_given_candidates@{metric.split('@')[-1]}") for name in (OURS, FIRST_STAGE)}
    ours, found = given[OURS], given[FIRST_STAGE]
    depth, recall = next(
        (
            (key.split("@")[1], value)
            for key, value in figures.items()
            if key.startswith("retrieval/CandidateRecall@") and key.count("/") == 1
        ),
        ("", None),
    )
    if ours is not None and found is not None and recall is not None:
        yield Finding(
            "loss",
            "told",
            f"On average {recall:.1%} of what a user took is among the {depth} candidates{_by_source(figures)}. "
            f"Of the best {metric} that their order could give, retrieval's own order reaches {found:.1%} and the "
            f"second stage {ours:.1%}.",
        )


def _by_source(figures: Mapping[str, float]) -> str:
    """What each source added to the candidates, in the order that they are asked; nothing where it was not measured."""
    recalls = {
        key.split("/")[0]: value
        for key, value in figures.items()
        if key.partition("/")[2].startswith("CandidateRecall@") and "/" not in key.partition("/")[2]
    }
    recalls.pop(FIRST_STAGE, None)
    return f" ({', '.join(f'{value:.1%} by {name}' for name, value in recalls.items())})" if len(recalls) > 1 else ""


def _of_new_users(figures: Mapping[str, float], metric: str, confidence: float) -> Iterable[Finding]:
    counted, everyone = figures.get("users_without_history", 0), figures.get("users", 0)
    ours = figures.get(f"{OURS}/new_users/{metric}")
    if not counted or not everyone or ours is None:
        return
    others = {
        key.split("/")[0]: value
        for key, value in figures.items()
        if key.endswith(f"/new_users/{metric}")
        and not key.startswith((f"{OURS}/", FIRST_STAGE, BOUND_SYSTEM))
        and "-" not in key.split("/")[0]
    }
    start = f"For the {counted:,.0f} users without history ({counted / everyone:.1%}) {metric} is {ours:.4f}"
    if not others:
        yield Finding("slice", "told", f"{start}.")
        return
    best = max(others, key=lambda name: others[name])
    key = f"{OURS}-{best}/new_users/{metric}"
    low, high, p = figures.get(f"{key}/low", 0.0), figures.get(f"{key}/high", 0.0), figures.get(f"{key}/p", 1.0)
    verdict: Verdict = "unclear"
    if is_real(low, high, min(p * len(others), 1.0), confidence):  # the best of several was picked: as for the worst
        verdict = "better" if low > 0 else "worse"
    word = {"better": "better than", "worse": "worse than", "unclear": "not clearly different from"}[verdict]
    yield Finding("slice", verdict, f"{start}, {word} {best} ({others[best]:.4f}).")


def _of_index(figures: Mapping[str, float]) -> Iterable[Finding]:
    for key, value in figures.items():
        if key.startswith("index/Recall@") and value < 0.999:
            depth = key.split("@")[1]
            yield Finding("index", "told", f"The index finds {value:.1%} of the {depth} nearest items of exact search.")


def _of_ranker(figures: Mapping[str, float]) -> Iterable[Finding]:
    taken, told, auc = (figures.get(f"ranker/{name}") for name in ("TakenShare", "MeanPrediction", "AUC"))
    sentences = []
    if taken and told:
        ratio = told / taken
        word = "about right" if 0.8 <= ratio <= 1.25 else "too high" if ratio > 1 else "too low"
        sentences.append(f"The ranker's probabilities are {word}: {told:.2%} on average where {taken:.2%} were taken.")
    if taken and auc:
        sentences.append(f"A candidate that is taken stands above one that is not with a chance of {auc:.3f}.")
    if sentences:
        yield Finding("ranker", "told", " ".join(sentences))


def _of_coverage(figures: Mapping[str, float]) -> Iterable[Finding]:
    for key, value in figures.items():
        name, _, metric = key.partition("/")
        if metric == LISTED_USERS and value < 1:
            yield Finding("system", "told", f"{name} has lists for {value:.1%} of the users; the others are misses.")
