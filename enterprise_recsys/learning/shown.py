"""What was shown stands among the candidates that the ranker learns from, whatever the sources find now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.data.impressions import UNSHOWN, Shown
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.neighbours import Heard
from enterprise_recsys.records import Floats, Ints

FURTHER = 20
"""Places of a list for what was shown and no source has found; the first places of what was shown come first."""


@dataclass(frozen=True)
class Showing:
    """Candidates, and what of them was shown.

    Attributes:
        found: B lists of K candidates.
        places: [B, K] from 1; `UNSHOWN` = not shown, where anything of the list was; 0 = nobody knows.
    """

    found: Candidates
    places: Ints


def with_shown(
    found: Candidates, shown: Shown, offsets: Ints, left_out: Ints, queries: Floats, vectors: Floats, said: Heard
) -> Showing:
    """The candidates, with `FURTHER` places for what else was shown, less what is left out.

    Args:
        found: of the sources, for B requests.
        shown: to them.
        offsets, left_out: item rows that are not given, of request b at left_out[offsets[b]:offsets[b+1]].
        queries, vectors: [B, D] and [I, D], of the towers.
        said: by neighbours and followers of the requests' histories.
    """
    n_items, size = len(vectors), len(queries)
    keys = shown.owners * n_items + shown.items
    kept = ~np.isin(keys, np.repeat(np.arange(size), np.diff(offsets)) * n_items + left_out)
    keys, places = keys[kept], shown.places[kept]
    own = np.where(found.rows > 0, np.arange(size)[:, None] * n_items + found.rows, -1)
    is_found = np.isin(keys, own)
    order = np.lexsort((places[~is_found], keys[~is_found] // n_items))
    others = keys[~is_found][order]
    owners = others // n_items
    turn = np.arange(len(owners)) - np.searchsorted(owners, owners)
    rows = np.zeros((size, FURTHER), dtype=np.int64)
    fits = turn < FURTHER
    rows[owners[fits], turn[fits]] = others[fits] % n_items
    cosines = np.matmul(vectors[rows], queries[:, :, None])[:, :, 0]
    scores = np.where(rows > 0, cosines, -np.inf).astype(np.float32)
    both = found.beside(Candidates(rows, scores, said.of(rows), np.zeros_like(rows)))
    own = np.concatenate([own, np.where(rows > 0, np.arange(size)[:, None] * n_items + rows, -1)], axis=1)
    if not len(keys):
        return Showing(both, np.zeros_like(own))
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], own), len(keys) - 1)
    is_shown = keys[order][at] == own
    unshown = np.where(is_shown.any(axis=1, keepdims=True), UNSHOWN, 0)
    return Showing(both, np.where(is_shown, places[order][at], unshown))
