"""What is served is what is measured: the recommender's own lists, its first stage, and simple methods beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from enterprise_recsys.baselines.sources import Fit, Source
from enterprise_recsys.data.live import Requests
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.protocol import System, measure
from enterprise_recsys.evaluation.report import NEW_USERS, Evaluation, evaluation_of
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import USER_ID, Events, Interactions, Ints, Queries, Ragged, Ranked

Lists = Callable[[Sequence[str], int], Sequence[Sequence[str]]]
"""User ids and k -> the item ids of each user's list, best first."""


class Exam:
    """The users of a test log, what they went on to take, and what each could be asked with.

    Args:
        recommender: whose history and rows are used.
        test: later events; it may bring the features of users that the recommender has not met.

    Raises:
        DataError: the test log holds no relevant event.

    Attributes:
        user_ids: [U] outside ids, in the order of the truth.
        truth: what they took and had not had before; an item that the catalogue lacks counts and cannot be hit.
    """

    def __init__(self, recommender: Recommender, test: Interactions) -> None:
        self.recommender = self._with_users(recommender, test)
        self.state = self.recommender.state
        processor = self.recommender.engine.processor
        frame = test.events.sort("timestamp", maintain_order=True)
        self.user_ids = frame[USER_ID].unique(maintain_order=True).sort()
        events = processor.events(test, self.state.users)
        owner = np.searchsorted(self.user_ids.to_numpy(), frame[USER_ID].to_numpy())
        # Ids outside the catalogue get rows past its end: they stay in the denominators.
        strangers = frame["item_id"].rank("dense").to_numpy().astype(np.int64) + len(processor.items)
        items = np.where(events.items > 0, events.items, strangers)
        keep = events.relevant & ~self._had(events)
        if not keep.any():
            raise DataError(
                "the test log holds no relevant event that its user had not had before; "
                "see positive_rating and positive_event_types, and check that test lies after train."
            )
        self.truth = Truth.of(owner[keep], items[keep], n_users=len(self.user_ids))
        first = np.unique(owner, return_index=True)[1]
        self.slots, self.times = self.state.users.rows(self.user_ids), events.times[first]
        self._context = {name: column[first] for name, column in events.context.items()}
        starts = self.state.histories.starts
        self.new_users = (starts[np.minimum(self.slots + 1, len(starts) - 1)] == starts[self.slots]) | (self.slots == 0)

    @staticmethod
    def _with_users(recommender: Recommender, test: Interactions) -> Recommender:
        if test.users is None:
            return recommender
        log = recommender.log
        known = (
            test.users
            if log.users is None
            else pl.concat([log.users, test.users.join(log.users, on=USER_ID, how="anti")], how="diagonal_relaxed")
        )
        return Recommender(recommender.engine, Interactions(log.events, known, log.items))

    def _had(self, events: Events) -> np.ndarray:
        histories, n_items = self.state.histories, len(self.recommender.engine.processor.items)
        owners = np.repeat(np.arange(len(self.state.users)), np.diff(histories.starts))
        seen = owners * n_items + histories.items
        known = (events.items > 0) & (events.users > 0)
        had: np.ndarray = np.isin(events.users * n_items + events.items, seen) & known
        return had

    def system(self, answer: Callable[[Requests, int], Ranked]) -> System:
        """A stage of the recommender as something that can be measured."""

        def rows(at: Ints, k: int) -> Ints:
            context = {name: column[at] for name, column in self._context.items()}
            return answer(self.state.of_users(self.slots[at], self.times[at], context), k).rows

        return rows

    def outside(self, lists: Lists) -> System:
        """Somebody else's lists, in outside ids, as something that can be measured."""
        processor = self.recommender.engine.processor

        def rows(at: Ints, k: int) -> Ints:
            out = np.zeros((len(at), k), dtype=np.int64)
            for place, items in enumerate(lists(self.user_ids.gather(at).to_list(), k)):
                known = processor.items.rows(items[:k])
                out[place, : len(known)] = known
            return out

        return rows

    def baseline(self, source: Source) -> System:
        """A simple method as something that can be measured."""

        def rows(at: Ints, k: int) -> Ints:
            request = self.state.of_users(self.slots[at], self.times[at])
            queries = Queries(Ragged(request.offsets, request.seen), users=self.slots[at])
            return source.candidates(queries, k).rows

        return rows


def evaluate(
    recommender: Recommender,
    test: Interactions,
    *,
    ks: Sequence[int],
    extra: Mapping[str, Lists],
    baselines: Mapping[str, Fit],
    seed: int,
) -> Evaluation:
    """Measure every system on the same users; see `ProductionTrainer.evaluate`."""
    exam = Exam(recommender, test)
    engine, state = exam.recommender.engine, exam.state
    events = engine.processor.events(exam.recommender.log, state.users)
    systems: dict[str, System] = {
        name: exam.baseline(fit(events, len(state.users), len(engine.processor.items)))
        for name, fit in baselines.items()
    }
    systems["retrieval"] = exam.system(exam.recommender.retrieve)
    systems["two_stage"] = exam.system(exam.recommender.lists)
    systems |= {name: exam.outside(lists) for name, lists in extra.items()}
    lists = [one.name for one in engine.processor.of("item") if one.kind == "multi_value"]
    tokens = np.asarray(exam.recommender.item_columns[lists[0]], dtype=np.int64) if lists else None
    measured = {
        name: measure(
            system,
            exam.truth,
            n_items=len(engine.processor.items),
            ks=ks,
            vectors=engine.vectors,
            tokens=tokens,
            slices={NEW_USERS: exam.new_users},
        )
        for name, system in systems.items()
    }
    pairs = [("two_stage", name) for name in measured if name not in ("two_stage", "best_possible")]
    return evaluation_of(measured, generator=np.random.default_rng(seed), pairs=pairs)
