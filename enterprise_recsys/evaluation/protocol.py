"""Any function "users, k -> rows" is measured by the same lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.exposure import group_exposure
from enterprise_recsys.evaluation.metrics import LIST_METRICS, SURPRISE_METRICS, USER_METRICS, Catalogue
from enterprise_recsys.evaluation.truth import Truth, at_depth, judge
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

System = Callable[[Ints, int], Ints]
"""What is measured: positions of users in the truth [B], k -> item rows [B, k], best first, 0 = empty place."""

GROUP_METRICS = ("HR", "Recall", "NDCG")
"""User metrics that are taken of a group of items too, with the truth cut down to the group."""


@dataclass(frozen=True)
class Measured:
    """How one system did.

    Attributes:
        of_users: metric such as "NDCG@10" -> [U] figure of each user, NaN for one without relevant items.
        of_lists: metric such as "Coverage@10" -> figure of all lists together; those that were measured. The share of
            places that a group of items has is "tail_items/Exposure@10".
        lists: [U, K] the lists themselves, K the largest k; all 0 for a user without relevant items, who was not asked.
        slices: name of a group of users -> [U] who is in it.
        item_slices: name of a group of items -> metric -> [U] figure of each user with the truth cut down to the
            group: the list stays as it is, only what it finds of the group counts. NaN for a user who took none of it.
    """

    of_users: Mapping[str, Doubles]
    of_lists: Mapping[str, float]
    lists: Ints
    slices: Mapping[str, Bools]
    item_slices: Mapping[str, Mapping[str, Doubles]] = field(default_factory=dict)

    @property
    def counted(self) -> Bools:
        """[U] users with a relevant item: those that means are taken over."""
        return ~np.isnan(next(iter(self.of_users.values())))

    def means(self) -> dict[str, float]:
        """Each metric over all users, and as "slice/metric" over each group; what has no user is left out."""
        result: dict[str, float] = {}
        groups = {"": self.counted} | {f"{name}/": self.counted & mask for name, mask in self.slices.items()}
        for prefix, group in groups.items():
            if group.any():
                result |= {f"{prefix}{name}": float(values[group].mean()) for name, values in self.of_users.items()}
            if not prefix:
                result |= self.of_lists
        for name, metrics in self.item_slices.items():
            for metric, values in metrics.items():
                kept = values[~np.isnan(values)]
                result |= {f"{name}/{metric}": float(kept.mean())} if len(kept) else {}
        return result


def measure(
    system: System,
    truth: Truth,
    *,
    n_items: int | None = None,
    ks: Sequence[int] = (10,),
    vectors: Floats | None = None,
    tokens: Ints | None = None,
    slices: Mapping[str, Bools] | None = None,
    chunk: int = 1024,
    catalogue: Catalogue | None = None,
    expected: Ints | None = None,
) -> Measured:
    """Ask a system for the list of every user that has relevant items, and take every metric at every k.

    Args:
        system: what is measured; it is asked once a user, for the largest k, and may give fewer places.
        truth: the relevant items of each user.
        n_items, vectors, tokens: short for `catalogue=Catalogue(n_items, vectors, tokens)`.
        ks: lengths of list, 1 or more.
        slices: name -> [U] groups of users that are shown beside all.
        chunk: users asked at a time; bounds the memory.
        catalogue: what is known of the items; what it lacks is not measured. Its groups become slices of items.
        expected: [U, K] lists that surprise nobody, for "Serendipity": the lists of the popularity baseline as
            measured. None: the most popular items of the catalogue, the same for everybody, if it knows them.

    Raises:
        ConfigError: no k, or one under 1; a slice has a name with "/" or one that is taken; no catalogue.
        DataError: a list, a table or a slice has not the shape it should have, or an item is not in the catalogue.
    """
    if not ks or min(ks) < 1:
        raise ConfigError(f"ks={tuple(ks)} is out of range; take one or more lengths of list from 1 up, such as (10,).")
    items = _catalogue(catalogue, n_items, vectors, tokens)
    groups, depth = dict(slices or {}), max(ks)
    _check_tables(items, groups, truth.n_users)
    surprise = _expected(expected, items, truth.n_users, depth)
    taker = _Taker(truth, tuple(dict.fromkeys(ks)), items.groups, surprise)
    lists = np.zeros((truth.n_users, depth), np.int64)
    for users in _parts(np.flatnonzero(truth.counts), chunk):
        lists[users] = at_depth(_asked(system, users, depth, items.n_items), depth)
        taker.take(lists[users], users)
    return Measured(taker.of_users, _of_lists(lists, taker.ks, items), lists, groups, taker.of_groups)


class _Taker:
    """Takes every metric of the users of one chunk after the other; see `measure`."""

    def __init__(self, truth: Truth, ks: Sequence[int], groups: Mapping[str, Bools], expected: Ints | None) -> None:
        self.truth, self.ks, self.expected = truth, ks, expected
        self._parts = {name: truth.within(group) for name, group in groups.items()}
        surprises = SURPRISE_METRICS if expected is not None else ()
        self.of_users = self._empty([*USER_METRICS, *surprises])
        self.of_groups = {name: self._empty(GROUP_METRICS) for name in groups}

    def _empty(self, metrics: Sequence[str]) -> dict[str, Doubles]:
        return {f"{metric}@{k}": np.full(self.truth.n_users, np.nan) for k in self.ks for metric in metrics}

    def take(self, rows: Ints, users: Ints) -> None:
        """Write the figures of some users' lists [B, K] into their places."""
        judged = judge(rows, users, self.truth, depth=rows.shape[1])
        for k in self.ks:
            for name, metric in USER_METRICS.items():
                self.of_users[f"{name}@{k}"][users] = metric(judged, k=k)
            if self.expected is not None:
                for name, surprise in SURPRISE_METRICS.items():
                    known = self.expected[users]
                    self.of_users[f"{name}@{k}"][users] = surprise(judged, rows, known, k=k)
        for group, truth in self._parts.items():
            judged = judge(rows, users, truth, depth=rows.shape[1])
            for k in self.ks:
                for name in GROUP_METRICS:
                    self.of_groups[group][f"{name}@{k}"][users] = USER_METRICS[name](judged, k=k)


def _of_lists(lists: Ints, ks: Sequence[int], catalogue: Catalogue) -> dict[str, float]:
    """Every metric of all lists together; those without a figure are left out."""
    told = {f"{metric}@{k}": function(lists[:, :k], catalogue) for k in ks for metric, function in LIST_METRICS.items()}
    for name, group in catalogue.groups.items():
        told |= {f"{name}/Exposure@{k}": group_exposure(lists[:, :k], group) for k in ks}
    return {name: value for name, value in told.items() if not np.isnan(value)}


def _catalogue(given: Catalogue | None, n_items: int | None, vectors: Floats | None, tokens: Ints | None) -> Catalogue:
    if given is None and n_items is not None:
        return Catalogue(n_items, vectors, tokens)
    if given is None or any(part is not None for part in (n_items, vectors, tokens)):
        raise ConfigError("the items are told once: give either catalogue=Catalogue(...) or n_items, vectors, tokens.")
    return given


def _expected(given: Ints | None, catalogue: Catalogue, n_users: int, depth: int) -> Ints | None:
    """[U, K] what surprises nobody, or None if that is not known."""
    if given is not None:
        if given.ndim != 2 or len(given) != n_users:
            raise DataError(f"expected holds the list of each user, [{n_users}, K], got shape {given.shape}.")
        return at_depth(given, depth)
    if catalogue.popularity is None:
        return None
    popular = np.argsort(-catalogue.popularity[1:], kind="stable")[:depth] + 1
    return np.broadcast_to(at_depth(popular[None, :], depth), (n_users, depth))


def _parts(users: Ints, size: int) -> Iterator[Ints]:
    for start in range(0, len(users), size):
        yield users[start : start + size]


def _asked(system: System, users: Ints, k: int, n_items: int) -> Ints:
    """The system's answer, once it is seen to be lists of this catalogue."""
    rows = np.asarray(system(users, k))
    if rows.ndim != 2 or len(rows) != len(users) or rows.shape[1] > k or not np.issubdtype(rows.dtype, np.integer):
        raise DataError(
            f"a system gives item rows as whole numbers [{len(users)}, {k}] for {len(users)} users and k={k}, "
            f"got {rows.dtype} of shape {rows.shape}; fill places that stay empty with 0."
        )
    if rows.size and rows.max() >= n_items:
        raise DataError(
            f"a system gave item row {rows.max()}, the catalogue ends at {n_items - 1}; give rows, not ids."
        )
    return rows.astype(np.int64)


def _check_tables(catalogue: Catalogue, slices: Mapping[str, Bools], n_users: int) -> None:
    for name, table in {"vectors": catalogue.vectors, "tokens": catalogue.tokens}.items():
        if table is not None and (table.ndim != 2 or len(table) != catalogue.n_items):
            raise DataError(
                f"{name} has a row for each item, row 0 included: [{catalogue.n_items}, ...], got {table.shape}."
            )
    popularity = catalogue.popularity
    if popularity is not None and popularity.shape != (catalogue.n_items,):
        raise DataError(
            f"popularity has a number for each item, row 0 included: [{catalogue.n_items}], got {popularity.shape}."
        )
    if twice := slices.keys() & catalogue.groups.keys():
        raise ConfigError(f"{sorted(twice)} names a slice of users and one of items; name them apart.")
    for what, size, masks in (("user", n_users, slices), ("item", catalogue.n_items, catalogue.groups)):
        for name, mask in masks.items():
            _check_slice(name, mask, what, size)


def _check_slice(name: str, mask: Bools, what: str, size: int) -> None:
    if not name or "/" in name:
        raise ConfigError(f"a slice is named {name!r}; '/' divides keys such as 'system/slice/metric', write '_'.")
    if mask.shape != (size,) or mask.dtype != np.bool_:
        raise DataError(
            f"slice {name!r} says of each {what} whether they are in it: bool [{size}], got {mask.dtype} {mask.shape}."
        )
