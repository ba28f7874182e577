"""What cannot be the answer to a question is left out of every system's lists, so that none is paid for knowing it."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.protocols.tasks import Trial
from enterprise_recsys.records import ITEM_ID, USER_ID, Bools, Floats, Ints, Ranked


class Bar:
    """Which of the listed items are barred from which questions.

    Args:
        trial: the round that is answered.
        listed: ids of the items that may be listed.
    """

    def __init__(self, trial: Trial, listed: pl.Series) -> None:
        self._barred: Bools | None = None  # nothing is: a table of all questions and items may be large
        if trial.barred is not None:
            asked = trial.asked
            pairs = trial.barred.join(asked.to_frame().with_row_index("_place"), on=USER_ID, how="inner")
            self._barred = np.zeros((len(asked), len(listed) + 1), dtype=bool)
            self._barred[pairs["_place"].to_numpy(), Vocabulary(listed).rows(pairs[ITEM_ID])] = True
            self._barred[:, 0] = False  # items that are not listed

    def most(self, at: Ints) -> int:
        """How many are barred from the one of some questions [B] that is barred from most."""
        return 0 if self._barred is None else int(self._barred[at].sum(axis=1).max(initial=0))

    def without(self, at: Ints, found: Ranked, k: int) -> Ranked:
        """The first k [B, k] of what was found [B, K] that is not barred; after them row 0, score -inf."""
        if self._barred is None:
            return Ranked(found.rows[:, :k], found.scores[:, :k])
        order = np.argsort(self._barred[at[:, None], found.rows], axis=1, kind="stable")[:, :k]
        rows: Ints = np.take_along_axis(found.rows, order, axis=1)
        scores: Floats = np.take_along_axis(found.scores, order, axis=1)
        is_barred = self._barred[at[:, None], rows]
        return Ranked(np.where(is_barred, 0, rows), np.where(is_barred, -np.inf, scores))


def allowed(system: System, trial: Trial, listed: pl.Series) -> System:
    """A system whose lists hold nothing that is barred from a question; the system itself where nothing is.

    Args:
        system: gives rows of the listed items, as many as it is asked for.
        trial: the round that is answered.
        listed: ids of the items that may be listed.
    """
    if trial.barred is None:
        return system
    bar = Bar(trial, listed)

    def rows(at: Ints, k: int) -> Ints:
        found = system(at, k + bar.most(at))
        return bar.without(at, Ranked(found, np.zeros(found.shape, dtype=np.float32)), k).rows

    return rows
