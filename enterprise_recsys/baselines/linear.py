"""EASE and EDLAE: the best linear map from what a user has had to what the user has, in closed form."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from enterprise_recsys.baselines.neighbours import BLOCK
from enterprise_recsys.baselines.sources import best, histories, popularity_nudge, ranked, taken
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Doubles, Events, Floats, Ints, Queries, Ranked

MOST_ITEMS = 25_000
"""Catalogue that a dense solution is for: 2.5 GB as float32, and its work grows with the cube."""
DOUBLE_ITEMS = 8_000
"""Up to here the solution is worked out in double precision; beyond, half the memory matters more than the digits."""


class EASE:
    """Each item as a weighted sum of the others, fitted by ridge regression over all users at once.

    B minimises |X - X B|^2 + ridge * |B|^2 with a diagonal of 0: with P = (X'X + ridge * 1)^-1, B_ij = -P_ij / P_jj off
    the diagonal. Scores are x B, x the user's history as 0 and 1. A user without a past gets the popular items.

    Args:
        events, n_users, n_items: see `Source`.
        ridge: lambda, over 0, in units of users.

    Raises:
        ConfigError: the dial is out of its range.
        DataError: the catalogue is too large for a dense solution.

    Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, doi:10.1145/3308558.3313710.
    """

    tag = "ease"

    def __init__(self, events: Events, n_users: int, n_items: int, *, ridge: float = 500.0) -> None:
        self._weights, self._popular = _solved(events, n_users, n_items, ridge=ridge, dropout=0.0)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _from_weights(self._weights, self._popular, queries, k)


class EDLAE:
    """EASE with emphasised denoising: each item is told from others of which a share is hidden.

    The expectation over hidden items adds dropout / (1 - dropout) times the diagonal of X'X to the ridge: popular items
    are shrunk more. dropout = 0 is EASE.

    Args:
        events, n_users, n_items: see `Source`.
        ridge: lambda, over 0, in units of users.
        dropout: share p of a user's items that is hidden, 0 to below 1.

    Raises:
        ConfigError: a dial is out of its range.
        DataError: the catalogue is too large for a dense solution.

    Source: Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020, section 3; the full-rank model
    with zero diagonal.
    """

    tag = "edlae"

    def __init__(
        self, events: Events, n_users: int, n_items: int, *, ridge: float = 400.0, dropout: float = 0.4
    ) -> None:
        self._weights, self._popular = _solved(events, n_users, n_items, ridge=ridge, dropout=dropout)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _from_weights(self._weights, self._popular, queries, k)

    def table(self, most: int) -> tuple[Ints, Floats]:
        """The items [I, M] that each item speaks for most, most first, 0 = no more, and its weights for them [I, M]."""
        size, most = len(self._weights), min(most, len(self._weights))
        rows, weights = np.zeros((size, most), dtype=np.int64), np.zeros((size, most), dtype=np.float32)
        for start in range(0, size, BLOCK):
            part = slice(start, start + BLOCK)
            rows[part], weights[part] = best(self._weights[part], most)
        kept = weights > 0
        return np.where(kept, rows, 0), np.where(kept, weights, np.float32(0.0))


def _solved(events: Events, n_users: int, n_items: int, *, ridge: float, dropout: float) -> tuple[Floats, Floats]:
    """[I, I] weights from what was had (row) to what is scored (column), and the nudge by popularity [I]."""
    if not (ridge > 0 and 0 <= dropout < 1):
        raise ConfigError(f"ridge={ridge}, dropout={dropout}: ridge is over 0, dropout 0 or more and below 1.")
    if n_items > MOST_ITEMS:
        raise DataError(
            f"EASE and EDLAE solve for a dense matrix of items by items: {n_items:,} items would take "
            f"{8e-9 * n_items**2:.0f} GB; they are for up to {MOST_ITEMS:,}. Take item_knn or ials, "
            "or leave out rare items."
        )
    users = taken(events, n_users, n_items)
    counts = np.asarray(users.sum(axis=0), dtype=np.float64).ravel()
    number = np.float64 if n_items <= DOUBLE_ITEMS else np.float32
    gram: Doubles = (users.T @ users).toarray().astype(number, copy=False).T  # symmetric: a turn, not a copy
    places = np.arange(n_items)
    gram[places, places] += ridge + dropout / (1.0 - dropout) * counts
    inverse = _inverse(gram).T  # row-wise again, by the same turn
    np.divide(inverse, -np.diag(inverse).copy()[None, :], out=inverse)
    inverse[places, places] = 0.0
    return inverse.astype(np.float32, copy=False), popularity_nudge(counts.astype(np.float32))


def _inverse(matrix: Doubles) -> Doubles:
    """The inverse of a symmetric positive matrix, in its own memory, by Cholesky: half the work of a general one."""
    factorise, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    factor, failed = factorise(matrix, lower=True, overwrite_a=True)
    if not failed:
        inverse, failed = invert(factor, lower=True, overwrite_c=True)
    if failed:
        raise DataError("the items' matrix cannot be inverted in the precision at hand; take a larger ridge.")
    step = 1024
    for start in range(0, len(inverse), step):  # only the lower half was filled
        end = start + step
        block = np.tril(inverse[start:end, start:end], -1)
        inverse[start:end, start:end] = block + block.T + np.diag(np.diag(inverse[start:end, start:end]))
        inverse[start:end, end:] = inverse[end:, start:end].T
    return inverse  # type: ignore[no-any-return]


def _from_weights(weights: Floats, popular: Floats, queries: Queries, k: int) -> Ranked:
    def score(part: Queries) -> Floats:
        summed: Floats = histories(part.history, len(popular)) @ weights + popular[None, :]
        return summed

    return ranked(score, queries, k, n_items=len(popular))
