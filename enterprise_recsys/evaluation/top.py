"""The best rows of many scores: exact, in bounded memory, the same at every tie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.records import Bools, Floats, Ints, Ranked

CELLS = 2_000_000
"""Scores held at once (8 MB as float32): what stays near the processor is chosen from several times faster."""

Scores = Callable[[Ints], Floats]
"""Positions of users [B] -> score of every item row [B, I], higher is better, as an array that may be written to."""


@dataclass(frozen=True)
class LeftOut:
    """Item rows that a user is not shown, in compressed rows: what he has had.

    Attributes:
        offsets: [U+1] user u owns the places offsets[u] to offsets[u+1] of `rows`.
        rows: [H] item rows; row 0 is left out anyway.
    """

    offsets: Ints
    rows: Ints

    @classmethod
    def of(cls, users: Ints, rows: Ints, *, n_users: int) -> LeftOut:
        """Gather pairs [H] of user positions and item rows, in any order."""
        offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))])
        return cls(offsets.astype(np.int64), rows[np.argsort(users, kind="stable")])

    def take(self, users: Ints) -> LeftOut:
        """Those of some users [B], in that order."""
        counts = np.diff(self.offsets)[users]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], counts)
        return LeftOut(offsets, self.rows[places])


def best(scores: Floats, k: int, *, left_out: LeftOut | None = None) -> Ranked:
    """The k highest columns of each row of scores, best first; of equal ones the lower column comes first.

    The columns are dealt into more than k groups; the k-th highest of the groups' maxima is a bound that at least k
    scores reach, so few more than k are left to be sorted. Two passes over the scores that the processor does many
    numbers at a time: with the scoring, half the time that it takes with numpy's partition, and half as much again as
    faiss.knn, which leaves nobody's items out and breaks ties as it likes (`benchmarks/evaluators.py --stage choose`).

    Args:
        scores: [B, I] higher is better; -inf and NaN are never chosen, nor is column 0. It is written to.
        k: places, 1 or more; those that cannot be filled hold row 0 and -inf.
        left_out: columns that row b may not have.

    Raises:
        ConfigError: k is under 1.
    """
    if k < 1:
        raise ConfigError(f"k={k} is out of range; take a length of list from 1 up.")
    n_lists, n_items = scores.shape
    scores[:, :1] = -np.inf
    if left_out is not None:
        scores[np.repeat(np.arange(n_lists), np.diff(left_out.offsets)), left_out.rows] = -np.inf
    places = np.flatnonzero(_candidates(scores, _bounds(scores, k), k))
    lists, columns = np.divmod(places, n_items)
    values = scores.reshape(-1)[places]
    kept = values > -np.inf
    lists, columns, values = lists[kept], columns[kept], values[kept]
    order = np.lexsort((-values, lists))  # stable: equal scores stay in the order of their columns
    lists, columns, values = lists[order], columns[order], values[order]
    counts = np.bincount(lists, minlength=n_lists)
    place = np.arange(len(lists)) - np.repeat(np.cumsum(counts) - counts, counts)
    near = place < k
    rows, found = np.zeros((n_lists, k), np.int64), np.full((n_lists, k), -np.inf, np.float32)
    rows[lists[near], place[near]], found[lists[near], place[near]] = columns[near], values[near]
    return Ranked(rows, found)


def _bounds(scores: Floats, k: int) -> Floats:
    """[B] a number that at least k scores of each row reach, or -inf; mostly little under the k-th highest."""
    n_lists, n_items = scores.shape
    n_groups = max(64, 4 * k)
    depth = n_items // n_groups
    if depth < 2:
        return np.full(n_lists, -np.inf, np.float32)
    highest = np.fmax.reduce(scores[:, : depth * n_groups].reshape(n_lists, depth, n_groups), axis=1)
    highest = np.where(np.isnan(highest), -np.inf, highest)
    return np.partition(highest, n_groups - k, axis=1)[:, n_groups - k]


def _candidates(scores: Floats, bounds: Floats, k: int) -> Bools:
    """[B, I] what reaches its row's bound; where much stands at the bound itself, only the first k of that."""
    chosen: Bools = scores >= bounds[:, None]
    if np.count_nonzero(chosen) > 4 * k * len(scores):
        crowded = np.flatnonzero(np.count_nonzero(chosen, axis=1) > 4 * k)
        part, level = scores[crowded], bounds[crowded, None]
        tied = part == level
        chosen[crowded] = (part > level) | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= k))
    return chosen


def from_scores(scores: Scores, *, n_items: int, left_out: LeftOut | None = None) -> System:
    """A function that scores the whole catalogue, as a system that can be measured.

    Args:
        scores: asked for so many users at a time that about 2 million scores are held.
        n_items: rows of the item table, row 0 included.
        left_out: what each user is not shown.

    Raises:
        DataError: when asked, if the scores are not [B, n_items].
    """
    step = max(CELLS // max(n_items, 1), 1)

    def system(users: Ints, k: int) -> Ints:
        rows = np.zeros((len(users), k), np.int64)
        for start in range(0, len(users), step):
            part = users[start : start + step]
            told = scores(part)
            if told.shape != (len(part), n_items):
                raise DataError(f"scores of {len(part)} users are [{len(part)}, {n_items}], got {told.shape}.")
            rows[start : start + step] = best(told, k, left_out=left_out.take(part) if left_out else None).rows
        return rows

    return system


def from_vectors(users: Floats, items: Floats, *, left_out: LeftOut | None = None) -> System:
    """Inner products of user and item vectors, as a system that can be measured; exact, without an index.

    Args:
        users: [U, D] vector of each user.
        items: [I, D] vector of each item; row 0 is never given.
        left_out: what each user is not shown.

    Raises:
        DataError: the widths differ.
    """
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
        raise DataError(
            f"vectors of users and items have one width, [U, D] and [I, D], got {users.shape}, {items.shape}."
        )
    across = np.ascontiguousarray(items.T)
    return from_scores(lambda at: users[at] @ across, n_items=len(items), left_out=left_out)
