"""Shares of a score that add up to it: exact Shapley values of a few groups, and a walk through a long past."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from enterprise_recsys.records import Bools, Doubles, Ints


def shapley(worth: Callable[[Bools], Doubles], groups: int) -> Doubles:
    """Exact Shapley values [K, G] of G groups for K scores: each one's mean gain over all orders to come in.

    phi_g = sum over S without g of |S|! (G - |S| - 1)! / G! * (worth(S and g) - worth(S)); the values of a score add up
    to worth(all) - worth(none).

    Args:
        worth: sets of groups [2^G, G], all at once -> scores [2^G, K].
        groups: G, few: all 2^G sets are asked for.

    Source: Shapley, 1953; for features of a model against a background: Lundberg and Lee, NeurIPS 2017,
    arXiv:1705.07874, equation 8, taken exactly.
    """
    sets = np.arange(2**groups)
    held: Bools = (sets[:, None] >> np.arange(groups)) & 1 == 1  # [2^G, G]
    found = worth(held)
    sizes = held.sum(axis=1)
    shares = np.zeros((found.shape[1], groups))
    for group in range(groups):
        without = sets[~held[:, group]]
        weights = np.array([1.0 / (groups * comb(groups - 1, size)) for size in sizes[without]])
        shares[:, group] = weights @ (found[without + (1 << group)] - found[without])
    return shares


def walks(places: Ints, generator: np.random.Generator, *, pairs: int = 2) -> list[Ints]:
    """Orders in which the places of a past may come: some drawn ones, and each of these backwards.

    Together with `walked` an estimate of Shapley values that adds up exactly, however few the orders.

    Source: Castro, Gomez and Tejada, Computers & Operations Research 2009, doi:10.1016/j.cor.2008.04.004; the reversed
    orders, which cancel much of the noise: Mitchell et al., JMLR 23, 2022, arXiv:2104.12199.
    """
    drawn = [generator.permutation(places) for _ in range(pairs)]
    return [order for one in drawn for order in (one, one[::-1])]


def walked(orders: list[Ints], worth: list[Doubles], size: int) -> Doubles:
    """Shares [size, K] of the places of a past, the mean over the orders of what each place added when it came.

    Args:
        orders: from `walks`, each of n places.
        worth: for each order [n + 1, K]: the scores with none of them, with the first, ..., with all.
        size: of the past; places that no order holds have a share of 0.
    """
    shares = np.zeros((size, worth[0].shape[1] if worth else 0))
    for order, scores in zip(orders, worth, strict=True):
        shares[order] += np.diff(scores, axis=0) / len(orders)
    return shares
