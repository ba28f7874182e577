"""Candidates of several sources in one list: towers, neighbours and followers of the past, what is new or was had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.repeats import taken_again
from enterprise_recsys.engine.neighbours import Neighbours, Related, Said
from enterprise_recsys.records import Bools, Floats, Ints, Ranked

SOURCES = ("two_tower", "neighbours", "followers", "trending", "repeats")
"""Names of the sources, in the order that they are asked; a candidate is tagged with the first that gives it."""

_MASKED = 8_000_000
"""Bytes of a mask that clearing costs less than sorting: one request's up to 8,000,000 items."""

Search = Callable[[Floats, int, Ints, Ints], Ranked]
"""(queries [B, D], k, offsets, left out) -> the k best rows of each; see `Index.search`."""


@dataclass(frozen=True)
class Quotas:
    """How many candidates each source adds to those found before it."""

    two_tower: int
    neighbours: int
    followers: int
    trending: int
    repeats: int = 0

    @property
    def depth(self) -> int:
        """Places of a list."""
        return self.two_tower + self.neighbours + self.followers + self.trending + self.repeats

    def at_least(self, k: int) -> Quotas:
        """The same, with enough places of the towers alone to fill a list of k."""
        return replace(self, two_tower=max(self.two_tower, k))


def quotas(config: ModelConfig, n_items: int, *, follows: bool) -> Quotas:
    """The quotas of a config, cut to a catalogue of `n_items` rows, row 0 included: what is first comes first.

    Args:
        config: its dials of candidates.
        n_items: rows of the catalogue.
        follows: see `Related.follows`.
    """
    left, parts = max(n_items - 1, 1), []
    # Joint training lets neighbours say nothing, so that they have nothing to add.
    near = config.neighbour_candidates if config.training == "staged" else 0
    soon = config.follower_candidates if follows else 0
    own = config.repeat_candidates if config.lists_past else 0
    for wanted in (config.candidates, near, soon, config.trending_candidates, own):
        parts.append(min(wanted, left))
        left -= parts[-1]
    return Quotas(*parts)


@dataclass(frozen=True)
class Candidates:
    """What the ranker is handed.

    Attributes:
        rows: [B, K] item rows, each once; 0 = this place is empty.
        scores: [B, K] cosine of user and item; -inf where the place is empty.
        said: [B, K, 2] what neighbours and followers of the history say of the item, 0 or more; see `Heard.of`.
        sources: [B, K] place in SOURCES of the first source that gave the item.
    """

    rows: Ints
    scores: Floats
    said: Floats
    sources: Ints

    def beside(self, others: Candidates) -> Candidates:
        """These, and others after them."""
        pairs = ((one, getattr(others, name)) for name, one in vars(self).items())
        return Candidates(*(np.concatenate(pair, axis=1) for pair in pairs))


@dataclass(frozen=True)
class Asked:
    """What the sources are told of B requests.

    Attributes:
        history: [B, L] newest item rows, 0 = none.
        offsets, left_out: item rows that may not be given, of request b at left_out[offsets[b]:offsets[b+1]].
        trending: [B, T] item rows that are taken of late, most first, 0 = none.
        allowed: [I] which items may be given; None = all. The search must hold to it too.
        own: [B, W] item rows of the past that may be given again, the newest last; None = the history.
    """

    history: Ints
    offsets: Ints
    left_out: Ints
    trending: Ints
    allowed: Bools | None = None
    own: Ints | None = None


def gather(
    queries: Floats,
    vectors: Floats,
    search: Search,
    related: Related,
    quotas: Quotas,
    asked: Asked,
) -> Candidates:
    """Ask every source; each adds its best that no source before it has given; the towers fill what is left empty.

    Args:
        queries: [B, D] user vectors.
        vectors: [I, D] item vectors.
        search: the index over them.
        related: of the catalogue, or of its first rows.
        quotas: of the sources.
        asked: the histories, and what may not be given.
    """
    n_items, size = len(vectors), len(queries)
    # One search, as deep as the list is long: a second one, for what others leave empty, would cost as much again.
    deep = search(queries, min(quotas.depth, n_items - 1), asked.offsets, asked.left_out)
    held = quotas.two_tower
    found, below = Ranked(deep.rows[:, :held], deep.scores[:, :held]), deep.rows[:, held:]
    said = related.said(asked.history, n_items)
    first = np.arange(size) * n_items  # keys are request * n_items + item row
    taken = Taken(size * n_items)
    taken.add(np.repeat(first, np.diff(asked.offsets)) + asked.left_out if size > 1 else asked.left_out)
    taken.add((first[:, None] + found.rows)[found.rows > 0])
    near = _best_said(said.neighbours, taken, asked.allowed, size, quotas.neighbours)
    taken.add((first[:, None] + near)[near > 0])
    soon = _best_said(said.followers, taken, asked.allowed, size, quotas.followers)
    taken.add((first[:, None] + soon)[soon > 0])
    late = _first(asked.trending, np.arange(size), taken, asked.allowed, n_items, quotas.trending)
    taken.add((first[:, None] + late)[late > 0])
    own = np.zeros((size, 0), dtype=np.int64)
    if quotas.repeats:
        had = Said(*taken_again(asked.history if asked.own is None else asked.own, n_items), n_items)
        own = _best_said(had, taken, asked.allowed, size, quotas.repeats)
        taken.add((first[:, None] + own)[own > 0])
    others = (near, soon, late, own)
    further = np.concatenate(others, axis=1)
    told = np.repeat(np.arange(1, len(SOURCES)), [one.shape[1] for one in others])
    tags = np.where(further > 0, told, 0)
    # Who is near to nothing, as a user without a past, is owed as many candidates: the towers give them.
    short = np.flatnonzero((further == 0).any(axis=1) & (below > 0).any(axis=1))
    if len(short):
        more = _first(below[short], short, taken, None, n_items, further.shape[1])
        holes = further[short] == 0
        turn = np.maximum(holes.cumsum(axis=1) - 1, 0)
        further[short] = np.where(holes, np.take_along_axis(more, turn, axis=1), further[short])
    rows = np.concatenate([found.rows, further], axis=1)
    cosines = np.matmul(vectors[further], queries[:, :, None])[:, :, 0]
    scores = np.concatenate([found.scores, np.where(further > 0, cosines, -np.inf)], axis=1).astype(np.float32)
    tags = np.concatenate([np.zeros_like(found.rows), tags], axis=1)
    return Candidates(rows, scores, said.of(rows), tags)


def nearest_said(neighbours: Neighbours, history: Ints, offsets: Ints, left_out: Ints, k: int) -> Ints:
    """[B, k] rows that neighbours of histories [B, L] speak for most, 0 = no more; what is left out as in `Asked`."""
    said = neighbours.said(history)
    taken = Taken(len(history) * said.n_items)
    taken.add(np.repeat(np.arange(len(history)) * said.n_items, np.diff(offsets)) + left_out)
    return _best_said(said, taken, None, len(history), k)


class Taken:
    """Which keys, of so many, are taken: a mask where that is small, else the keys in order.

    Args:
        size: keys are below it.
    """

    def __init__(self, size: int) -> None:
        self._mask = np.zeros(size, dtype=bool) if size <= _MASKED else None
        self._keys = np.zeros(0, dtype=np.int64)

    def add(self, keys: Ints) -> None:
        """Take some more."""
        if self._mask is not None:
            self._mask[keys] = True
        else:
            self._keys = np.sort(np.concatenate([self._keys, keys]))

    def holds(self, keys: Ints) -> Bools:
        """Whether each key is taken."""
        if self._mask is not None:
            return self._mask[keys]
        if not len(self._keys):
            return np.zeros(keys.shape, dtype=bool)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.asarray(self._keys[place] == keys)


def _best_said(said: Said, taken: Taken, allowed: Bools | None, size: int, most: int) -> Ints:
    """[B, most] rows of the largest sums that may be given; ties in the order of rows; 0 = no more."""
    out = np.zeros((size, most), dtype=np.int64)
    free = ~taken.holds(said.keys)
    if allowed is not None:
        free &= allowed[said.keys % said.n_items]
    keys, sums = said.keys[free], said.sums[free]
    if size == 1:
        best = keys[np.argsort(-sums, kind="stable")[:most]]  # the keys rise already
        out[0, : len(best)] = best
        return out
    owners = keys // said.n_items
    order = np.lexsort((keys, -sums, owners))
    keys, owners = keys[order], owners[order]
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)
    kept = place < most
    out[owners[kept], place[kept]] = keys[kept] % said.n_items
    return out


def _first(ranked: Ints, owners: Ints, taken: Taken, allowed: Bools | None, n_items: int, most: int) -> Ints:
    """[B, most] the first rows of each line [B, T] that its owner's request [B] has not taken; 0 = no more."""
    out = np.zeros((len(ranked), most), dtype=np.int64)
    free = (ranked > 0) & ~taken.holds(owners[:, None] * n_items + ranked)
    if allowed is not None:
        free &= allowed[ranked]
    if len(ranked) == 1:
        rows = ranked[:, free[0]][:, :most]
    else:
        order = np.argsort(~free, axis=1, kind="stable")[:, :most]
        rows = np.where(np.take_along_axis(free, order, axis=1), np.take_along_axis(ranked, order, axis=1), 0)
    out[:, : rows.shape[1]] = rows  # np.pad takes several times as long
    return out
