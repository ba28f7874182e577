"""What users in truth took, and one look-up that grades lists against it for every metric at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

HIGHEST_GRADE = 50.0
"""Grades above this are refused: the gain 2^grade - 1 would leave no digit for the others."""


@dataclass(frozen=True)
class Truth:
    """The relevant items of each user, in compressed rows.

    Attributes:
        offsets: [U+1] user u owns the places offsets[u] to offsets[u+1] of the two arrays below.
        items: [T] item rows, rising within each user. Row 0 (an item that the vocabulary does not hold) is relevant
            and can never be hit: it stays in the denominators.
        gains: [T] relevance grades, over 0; 1 where relevance is yes or no.
    """

    offsets: Ints
    items: Ints
    gains: Doubles

    @classmethod
    def of(cls, users: Ints, items: Ints, gains: Floats | Doubles | None = None, *, n_users: int) -> Truth:
        """Gather (user, item, grade) triples; of a pair that comes twice the highest grade stays.

        Pairs with row 0 are not merged, since they may be different items: each counts as one that was missed.
        To merge them, number them past the end of the catalogue; such rows can never be hit either.

        Args:
            users: [T] positions of users, 0 to n_users - 1, in any order.
            items: [T] item rows, 0 or more.
            gains: [T] grades from 0 to 50; a pair of grade 0 is not relevant and left out. None: all 1.
            n_users: users in all, those without a relevant item included.

        Raises:
            DataError: the arrays differ in length, or a value is out of its range.
        """
        grades: Doubles = np.ones(len(users)) if gains is None else np.asarray(gains, np.float64)
        users, items = np.asarray(users, np.int64), np.asarray(items, np.int64)
        _check_triples(users, items, grades, n_users)
        if gains is None and len(items):
            # One key to sort instead of three columns: a third of the time for millions of events.
            stride = int(items.max()) + 1
            users, items = np.divmod(np.sort(users * stride + items), stride)
        else:
            order = np.lexsort((-grades, items, users))
            users, items, grades = users[order], items[order], grades[order]
        same = (users[1:] == users[:-1]) & (items[1:] == items[:-1]) & (items[1:] > 0)
        kept = np.concatenate([[True], ~same])[: len(users)] & (grades > 0)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(users[kept], minlength=n_users))])
        return cls(offsets.astype(np.int64), items[kept], grades[kept])

    @property
    def n_users(self) -> int:
        """Users in all, those without a relevant item included."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Ints:
        """[U] relevant items of each user."""
        return np.diff(self.offsets)

    def within(self, group: Bools) -> Truth:
        """The same users with only the relevant items of a group, for a figure of that group alone.

        Args:
            group: [I] whether an item is in it; place 0 speaks for all items that the catalogue does not hold (row 0
                and rows past its end).
        """
        kept = group[np.where(self.items < len(group), self.items, 0)]
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets]
        return Truth(offsets.astype(np.int64), self.items[kept], self.gains[kept])


def _check_triples(users: Ints, items: Ints, grades: Doubles, n_users: int) -> None:
    if not users.shape == items.shape == grades.shape == (len(users),):
        raise DataError(
            f"users, items and gains belong together, got shapes {users.shape}, {items.shape} and {grades.shape}; "
            "pass three arrays [T]."
        )
    if len(users) and (users.min() < 0 or users.max() >= n_users):
        raise DataError(
            f"users are positions from 0 to {n_users - 1} (n_users={n_users}), got {users.min()} to {users.max()}."
        )
    if len(items) and items.min() < 0:
        raise DataError(f"items are rows, 0 or more (0 = an unknown item), got {items.min()}.")
    wrong = ~((grades >= 0) & (grades <= HIGHEST_GRADE))
    if wrong.any():
        raise DataError(
            f"gains are grades from 0 to {HIGHEST_GRADE:g}, got {grades[wrong][0]}; scale them, "
            "or pass None for a relevance of yes or no."
        )


@dataclass(frozen=True)
class Judged:
    """The lists of a few users beside what would have been best: all that a metric of one user needs.

    Attributes:
        grades: [B, K] grade of the item in each place; 0 = not relevant, empty, or a repetition within the list.
        ideal: [B, K] the user's own highest grades, falling, 0 where the user has no more relevant items.
        counts: [B] relevant items of each user; may be over K.
    """

    grades: Doubles
    ideal: Doubles
    counts: Ints


def judge(rows: Ints, users: Ints, truth: Truth, *, depth: int) -> Judged:
    """Grade the lists of some users, with one sorted search for them all.

    Args:
        rows: [B, K] item rows, best first; 0 or less = the place is empty.
        users: [B] the users' positions in the truth.
        truth: what they took.
        depth: places that are looked at; shorter lists are taken as ending in empty places.
    """
    rows = at_depth(rows, depth)
    counts = truth.counts[users]
    owners = np.repeat(np.arange(len(users)), counts)  # [T'] which of the B users each relevant item belongs to
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)  # [T'] 0, 1, ... within the user
    index = truth.offsets[users][owners] + places
    items, gains = truth.items[index], truth.gains[index]
    stride = max(int(items.max(initial=0)), int(rows.max(initial=0))) + 1
    keys = owners * stride + items  # rises, since items rise within a user
    asked = np.arange(len(users))[:, None] * stride + np.maximum(rows, 0)  # [B, K]
    found = np.minimum(np.searchsorted(keys, asked), max(len(keys) - 1, 0))
    grades = np.zeros(rows.shape)
    if len(keys):
        grades = np.where((keys[found] == asked) & first_places(rows), gains[found], 0.0)
    falling = np.lexsort((-gains, owners))
    ideal = np.zeros(rows.shape)
    near = places < depth
    ideal[owners[near], places[near]] = gains[falling][near]
    return Judged(grades, ideal, counts)


def at_depth(rows: Ints, depth: int) -> Ints:
    """Cut lists [B, K] after some places, or fill them up with empty ones: [B, depth]."""
    missing = max(depth - rows.shape[1], 0)
    return np.pad(rows[:, :depth], ((0, 0), (0, missing)))


def first_places(rows: Ints) -> Bools:
    """[B, K] whether a place holds an item, and holds it for the first time in its list.

    >>> first_places(np.array([[5, 7, 5, 0]])).tolist()
    [[True, True, False, False]]
    """
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    new = np.ones(rows.shape, np.bool_)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty(rows.shape, np.bool_)
    np.put_along_axis(first, order, new, axis=1)
    return first & (rows > 0)
