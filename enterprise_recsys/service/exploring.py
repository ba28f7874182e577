"""Exploring: a little chance in a list, each item's chance known, so that what was shown can be learnt from."""

from __future__ import annotations

import math

import numpy as np

from enterprise_recsys.records import Doubles, Ints

TAIL = 0.2
"""Share of a list, its last places, that may show something from further down."""
POOL = 5
"""Items from behind the list that each such place draws from."""


def depth(k: int, items: float) -> int:
    """How many ranked items a list of k is drawn from."""
    return k + math.ceil(TAIL * k) * POOL if items > 0 else k


def explore(
    count: int, k: int, generator: np.random.Generator, *, items: float, positions: float
) -> tuple[Ints, Doubles]:
    """Draw a list of k from `count` ranked items.

    First, with chance `positions`, one pair of neighbours, drawn evenly, changes places. Then each place of the tail,
    independently and with chance `items`, shows an item drawn evenly from its own pool: of the items behind the list
    the tail's places take turns, so no item is in two pools and none can stand twice in the list.

    The chance that item o of the list stands at place p is thus m(o, p) (1 - e_p), with m the chance that the swap
    brings it there (1 - c_p d / (K-1) for o = p, where c_p is 1 at the ends and 2 between; d / (K-1) for
    neighbours) and e_p = `items` in a tail place with a pool, else 0; and that of an item of pool p is e_p / |pool|.

    Args:
        count: ranked items at hand; those from k on fill the pools.
        k: places, at least 0.
        generator: draws.
        items, positions: chances in 0..1.

    Returns:
        [K] which ranked item (from 0) stands at each place, and [K] the chance that it would: its propensity.

    Source: the swap of neighbours is that of Radlinski and Joachims, AAAI 2006 (FairPairs), with one pair at most.
    """
    k = min(k, count)
    order, chances = np.arange(k), np.ones(k)
    if k >= 2 and positions > 0:
        beside = np.full(k, 2.0)
        beside[[0, -1]] = 1.0
        chances -= positions * beside / (k - 1)
        if generator.random() < positions:
            first = int(generator.integers(k - 1))
            order[[first, first + 1]] = order[[first + 1, first]]
            chances[[first, first + 1]] = positions / (k - 1)
    tail = math.ceil(TAIL * k)
    for turn, place in enumerate(range(k - tail, k) if items > 0 else ()):
        pool = np.arange(k + turn, count, tail)
        if len(pool) == 0:
            continue
        if generator.random() < items:
            order[place], chances[place] = generator.choice(pool), items / len(pool)
        else:
            chances[place] *= 1.0 - items
    return order, chances
