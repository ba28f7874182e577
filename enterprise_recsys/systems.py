"""SYSTEMS: what answers the list tasks of `recsys bench quality`; the baselines, and what this package learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.live import State
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.evaluation.protocol import System, measure
from enterprise_recsys.protocols.barring import allowed
from enterprise_recsys.protocols.content import content_knn
from enterprise_recsys.protocols.listers import LISTERS
from enterprise_recsys.protocols.moments import beyond, timed
from enterprise_recsys.protocols.stacking import stacked
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, Lister, ListTask, Trial
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions, Ints, Ranked

if TYPE_CHECKING:
    from enterprise_recsys.retrieval.beside import Retrieval


def ours(task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
    """The two-stage recommender with its own defaults, or with dials of ModelConfig; nothing is searched.

    Validation chooses the epochs. What `judge` may learn from beyond `choose` is validation, and is learnt from at the
    end; where that is nothing, the targets of `choose` are validation and are not learnt from. Asked at the moment of a
    user's first target. Where the data has no times, its parts get some: see `timed`.
    """
    from enterprise_recsys.recommender import Recommender
    from enterprise_recsys.trainer import ProductionTrainer

    task = task if task.has_times else timed(task)
    train, val, refit = _parts(task)
    horizon = {"horizon": "next"} if task.is_next else {}
    config = ModelConfig(**{"seed": seed, "refit": refit, "repeats": _repeats(task), **horizon, **dials})
    trainer = ProductionTrainer(config, progress=False)
    # run_lists has looked for targets in the log; that users' parts overlap in time is how many a protocol is.
    trainer.fit(train, val, leaks="allow")
    engine = trainer.recommender.engine
    asked = Recommender(engine, _known(task.judge, task.judge.log))
    judge = _Round(task, task.judge, engine.processor, asked.state)
    return Answer({"retrieval": judge.system(asked.retrieve), "two_stage": judge.system(asked.lists)}, dials)


def two_tower(
    task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials, history: str | None = None, ids: bool = False
) -> Answer:
    """The retriever alone, as `ours` teaches it; it goes by the order of each user's events, which may lack times.

    The lists of `choose` and the metric of the protocol choose the epochs and the variant.

    Args:
        task, metric, seed, trials, dials: see `Lister`; dials are those of ModelConfig.
        history: the dial of this name, in words.
        ids: leave the features of users and items out, and the times between events, as systems of ids alone do.
    """
    from enterprise_recsys.devices import make_repeatable
    from enterprise_recsys.learning.retrieving import chosen_retriever, taught

    words: dict[str, object] = {} if history is None else {"history": history}
    if ids:
        words["history_times"] = False
    config = ModelConfig(**{"seed": seed, "repeats": _repeats(task), **words, **dials})
    make_repeatable(config.threads)
    train, val, refit = _parts(task)
    if ids:
        train, val = (
            Interactions(one.events.select(USER_ID, ITEM_ID, TIMESTAMP), name=one.name) for one in (train, val)
        )
    both = joined(train, val)
    processor = DataProcessor(config).fit(both)
    limited = processor.limited_to(train)

    def round_of(trial: Trial, processor: DataProcessor) -> _Round:
        return _Round(task, trial, processor, State(processor, _known(trial, both)))

    choose = round_of(task.choose, limited)
    truth, k = choose.truth, int(metric.split("@")[1])

    def judge(retriever: Retrieval) -> float:
        lists = allowed(choose.system(choose.nearest(retriever)), task.choose, choose.listed)
        return measure(lists, truth, n_items=len(choose.listed) + 1, ks=(k,)).means()[metric]

    trained = chosen_retriever(limited, train, val, None, None, judge=judge)
    retriever = trained.retriever
    if refit:
        retriever = taught(processor, trained.way, processor.dataset(both), "retriever, all data", None, None)
    final = round_of(task.judge, processor)
    return Answer({"retrieval": final.system(final.nearest(retriever))}, dials)


Find = Callable[[Requests, int], Ranked]
"""What a stage gives for requests, in rows of the processor's items."""


class _Round:
    """Those who are asked in a round, and how.

    Args:
        task, trial: what is asked.
        processor: whose rows and features are used.
        state: of what is known before the targets.
    """

    def __init__(self, task: ListTask, trial: Trial, processor: DataProcessor, state: State) -> None:
        self.listed, self._state = task.listed(trial), state
        self.truth = Encoded.of(trial, self.listed).truth
        self._slots = state.users.rows(trial.owners)
        first = trial.targets.group_by(USER_ID).agg(pl.col(TIMESTAMP).min()).sort(USER_ID)[TIMESTAMP].to_physical()
        self._times = first.to_numpy().astype(np.int64) if task.has_times else np.full(len(first), state.newest + 1)
        told = () if trial.questions is None else processor.of("context")
        self._context = {one.name: one.encode(trial.contexts[one.name]) for one in told}
        # Row of each of the processor's items among the listed ones.
        self._place = np.concatenate([[0], Vocabulary(self.listed).rows(processor.items.ids)]).astype(np.int64)

    def system(self, find: Find) -> System:
        """A stage as something that can be measured, in rows of the items that may be listed."""

        def rows(at: Ints, k: int) -> Ints:
            context = {name: column[at] for name, column in self._context.items()}
            found: Ints = self._place[find(self._state.of_users(self._slots[at], self._times[at], context), k).rows]
            return found

        return rows

    def nearest(self, retriever: Retrieval) -> Find:
        """The nearest of the items that may be listed, by exact search."""
        vectors, listed = retriever.item_vectors(), np.flatnonzero(self._place)
        held = np.concatenate([[0], listed])
        own = np.zeros(len(vectors), dtype=np.int64)
        own[listed] = np.arange(1, len(listed) + 1)
        index = exact(vectors[held])

        def find(requests: Requests, k: int) -> Ranked:
            queries = retriever.encode(requests.query, requests.history)
            found = index.search(queries, k, requests.offsets, own[requests.seen])
            return Ranked(held[found.rows], found.scores)

        return find


def _repeats(task: ListTask) -> bool | str:
    """The dial of this name: a task that bars what was taken in the very context of a question asks for no such."""
    return "elsewhere" if task.repeats and task.judge.barred is not None else task.repeats


def _parts(task: ListTask) -> tuple[Interactions, Interactions, bool]:
    """Train, validation, and whether validation is learnt from in the end."""
    train, judge = task.choose.log, task.judge.log
    later = judge.events.filter(beyond(train.events, judge.events))
    refit = len(later) > 0
    return train, judge.with_events(later if refit else task.choose.targets), refit


def _known(trial: Trial, users: Interactions) -> Interactions:
    """What was learnt from, and the asked users' past, which may go on beyond it."""
    # The moving statistics are of everybody.
    further = trial.past.filter(beyond(trial.log.events, trial.past))
    events = pl.concat([trial.log.events, further], how="diagonal_relaxed")
    return Interactions(events, users.users, trial.log.items, trial.log.name)


HISTORIES = ("mean", "attention", "fold_in", "transformer", "gru")
"""As the retriever's table of this name, which only who has PyTorch can import."""

SYSTEMS: Mapping[str, Lister] = {
    **LISTERS,
    "content_knn": content_knn,
    "lightgbm": stacked,
    "ours": ours,
    "two_tower": two_tower,
    "two_tower_ids": partial(two_tower, ids=True),
    **{f"two_tower_{name}": partial(two_tower, history=name) for name in HISTORIES},
    **{f"two_tower_{name}_ids": partial(two_tower, history=name, ids=True) for name in HISTORIES},
}
"""What can answer a list task. Row tasks are answered by `PREDICTORS`."""
