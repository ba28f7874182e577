"""SYSTEMS: what answers the list tasks of `recsys bench quality`; the baselines, and what this package learns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.live import State
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.protocols.content import content_knn
from enterprise_recsys.protocols.listers import LISTERS
from enterprise_recsys.protocols.stacking import stacked
from enterprise_recsys.protocols.tasks import Answer, Dials, Lister, ListTask, Trial
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions, Ints


def ours(task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
    """The two-stage recommender with its own defaults, or with dials of ModelConfig; nothing is searched.

    Validation chooses the epochs. What `judge` may learn from beyond `choose` is validation, and is learnt from at the
    end; where that is nothing, the targets of `choose` are validation and are not learnt from. Asked at the moment of a
    user's first target.

    Raises:
        DataError: the data has no times, which histories and statistics go by.
    """
    from enterprise_recsys.examining.exam import Exam
    from enterprise_recsys.recommender import Recommender
    from enterprise_recsys.trainer import ProductionTrainer

    if not task.has_times:
        raise DataError(
            "ours goes by time, and the data of this protocol has none; take two_tower or one of the baselines."
        )
    train, val, refit = _parts(task)
    trainer = ProductionTrainer(ModelConfig(**{"seed": seed, "refit": refit, **dials}), progress=False)
    # run_lists has looked for targets in the log; that users' parts overlap in time is how many a protocol is.
    trainer.fit(train, val, leaks="allow")
    fitted = trainer.recommender
    known = _known(task.judge)
    asked = Recommender(fitted.engine, known)
    exam = Exam(fitted.engine.processor, known, task.judge.log.with_events(task.judge.targets))
    place = _places(fitted.engine.processor, task)
    stages = {"retrieval": exam.system(asked.retrieve), "two_stage": exam.system(asked.lists)}
    return Answer({name: _renumbered(system, place) for name, system in stages.items()}, dials)


def two_tower(
    task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials, history: str | None = None, ids: bool = False
) -> Answer:
    """The retriever alone, as `ours` teaches it; it goes by the order of each user's events, which may lack times.

    Args:
        task, metric, seed, trials, dials: see `Lister`; dials are those of ModelConfig.
        history: the dial of this name, in words.
        ids: leave the features of users and items out.
    """
    import torch

    from enterprise_recsys.learning.retrieving import chosen_retriever, of_variant, plan

    words: dict[str, object] = {} if history is None else {"history": history}
    config = ModelConfig(**{"seed": seed, **words, **dials})
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)
    train, val, refit = _parts(task)
    if ids:
        train, val = (
            Interactions(one.events.select(USER_ID, ITEM_ID, TIMESTAMP), name=one.name) for one in (train, val)
        )
    both = joined(train, val)
    processor = DataProcessor(config).fit(both)
    trained = chosen_retriever(processor.limited_to(train), train, val, None, None)
    retriever = trained.retriever
    if refit:
        retriever = of_variant(processor, trained.variant, processor.dataset(both))
        retriever.fit(plan(config, "retriever, all data", trained.fit.epoch, None, None))
    known = _known(task.judge)
    state = State(processor, Interactions(known.events, both.users))
    place = _places(processor, task)
    listed = np.flatnonzero(place)
    own = np.zeros(len(place), dtype=np.int64)  # row of each item among the listed ones
    own[listed] = np.arange(1, len(listed) + 1)
    vectors = retriever.item_vectors()
    index = exact(np.concatenate([vectors[:1], vectors[listed]]))
    place, slots = place[np.concatenate([[0], listed])], state.users.rows(task.judge.asked)

    def system(at: Ints, k: int) -> Ints:
        requests = state.of_users(slots[at], np.full(len(at), state.newest))
        queries = retriever.encode(requests.columns, requests.history)
        return index.search(queries, k, requests.offsets, own[requests.seen]).rows

    stage = "retrieval"
    return Answer({stage: _renumbered(system, place)}, dials)


def _parts(task: ListTask) -> tuple[Interactions, Interactions, bool]:
    """Train, validation, and whether validation is learnt from in the end."""
    train, judge = task.choose.log, task.judge.log
    later = judge.events.join(train.events, on=[USER_ID, ITEM_ID, TIMESTAMP], how="anti", maintain_order="left")
    refit = len(later) > 0
    return train, judge.with_events(later if refit else task.choose.targets), refit


def _known(judge: Trial) -> Interactions:
    """What was learnt from, and the asked users' past, which may go on beyond it."""
    # The moving statistics are of everybody.
    further = judge.past.join(judge.log.events, on=[USER_ID, ITEM_ID, TIMESTAMP], how="anti", maintain_order="left")
    return judge.log.with_events(pl.concat([judge.log.events, further], how="diagonal_relaxed"))


def _places(processor: DataProcessor, task: ListTask) -> Ints:
    """[I] the row among what `judge` may list of each row of a processor's items."""
    return np.concatenate([[0], Vocabulary(task.listed(task.judge)).rows(processor.items.ids)]).astype(np.int64)


def _renumbered(system: System, place: Ints) -> System:
    return lambda at, k: place[system(at, k)]


HISTORIES = ("mean", "fold_in", "transformer")
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
