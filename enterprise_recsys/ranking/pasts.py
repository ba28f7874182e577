"""What the owner of a row said elsewhere: a few of their other rows, drawn anew each time, never the row itself."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.records import Ints

_ASKED = 4
"""Times as many places when asked as when learning: less noise where there is nothing to learn."""


class Pasts:
    """The other rows of each owner, by what stood on the other side and how it was judged.

    One code says both: (row of the other side) * levels + level + 1; 0 is an empty place.

    Args:
        owners: [R] rows of the users (or items) that the events belong to.
        others: [R] rows of the items (or users) on the other side.
        levels: [R] how each was judged, 0 to `n_levels` - 1.
        n_levels: how many levels there are.
        places: codes that a row is given while learning, drawn with repetition.

    The own row is left out, because its level is what is to be learnt. Codes are drawn, and not all summed, so that
    what is left out cannot be told from the sum of the rest.

    Source: the implicit part of SVD++, Koren, KDD 2008, doi:10.1145/1401890.1401944, with the ratings themselves, as in
    Sedhain et al., AutoRec, WWW 2015, doi:10.1145/2740908.2742726.
    """

    def __init__(self, owners: Ints, others: Ints, levels: Ints, *, n_levels: int, places: int) -> None:
        order = np.argsort(owners, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(owners))])
        self._codes = (others * n_levels + levels + 1)[order]
        self._place = np.empty(len(order), dtype=np.int64)
        self._place[order] = np.arange(len(order))
        self.places = places
        self.size = int(self._codes.max(initial=0)) + 1

    def drawn(self, rows: Ints, owners: Ints, generator: np.random.Generator) -> Ints:
        """Codes [N, places] for some of the rows that were given, whose owners [N] are."""
        starts, lengths = self._bounds(owners)
        lots = generator.random((len(rows), self.places)) * lengths[:, None]
        found = starts[:, None] + lots.astype(np.int64)
        return np.where(found == self._place[rows][:, None], 0, self._codes[found])

    def spread(self, owners: Ints) -> Ints:
        """Codes [N, 4 * places] for rows that were not given: all of an owner's, or some at equal distances."""
        starts, lengths = self._bounds(owners)
        most = _ASKED * self.places
        steps = np.arange(most)[None, :] * (np.maximum(lengths, most) / most)[:, None]
        held = np.arange(most)[None, :] < lengths[:, None]
        found = np.where(held, starts[:, None] + steps.astype(np.int64), 0)
        return np.where(held, self._codes[found], 0)

    def _bounds(self, owners: Ints) -> tuple[Ints, Ints]:
        known = np.where(owners < len(self._starts) - 1, owners, 0)
        starts = self._starts[known]
        lengths = np.where(owners < len(self._starts) - 1, self._starts[known + 1] - starts, 0)
        return starts, lengths
