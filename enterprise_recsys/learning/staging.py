"""How the two stages are taught: staged or joint, chosen on validation, then learnt again on all data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from enterprise_recsys.data.having import holds_hints
from enterprise_recsys.data.joining import later_places
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.visits import VISIT_GAP_S, begun
from enterprise_recsys.devices import on
from enterprise_recsys.engine.blending import Served
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.neighbours import Related
from enterprise_recsys.learning.calibrating import calibrated
from enterprise_recsys.learning.neighbouring import Nearness, chosen_related, related
from enterprise_recsys.learning.ranking import taught_ranker
from enterprise_recsys.learning.retrieving import (
    Judge,
    Trained,
    Way,
    chosen_retriever,
    judge_of,
    of_variant,
    plan,
    taught,
)
from enterprise_recsys.learning.slates import Slates, slates
from enterprise_recsys.loop import Fit, Plan, Report, run
from enterprise_recsys.ranking.ranker import Examples, Ranker
from enterprise_recsys.records import Columns, Interactions, Ints
from enterprise_recsys.retrieval.beside import Retrieval
from enterprise_recsys.retrieval.history import one_variant
from enterprise_recsys.retrieval.lessons import Learnt as Lesson
from enterprise_recsys.retrieval.retriever import Retriever

_RANGED = 4_096
"""Events that tell, in joint training, between which values the ranker's numbers lie."""


@dataclass(frozen=True)
class Chosen:
    """What validation chose.

    Attributes:
        way: to teach the retriever, with its epochs (of both stages, in joint training).
        ranker_epochs: of the ranker.
        score: NDCG@10 of the retriever's lists on validation.
        nearness: what makes items neighbours.
    """

    way: Way
    ranker_epochs: int
    score: float
    nearness: Nearness

    def __str__(self) -> str:
        epochs = " and ".join(map(str, self.way.epochs))
        return (
            f"validation chose the history part {self.way}, {epochs} epochs of the retriever "
            f"(NDCG@10 {self.score:.3f}) and {self.ranker_epochs} of the ranker; neighbours by {self.nearness}"
        )


@dataclass(frozen=True)
class Learnt:
    """Both stages and what leads from item to item, ready for export; `sample` is a few rows of the ranker's columns.

    `calibration` makes probabilities of the ranker's logits, and `tasks` what is told of what it says of each task.
    """

    processor: DataProcessor
    retriever: Retrieval
    ranker: Ranker
    related: Related
    sample: Columns
    calibration: Calibration
    tasks: dict[str, Served] = field(default_factory=dict)


def choose(
    processor: DataProcessor,
    early: Interactions,
    late: Interactions,
    moments: Moments,
    folder: Path | None,
    report: Report | None,
    *,
    by_lot: bool = False,
) -> tuple[Chosen, Learnt]:
    """Learn from `early` and let `late` choose the epochs; in staged training `late` also teaches the ranker.

    Args:
        processor: fitted on both logs; the ids of `late` alone count as not learnt here.
        early, late: train and validation.
        moments: over both logs.
        folder: for checkpoints; None: none.
        report: told of the progress.
        by_lot: the events of `late` were drawn by lot, so that no slice of time is like them.
    """
    config = processor.config
    limited = processor.limited_to(early)
    places = later_places(early, late)
    if config.training == "joint":
        ranker = Ranker(processor, config, moments.events.ratings)
        variant = one_variant(config, len(early.events))
        together = of_variant(limited, variant, limited.dataset(early))
        judge = judge_of(limited, early, late)
        pair = _Joint(together, ranker, Moments(limited, early))
        fit = pair.fit(plan(config, "both stages", config.epochs, folder, report), lambda: judge(together))
        lists = slates(limited, moments, together, Related.none(len(processor.items)), places)
        said = [ranker.predict(lists.examples.columns)[0]]
        calibration = calibrated([lists], said, said)
        return Chosen(Way((variant,), (fit.epoch,)), fit.epoch, max(fit.scores), Nearness()), pair.learnt(calibration)
    trained = chosen_retriever(limited, early, late, folder, report)
    retriever = trained.retriever
    assert isinstance(trained.judge, Judge)
    nearness, led = chosen_related(config, retriever.dataset, trained.judge)
    later = slates(limited, moments, retriever, led, places)
    earlier = None if by_lot else _earlier(processor, early, late, moments, trained, nearness, folder, report)
    ranked = taught_ranker(processor, moments, later, earlier, folder, report)
    sample = later.examples.columns
    learnt = Learnt(limited, retriever, ranked.ranker, led, sample, ranked.calibration, ranked.tasks)
    return Chosen(trained.way, ranked.epochs, trained.score, nearness), learnt


def _earlier(
    processor: DataProcessor,
    early: Interactions,
    late: Interactions,
    moments: Moments,
    trained: Trained,
    nearness: Nearness,
    folder: Path | None,
    report: Report | None,
) -> Slates | None:
    """Lists of the slice of time before `late`, by a retriever that has not learnt it; None where there is no such.

    The slice has as many events as `late` and leaves at least twice as many to learn from. There is none in a log that
    is shorter than a visit, as one without true times.
    """
    config, times = processor.config, early.events["timestamp"].to_physical()
    end = int(late.events["timestamp"].to_physical().min())  # type: ignore[arg-type]
    before = times.filter(times < end).sort()
    if len(before) < 3 * len(late.events) or int(before[-1]) - int(before[0]) < VISIT_GAP_S * 1_000_000:
        return None
    start = int(before[len(before) - len(late.events)])
    part = early.with_events(early.events.filter(times < start))
    if not len(part.events):
        return None  # nearly all have one time
    within = (moments.events.times >= start) & (moments.events.times < end)
    limited = processor.limited_to(part)
    dataset = limited.dataset(part)
    if not moments.events.relevant[within].any() or not dataset.events.relevant.any():
        return None
    retriever = taught(limited, trained.way, dataset, "retriever, earlier data", folder, report)
    return slates(limited, moments, retriever, related(config, dataset, nearness), np.flatnonzero(within))


def relearn(
    processor: DataProcessor,
    both: Interactions,
    moments: Moments,
    chosen: Chosen,
    before: Learnt,
    folder: Path | None,
    report: Report | None,
) -> Learnt:
    """Learn from all events for as many epochs as were chosen; the staged ranker has learnt the newest part."""
    config = processor.config
    dataset = processor.dataset(both)
    if config.training == "staged":
        retriever = taught(processor, chosen.way, dataset, "retriever, all data", folder, report)
        led = related(config, retriever.dataset, chosen.nearness)
        return replace(before, processor=processor, retriever=retriever, related=led)
    ranker = Ranker(processor, config, moments.events.ratings)
    pair = _Joint(of_variant(processor, chosen.way.variants[0], dataset), ranker, moments)
    pair.fit(plan(config, "both stages, all data", chosen.way.epochs[0], folder, report), None)
    return pair.learnt(before.calibration)


class _Joint:
    """The mission's L = L_retrieval + α·L_rating + β·L_ctr in one loop; each event brings one drawn negative."""

    def __init__(self, retriever: Retriever, ranker: Ranker, moments: Moments) -> None:
        self.retriever, self.ranker, self.moments = retriever, ranker, moments
        self.model = nn.ModuleDict({"retriever": retriever.model, "ranker": ranker.model})
        self._items = moments.processor.item_columns()
        # As `SingleEvents`: a list is asked for when a visit opens, before the views that its buy will follow.
        own, is_next = moments.events, retriever.config.aim == "next"
        self._asked = begun(own.users, own.times) if holds_hints(own) and not is_next else own.times

    def fit(self, plan: Plan, validate: Callable[[], float] | None) -> Fit:
        torch.manual_seed(self.retriever.config.seed + 1)
        some = np.random.default_rng(self.retriever.config.seed).permutation(self.retriever.examples)[:_RANGED]
        embedding = self.ranker.model.embedding
        sample = self._sample(some)
        with on(self.retriever.device):
            embedding.learn_ranges({name: torch.as_tensor(sample[name]) for name in embedding.numbers})
        return run(self.model, self._steps, self.retriever.lessons.size, plan, validate=validate)

    def _steps(self) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        for size, learn in self.retriever.lessons.steps():
            yield size, lambda learn=learn: self._loss(learn())  # type: ignore[misc]

    def _loss(self, learnt: Lesson) -> Tensor:
        return learnt.loss + self._ranking_loss(learnt.events, learnt.queries.detach())

    def _ranking_loss(self, index: Ints, queries: Tensor) -> Tensor:
        examples = self._examples(index, queries)
        columns = {name: torch.as_tensor(np.ascontiguousarray(column)) for name, column in examples.columns.items()}
        clicks, ratings, weights = (
            torch.as_tensor(one) for one in (examples.clicks, examples.ratings, examples.weights)
        )
        return self.ranker.loss(columns, clicks, ratings, weights, examples.depth)

    def _examples(self, index: Ints, queries: Tensor) -> Examples:
        events = self.retriever.dataset.events
        drawn = self.retriever.popularity.taken(len(index)).numpy(force=True)
        rows = np.stack([events.items[index], drawn], axis=1)
        scores = self.retriever.scores(queries, torch.as_tensor(rows)).numpy(force=True)
        own = self.moments.events
        requests = self.moments.requests(
            own.users[index], self._asked[index], {name: column[index] for name, column in own.context.items()}
        )
        # Neighbours of these very events would know which of the two was taken: they say nothing here.
        nothing = np.zeros((*rows.shape, 2), dtype=np.float32)
        pairs = Candidates(rows, scores, nothing, np.zeros(rows.shape, dtype=np.int64))
        columns = self.moments.pair_columns(requests, self._items, pairs)
        ratings = np.stack([events.ratings[index], np.full(len(index), np.nan, dtype=np.float32)], axis=1).ravel()
        threshold = self.retriever.config.ctr_positive_rating
        liked = np.ones(len(index)) if threshold is None else ~(events.ratings[index] < threshold)
        clicks = np.stack([liked, np.where(drawn == events.items[index], np.nan, 0.0)], axis=1).ravel()
        weights = np.repeat(events.weights[index], 2)
        return Examples(columns, clicks.astype(np.float32), ratings.astype(np.float32), weights, 2)

    def _sample(self, index: Ints) -> Columns:
        """The ranker's columns of some events, as long as the towers say nothing."""
        with on(self.retriever.device):
            return self._examples(index, torch.zeros(len(index), self.retriever.config.item_tower_dims[-1])).columns

    def learnt(self, calibration: Calibration) -> Learnt:
        """Both stages, without neighbours, of which the ranker has learnt nothing."""
        sample = self._sample(self.retriever.examples[:2])
        nobody = Related.none(self.retriever.dataset.n_items)
        return Learnt(self.moments.processor, self.retriever, self.ranker, nobody, sample, calibration)
