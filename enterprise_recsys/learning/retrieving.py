"""How the retriever is taught: for as many epochs as validation says, with the history part that validation prefers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.joining import joined, later_places
from enterprise_recsys.data.live import State
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.steps import patience_of
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.learning.slates import visits
from enterprise_recsys.loop import Plan, Report
from enterprise_recsys.records import USER_ID, Dataset, Interactions, Ints
from enterprise_recsys.retrieval.beside import Beside, Retrieval
from enterprise_recsys.retrieval.history import Variant, variants
from enterprise_recsys.retrieval.retriever import Retriever

_NOBODY = (
    "no user of the validation log is known, by events or by features; validation must hold later events of the same "
    "community as the training log."
)
_JUDGES = 10_000
"""Users of the validation log that are asked after each epoch, at most; drawn by the seed."""


_WORTH = 1.005
"""How many times as good as one history part two must be: they cost two encodings and a search of twice the width."""
_NEAR = 0.9
"""A history part with no prospect of this share of the best other one's score is given up.

On ml-1m 'transformer' has .94 of what 'fold_in' has by validation, and side by side they have 1.006 to 1.019 of that
(three seeds); where it has .4 to .65, as where events were set aside by lot, it has been of no use beside it.
"""


@dataclass(frozen=True)
class Way:
    """How the towers are taught: variants that stand side by side, or one, and the epochs of each."""

    variants: tuple[Variant, ...]
    epochs: tuple[int, ...]

    def __str__(self) -> str:
        return " beside ".join(map(str, self.variants))

    def beside(self, other: Way) -> Way:
        """Both ways side by side."""
        return Way(self.variants + other.variants, self.epochs + other.epochs)


@dataclass(frozen=True)
class Trained:
    """A retriever as validation chose it, how it came about, how good it is, and what judged it."""

    way: Way
    retriever: Retrieval
    score: float
    judge: Callable[[Retrieval], float]

    @property
    def worth(self) -> float:
        """What the score counts for in the choice."""
        return self.score / (1.0 if len(self.way.variants) == 1 else _WORTH)


def chosen_retriever(
    processor: DataProcessor,
    early: Interactions,
    late: Interactions,
    folder: Path | None,
    report: Report | None,
    *,
    judge: Callable[[Retrieval], float] | None = None,
) -> Trained:
    """Learn from `early`, and let `late` choose the epochs and, where the dials leave it open, the variant.

    A variant that has no prospect of coming up to the best before it is given up: see `loop.Plan.leader`. Two history
    parts are judged side by side as well, each as it is best alone, and both stay where that is clearly better.

    Args:
        processor: as it knows `early`.
        early, late: train and validation.
        folder: for checkpoints; None: none.
        report: told of the progress.
        judge: what is as high as a retriever is good; None: see `judge_of`.
    """
    config, dataset = processor.config, processor.dataset(early)
    tried = variants(config, len(processor.items), len(early.events))
    alone: dict[str, tuple[Trained, Retriever]] = {}  # the best of each history part
    best: Trained | None = None
    for variant in tried:
        retriever = of_variant(processor, variant, dataset)
        judge = judge or judge_of(processor, early, late)
        stage = "retriever" if len(tried) == 1 else f"retriever, {variant}"
        shares = (one.score * (1.0 if name == variant.history else _NEAR) for name, (one, _) in alone.items())
        leader = max(shares, default=None)
        patience = patience_of(config, variant.history, len(early.events))
        made = replace(plan(config, stage, config.epochs, folder, report), leader=leader, patience=patience)
        fit = retriever.fit(made, validate=partial(judge, retriever))
        own = Trained(Way((variant,), (fit.epoch,)), retriever, max(fit.scores), judge)
        found = [own]
        for history, (other, part) in alone.items():
            if history != variant.history:
                both = Beside([part, retriever])
                found.append(Trained(other.way.beside(own.way), both, judge(both), judge))
        if variant.history not in alone or own.score > alone[variant.history][0].score:
            alone[variant.history] = own, retriever
        best = max([best, *found] if best is not None else found, key=lambda one: one.worth)
    assert best is not None
    return best


def taught(
    processor: DataProcessor, way: Way, dataset: Dataset, stage: str, folder: Path | None, report: Report | None
) -> Retrieval:
    """Teach a retriever for as many epochs as were chosen.

    Args:
        processor, dataset: what is learnt from.
        way: how.
        stage: in words, beginning with "retriever".
        folder: for checkpoints; None: none.
        report: told of the progress.
    """
    config, parts = processor.config, []
    for variant, epochs in zip(way.variants, way.epochs, strict=True):
        retriever = of_variant(processor, variant, dataset)
        name = stage if len(way.variants) == 1 else f"{stage}, {variant}"
        retriever.fit(plan(config, name, epochs, folder, report))
        parts.append(retriever)
    return parts[0] if len(parts) == 1 else Beside(parts)


def of_variant(processor: DataProcessor, variant: Variant, dataset: Dataset) -> Retriever:
    """An untaught retriever."""
    dials = {"history": variant.history, "temperature": variant.temperature}
    return Retriever(processor, processor.config.widened(variant.factor).model_copy(update=dials), dataset)


def plan(config: ModelConfig, stage: str, epochs: int, folder: Path | None, report: Report | None) -> Plan:
    """How a stage is taught, and where its checkpoint lies."""
    path = folder / f"{stage.replace(', ', '-').replace(' ', '-')}.safetensors" if folder is not None else None
    made = Plan(stage, epochs, patience_of(config), config.learning_rate, config.weight_decay, path, report)
    if stage.startswith("ranker"):
        return replace(made, embedding_l2=config.ranking_l2, averaging=config.ranker_average)
    return replace(made, averaging=config.averaging) if stage.startswith("retriever") else made


@dataclass(frozen=True)
class Judge:
    """NDCG@k of lists for the users of validation.

    Attributes:
        requests: who asks.
        truth: what they took.
        n_items: rows of the catalogue.
        k: length of the lists.
    """

    requests: Requests
    truth: Truth
    n_items: int
    k: int = 10

    def of(self, lists: Ints) -> float:
        """How good lists [B, k] of item rows are."""
        measured = measure(lambda at, k: lists[at, :k], self.truth, n_items=self.n_items, ks=(self.k,))
        return measured.means()[f"NDCG@{self.k}"]

    def __call__(self, retriever: Retrieval) -> float:
        """How good a retriever's lists are."""
        requests = self.requests
        queries = retriever.encode(requests.query, requests.history)
        index = exact(retriever.item_vectors())
        return self.of(index.search(queries, self.k, requests.offsets, requests.seen).rows)


def judge_of(processor: DataProcessor, early: Interactions, late: Interactions) -> Judge:
    """The judge for the users of `late`.

    They are asked for all of `late` from their history in `early`, or, where the horizon is 'next', for some of their
    events there from all that came before.
    """
    asked = _next if processor.config.aim == "next" else _later
    return Judge(*asked(processor, early, late), len(processor.items))


def _next(processor: DataProcessor, early: Interactions, late: Interactions) -> tuple[Requests, Truth]:
    """Requests just before some of each user's events in `late`, and the item of each."""
    moments = Moments(processor, joined(early, late))
    events, generator = moments.events, np.random.default_rng(processor.config.seed)
    places = later_places(early, late)
    places = places[events.relevant[places] & (events.items[places] > 0)]
    asked = visits(events, places, generator, aim="next")
    if len(asked) == 0:
        raise DataError(_NOBODY)
    asked = np.sort(generator.permutation(asked)[:_JUDGES])
    context = {name: column[asked] for name, column in events.context.items()}
    requests = moments.requests(events.users[asked], events.times[asked], context)
    columns = {**requests.columns, USER_ID: processor.learnt_users[requests.columns[USER_ID]]}
    truth = Truth.of(np.arange(len(asked)), events.items[asked], n_users=len(asked))
    return replace(requests, columns=columns), truth


def _later(processor: DataProcessor, early: Interactions, late: Interactions) -> tuple[Requests, Truth]:
    users = late.users if late.users is not None else early.users
    state = State(processor, Interactions(early.events, users))
    events = processor.events(late, state.users)
    keep = events.relevant & (events.items > 0) & (events.users > 0)
    slots, first, owner = np.unique(events.users[keep], return_index=True, return_inverse=True)
    if len(slots) == 0:
        raise DataError(_NOBODY)
    # With so many users the score has a standard error of about 0.003; more of them would cost more than they tell.
    asked = np.sort(np.random.default_rng(processor.config.seed).permutation(len(slots))[:_JUDGES])
    place = np.full(len(slots), -1)
    place[asked] = np.arange(len(asked))
    mine = place[owner] >= 0
    requests = state.of_users(slots[asked], events.times[keep][first][asked])
    return requests, Truth.of(place[owner][mine], events.items[keep][mine], n_users=len(asked))
