"""Any function "users, k -> rows" is measured by the same lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.metrics import LIST_METRICS, USER_METRICS, Catalogue
from enterprise_recsys.evaluation.truth import Truth, at_depth, judge
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

System = Callable[[Ints, int], Ints]
"""What is measured: positions of users in the truth [B], k -> item rows [B, k], best first, 0 = empty place."""


@dataclass(frozen=True)
class Measured:
    """How one system did.

    Attributes:
        of_users: metric such as "NDCG@10" -> [U] figure of each user, NaN for one without relevant items.
        of_lists: metric such as "Coverage@10" -> figure of all lists together; those that were measured.
        lists: [U, K] the lists themselves, K the largest k; all 0 for a user without relevant items, who was not asked.
        slices: name of a group of users -> [U] who is in it.
    """

    of_users: Mapping[str, Doubles]
    of_lists: Mapping[str, float]
    lists: Ints
    slices: Mapping[str, Bools]

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
        return result


def measure(
    system: System,
    truth: Truth,
    *,
    n_items: int,
    ks: Sequence[int] = (10,),
    vectors: Floats | None = None,
    tokens: Ints | None = None,
    slices: Mapping[str, Bools] | None = None,
    chunk: int = 1024,
) -> Measured:
    """Ask a system for the list of every user that has relevant items, and take every metric at every k.

    Args:
        system: what is measured; it is asked once a user, for the largest k, and may give fewer places.
        truth: the relevant items of each user.
        n_items: rows of the item table, row 0 included.
        ks: lengths of list, 1 or more.
        vectors: [I, D] item vectors for "Diversity". None: not measured.
        tokens: [I, M] feature tokens of the items, 0 = no more, for "FeatureDiversity". None: not measured.
        slices: name -> [U] groups of users that are shown beside all.
        chunk: users asked at a time; bounds the memory.

    Raises:
        ConfigError: no k, or one under 1; a slice has a name with "/".
        DataError: a list, a table or a slice has not the shape it should have, or an item is not in the catalogue.
    """
    if not ks or min(ks) < 1:
        raise ConfigError(f"ks={tuple(ks)} is out of range; take one or more lengths of list from 1 up, such as (10,).")
    groups = dict(slices or {})
    catalogue = Catalogue(n_items, vectors, tokens)
    _check_tables(catalogue, groups, truth.n_users)
    depth = max(ks)
    names = [(metric, k) for k in dict.fromkeys(ks) for metric in USER_METRICS]
    of_users = {f"{metric}@{k}": np.full(truth.n_users, np.nan) for metric, k in names}
    lists = np.zeros((truth.n_users, depth), np.int64)
    for users in _parts(np.flatnonzero(truth.counts), chunk):
        lists[users] = at_depth(_asked(system, users, depth, n_items), depth)
        judged = judge(lists[users], users, truth, depth=depth)
        for metric, k in names:
            of_users[f"{metric}@{k}"][users] = USER_METRICS[metric](judged, k=k)
    of_lists = {
        f"{metric}@{k}": function(lists[:, :k], catalogue)
        for k in dict.fromkeys(ks)
        for metric, function in LIST_METRICS.items()
    }
    measured = {name: value for name, value in of_lists.items() if not np.isnan(value)}
    return Measured(of_users, measured, lists, groups)


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
    for name, mask in slices.items():
        if not name or "/" in name:
            raise ConfigError(f"a slice is named {name!r}; '/' divides keys such as 'system/slice/metric', write '_'.")
        if mask.shape != (n_users,) or mask.dtype != np.bool_:
            raise DataError(
                f"slice {name!r} says of each user whether they are in it: bool [{n_users}], "
                f"got {mask.dtype} {mask.shape}."
            )
