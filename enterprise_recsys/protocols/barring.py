"""What cannot be the answer to a question is left out of every system's lists, so that none is paid for knowing it."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.protocols.tasks import Trial
from enterprise_recsys.records import ITEM_ID, USER_ID, Ints


def allowed(system: System, trial: Trial, listed: pl.Series) -> System:
    """A system whose lists hold nothing that is barred from a question; the system itself where nothing is.

    Args:
        system: gives rows of the listed items, as many as it is asked for.
        trial: the round that is answered.
        listed: ids of the items that may be listed.
    """
    if trial.barred is None:
        return system
    asked = trial.asked
    barred = np.zeros((len(asked), len(listed) + 1), dtype=bool)
    pairs = trial.barred.join(asked.to_frame().with_row_index("_place"), on=USER_ID, how="inner")
    barred[pairs["_place"].to_numpy(), Vocabulary(listed).rows(pairs[ITEM_ID])] = True
    barred[:, 0] = False  # items that are not listed

    def rows(at: Ints, k: int) -> Ints:
        found = system(at, k + int(barred[at].sum(axis=1).max(initial=0)))
        order = np.argsort(barred[at[:, None], found], axis=1, kind="stable")[:, :k]
        kept: Ints = np.take_along_axis(found, order, axis=1)
        return np.where(barred[at[:, None], kept], 0, kept)

    return rows
