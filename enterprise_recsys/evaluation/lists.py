"""Metrics of all lists together: how much of the catalogue they show, and how unlike their items are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from enterprise_recsys.evaluation.truth import first_places
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

CELLS = 4_000_000
"""Numbers that a metric holds at once (32 MB as float64)."""


@dataclass(frozen=True)
class Catalogue:
    """What metrics of lists know of the items.

    Attributes:
        n_items: rows of the item table, row 0 included.
        vectors: [I, D] a vector of each item, any length; all 0 = none known. None: not at hand.
        tokens: [I, M] feature tokens (such as genres) of each item, 0 = no more. None: not at hand.
        popularity: [I] events of each item in training, 0 or more; place 0 is not looked at. None: not at hand.
        groups: name -> [I] items that are shown apart, such as "tail_items"; place 0 speaks for all items that the
            catalogue does not hold.
    """

    n_items: int
    vectors: Floats | None = None
    tokens: Ints | None = None
    popularity: Doubles | None = None
    groups: Mapping[str, Bools] = field(default_factory=dict)


def coverage(rows: Ints, catalogue: Catalogue) -> float:
    """Share of the catalogue's items (row 0 is none) that stand in at least one list.

    Source: "catalog coverage" of Ge, Delgado-Battenfeld and Jannach, RecSys 2010, doi:10.1145/1864708.1864761.
    """
    shown = np.zeros(catalogue.n_items, np.bool_)
    shown[np.maximum(rows, 0)] = True
    return float(shown[1:].mean()) if catalogue.n_items > 1 else float("nan")


def diversity(rows: Ints, catalogue: Catalogue) -> float:
    """Mean over lists of the mean over pairs of their items of 1 - cosine of the item vectors; 0 to 2.

    A repetition counts once; items without a vector are left out, and so are lists with fewer than two others. NaN if
    no list is left, or the catalogue has no vectors.

    Source: intra-list distance, Zhang and Hurley, RecSys 2008, doi:10.1145/1454008.1454030.
    """
    if catalogue.vectors is None:
        return float("nan")
    vectors = catalogue.vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)  # [I]
    unit = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    unit[0] = 0.0  # stands for every place that does not count

    def of_lists(part: Ints) -> Doubles:
        rows = np.maximum(part, 0)
        counted = first_places(part) & (lengths[rows] > 0)  # [B, K]
        n = counted.sum(axis=1)
        summed = unit[np.where(counted, rows, 0)].sum(axis=1)  # [B, D]
        # The square of a sum of n unit vectors is n plus the cosines of all ordered pairs.
        cosines = np.square(summed).sum(axis=1) - n
        return 1.0 - _per_pair(cosines, n * (n - 1))

    return _mean_of_chunks(rows, of_lists, cells=rows.shape[1] * vectors.shape[1])


def feature_diversity(rows: Ints, catalogue: Catalogue) -> float:
    """Mean over lists of the mean over pairs of their items of 1 - Jaccard of the items' sets of tokens; 0 to 1.

    Jaccard of two sets = common tokens / tokens in either. A repetition counts once; items without a token are left
    out, and so are lists with fewer than two others. NaN if no list is left, or the catalogue has no tokens.

    Source: Ziegler et al., WWW 2005 (intra-list similarity; the similarity is left open there, and is Jaccard here),
    doi:10.1145/1060745.1060754.
    """
    if catalogue.tokens is None:
        return float("nan")
    tokens = catalogue.tokens

    def of_lists(part: Ints) -> Doubles:
        sets = _token_sets(tokens[np.maximum(part, 0)])  # [B, K, W] one place for each token of the list
        sizes = sets.sum(axis=2)
        counted = first_places(part) & (sizes > 0)
        common = sets @ sets.transpose(0, 2, 1)  # [B, K, K]
        either = sizes[:, :, None] + sizes[:, None, :] - common
        pairs = counted[:, :, None] & counted[:, None, :] & ~np.eye(part.shape[1], dtype=np.bool_)
        alike = np.where(pairs, common / np.maximum(either, 1.0), 0.0).sum(axis=(1, 2))
        return 1.0 - _per_pair(alike, pairs.sum(axis=(1, 2)))

    places = rows.shape[1]
    return _mean_of_chunks(rows, of_lists, cells=places * places * (tokens.shape[1] + 2))


def _token_sets(tokens: Ints) -> Doubles:
    """Mark which tokens [B, K, M] each item has, with tokens numbered anew in each list: [B, K, W], 1 = has it."""
    lists, places, _ = tokens.shape
    flat = tokens.reshape(lists, -1)  # [B, K*M]
    order = np.argsort(flat, axis=1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=1)
    ranks = np.zeros(flat.shape, np.int64)
    ranks[:, 1:] = np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1)
    codes = np.empty_like(ranks)
    np.put_along_axis(codes, order, ranks, axis=1)
    sets = np.zeros((lists, places, int(codes.max(initial=0)) + 1))
    owner, place, token = np.nonzero(tokens)
    sets[owner, place, codes.reshape(tokens.shape)[owner, place, token]] = 1.0
    return sets


def _mean_of_chunks(rows: Ints, of_lists: Callable[[Ints], Doubles], *, cells: int) -> float:
    """Mean over lists, NaN left out, so many lists at a time that each holds about `cells` numbers."""
    step = max(CELLS // max(cells, 1), 1)
    parts = [of_lists(rows[start : start + step]) for start in range(0, len(rows), step)]
    values = np.concatenate([np.empty(0), *parts])
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _per_pair(summed: Doubles, pairs: Ints) -> Doubles:
    """[B] mean over the pairs of a list; NaN where there is no pair."""
    return np.where(pairs > 0, summed / np.maximum(pairs, 1), np.nan)
