"""Who is asked, with what, and what they went on to take: a test log beside the history before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from enterprise_recsys.baselines.sources import Source
from enterprise_recsys.data.having import left_out
from enterprise_recsys.data.live import State
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.metrics import Catalogue
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.evaluation.slices import Groups, standard
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.examining.listed import Lists
from enterprise_recsys.records import (
    USER_ID,
    Columns,
    Events,
    Floats,
    Interactions,
    Ints,
    Queries,
    Ragged,
    Ranked,
)


class Exam:
    """The users of a test log, what they went on to take, and what each could be asked with.

    Args:
        processor: whose rows and features are used.
        log: the history.
        test: later events; it may bring the features of users that the history has not met.
        features: columns of users or items whose values become groups beside those by activity and popularity.

    Raises:
        ConfigError: a feature is in neither table.
        DataError: the test log holds no relevant event.

    Attributes:
        log: the history, with the users of both logs.
        test: as it came.
        user_ids: [U] outside ids, in the order of the truth.
        events, owners: the test events [R] in order of time, and the place of each one's user in the truth [R].
        truth: what they took and had not had before (with `repeats`, before or not); an item that the catalogue lacks
            counts and cannot be hit.
        slices: name -> [U]: users without history, the others by how much they have, and by features.
        item_groups: name -> [I]: items from head to tail, new ones, and by features.
    """

    def __init__(
        self, processor: DataProcessor, log: Interactions, test: Interactions, *, features: Sequence[str] = ()
    ) -> None:
        self.processor, self.test, self.log = processor, test, _with_users(log, test)
        self.state = State(processor, self.log)
        frame = test.events.sort("timestamp", maintain_order=True)
        self.user_ids = frame[USER_ID].unique(maintain_order=True).sort()
        events = processor.events(test, self.state.users)
        owner = np.searchsorted(self.user_ids.to_numpy(), frame[USER_ID].to_numpy())
        # Ids outside the catalogue get rows past its end: they stay in the denominators.
        strangers = frame["item_id"].rank("dense").to_numpy().astype(np.int64) + self.n_items
        items = np.where(events.items > 0, events.items, strangers)
        keep = events.relevant
        if not processor.config.repeats:
            keep = keep & ~self._had(events)
        if not keep.any():
            raise DataError(
                "the test log holds no relevant event that its user had not had before; "
                "see positive_rating and positive_event_types, and check that test lies after train."
            )
        self.events, self.owners = events, owner
        self.truth = Truth.of(owner[keep], items[keep], n_users=len(self.user_ids))
        first = np.unique(owner, return_index=True)[1]
        self.slots, self.times = self.state.users.rows(self.user_ids), events.times[first]
        self._context = {name: column[first] for name, column in events.context.items()}
        self.slices, self.item_groups = self._groups(features)

    @property
    def n_items(self) -> int:
        """Rows of the item table, row 0 included."""
        return len(self.processor.items)

    def _groups(self, features: Sequence[str]) -> tuple[Groups, Groups]:
        starts = self.state.histories.starts
        past = np.where(self.slots > 0, starts[np.minimum(self.slots + 1, len(starts) - 1)] - starts[self.slots], 0)
        users = self.log.users
        if users is not None:
            users = self.user_ids.to_frame(USER_ID).join(users, on=USER_ID, how="left", maintain_order="left")
        counts = self.state.item_counts
        return standard(past, counts, users=users, items=self.processor.catalogue, features=features)

    def _had(self, events: Events) -> np.ndarray:
        histories = self.state.had
        owners = np.repeat(np.arange(len(self.state.users)), np.diff(histories.starts))
        seen = owners * self.n_items + histories.items
        known = (events.items > 0) & (events.users > 0)
        had: np.ndarray = np.isin(events.users * self.n_items + events.items, seen) & known
        return had

    def requests(self, at: Ints) -> Requests:
        """What users [B] are asked with: their history, at the moment of their first test event."""
        context = {name: column[at] for name, column in self._context.items()}
        return self.state.of_users(self.slots[at], self.times[at], context)

    def system(self, answer: Callable[[Requests, int], Ranked]) -> System:
        """A stage of the recommender as something that can be measured."""
        return lambda at, k: answer(self.requests(at), k).rows

    def outside(self, lists: Lists) -> System:
        """Somebody else's lists, in outside ids, as something that can be measured."""

        def rows(at: Ints, k: int) -> Ints:
            out = np.zeros((len(at), k), dtype=np.int64)
            for place, items in enumerate(lists(self.user_ids.gather(at).to_list(), k)):
                known = self.processor.items.rows(items[:k])
                out[place, : len(known)] = known
            return out

        return rows

    def baseline(self, source: Source) -> System:
        """A simple method as something that can be measured."""

        def rows(at: Ints, k: int) -> Ints:
            slots = self.slots[at]
            exclude = Ragged(*left_out(*self.state.had_by(slots), repeats=self.processor.config.repeats))
            queries = Queries(Ragged(*self.state.past(slots)), exclude, slots)
            return source.candidates(queries, k).rows

        return rows

    def catalogue(self, vectors: Floats | None = None) -> Catalogue:
        """What metrics of lists know of the items: features, popularity, and groups from head to tail.

        Args:
            vectors: [I, D] item vectors. None: diversity is measured by features alone.
        """
        lists = [one.name for one in self.processor.of("item") if one.kind == "multi_value"]
        columns: Columns = self.processor.item_columns()
        tokens = np.asarray(columns[lists[0]], dtype=np.int64) if lists else None
        return Catalogue(self.n_items, vectors, tokens, self.state.item_counts, self.item_groups)


def _with_users(log: Interactions, test: Interactions) -> Interactions:
    if test.users is None:
        return log
    further = test.users if log.users is None else test.users.join(log.users, on=USER_ID, how="anti")
    known = further if log.users is None else pl.concat([log.users, further], how="diagonal_relaxed")
    return Interactions(log.events, known, log.items, log.name)
