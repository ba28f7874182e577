"""Metrics of which items get the places: how evenly, how popular they are, and what share a group of them has."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.lists import Catalogue
from enterprise_recsys.records import Bools, Doubles, Ints


def gini(rows: Ints, catalogue: Catalogue) -> float:
    """Gini index of how often each item of the catalogue is shown; 0 = all alike, near 1 = one item has all places.

    With x_1 <= ... <= x_n the places of the n items, unshown ones too: sum of (2 i - n - 1) x_i / (n sum of x). NaN if
    no place is filled.

    Source: Fleder and Hosanagar, Management Science 2009, doi:10.1287/mnsc.1080.0974 (there of sales).
    """
    shown = np.sort(_places(rows, catalogue))
    n, total = len(shown), shown.sum()
    if not total:
        return float("nan")
    return float(((2.0 * np.arange(1, n + 1) - n - 1.0) @ shown) / (n * total))


def novelty(rows: Ints, catalogue: Catalogue) -> float:
    """Mean over lists of the mean of -log2 p over their items, in bits; p = the item's share of all events.

    An item without events counts as having one, since the log cannot tell how much rarer it is. NaN without
    `popularity`.

    Source: Zhou et al., PNAS 2010, doi:10.1073/pnas.1000488107, whose p is the share of users that took the item.
    """
    shares = _shares(catalogue, least=1.0)
    return float("nan") if shares is None else _mean_of_lists(rows, -np.log2(shares))


def average_popularity(rows: Ints, catalogue: Catalogue) -> float:
    """ARP: mean over lists of the mean share of all events that their items have; 0 to 1.

    Times the number of events it is the mean count, as the source has it; the share can be compared across logs. NaN
    without `popularity`.

    Source: "average recommendation popularity" of Abdollahpouri, Burke and Mobasher, FLAIRS 2019, after Yin et al.,
    VLDB 2012, doi:10.14778/2311906.2311916.
    """
    shares = _shares(catalogue)
    return float("nan") if shares is None else _mean_of_lists(rows, shares)


def popularity_percentile(rows: Ints, catalogue: Catalogue) -> float:
    """Mean over lists of the mean place of their items in the catalogue by popularity: 0 = rarest, 1 = best known.

    Place of an item = (items less popular + half of those as popular) / items. Lists drawn evenly from the catalogue
    give 0.5, so what is above is the bias to what is known. NaN without `popularity`.

    Source: the rank form of ARP (see `average_popularity`), free of the long tail's shape; the half is the usual mean
    rank of ties.
    """
    if catalogue.popularity is None or catalogue.n_items < 2:
        return float("nan")
    _, ties, counts = np.unique(catalogue.popularity[1:], return_inverse=True, return_counts=True)
    places = (np.cumsum(counts) - counts / 2.0)[ties.reshape(-1)] / (catalogue.n_items - 1)
    return _mean_of_lists(rows, np.concatenate([[0.0], places]))


def group_exposure(rows: Ints, group: Bools, *, discounted: bool = False) -> float:
    """Share of all filled places that the items of a group have; 0 to 1. NaN if no place is filled.

    Args:
        rows: [U, K] lists, 0 = empty place.
        group: [I] whether an item is in it; place 0 is not looked at.
        discounted: a place i counts 1 / log2(i + 1), since lower ones are seen less; otherwise all count alike.

    Source: Singh and Joachims, KDD 2018, doi:10.1145/3219819.3220088 (exposure with a logarithmic discount).
    """
    filled = rows > 0
    worth = 1.0 / np.log2(np.arange(rows.shape[1]) + 2.0) if discounted else np.ones(rows.shape[1])
    total = filled.sum(axis=0) @ worth
    if not total:
        return float("nan")
    return float(((group[np.maximum(rows, 0)] & filled).sum(axis=0) @ worth) / total)


def _places(rows: Ints, catalogue: Catalogue) -> Doubles:
    """[I-1] places that each item has over all lists, row 0 left out."""
    counts = np.bincount(np.maximum(rows, 0).reshape(-1), minlength=catalogue.n_items)
    return counts[1:].astype(np.float64)


def _shares(catalogue: Catalogue, *, least: float = 0.0) -> Doubles | None:
    """[I] each item's share of all events; an item with fewer than `least` is taken as having so many."""
    if catalogue.popularity is None or not catalogue.popularity[1:].sum() > 0:
        return None
    if not (catalogue.popularity >= 0).all():
        raise DataError(f"popularity is a number of events, 0 or more, got {np.min(catalogue.popularity):g}.")
    shares: Doubles = np.maximum(catalogue.popularity, least) / catalogue.popularity[1:].sum()
    return shares


def _mean_of_lists(rows: Ints, values: Doubles) -> float:
    """Mean over the lists that show something of the mean of their items' values [I]."""
    filled = rows > 0
    counts = filled.sum(axis=1)
    sums = np.where(filled, values[np.maximum(rows, 0)], 0.0).sum(axis=1)[counts > 0]
    return float((sums / counts[counts > 0]).mean()) if len(sums) else float("nan")
