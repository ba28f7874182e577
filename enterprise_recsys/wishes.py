"""Wishes: filter, include, diversity and rules of a request, made ready, and lists that hold to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from enterprise_recsys.choice import known
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.filters import Filters
from enterprise_recsys.engine.indexes import Allowed
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Floats, Ints, Ranked
from enterprise_recsys.reranking.rules import ready
from enterprise_recsys.reranking.shaping import Shape, best_first

ROUNDS = 4
"""Further searches, at most, for a list that a cap has left with empty places."""


@dataclass(frozen=True)
class Wish:
    """What a list must hold to.

    Attributes:
        shape: rules, diversity, included items.
        allowed: the items that may be in it; None = all.
    """

    shape: Shape = field(default_factory=Shape)
    allowed: Allowed | None = None


Find = Callable[[Requests, Wish], Ranked]
"""Scored candidates [B, K], best first, of some requests, among what is allowed."""


class Wishes:
    """The config's rules and the catalogue's filters, made ready once.

    Args:
        processor: whose config and catalogue are meant.

    Raises:
        ConfigError: a rule does not fit the catalogue; the message names it.
    """

    def __init__(self, processor: DataProcessor) -> None:
        self.filters = Filters(processor.catalogue, processor.items)
        self._diversity = processor.config.diversity
        self._rules = {rule.name: (rule, ready(rule, self.filters)) for rule in processor.config.rules}

    def wish(
        self,
        moment: int,
        *,
        filter: str | None = None,
        include: Iterable[int] = (),
        diversity: float | None = None,
        rules: Sequence[str] = (),
    ) -> Wish:
        """What a request asks for, on top of the rules that always hold.

        Args:
            moment: microseconds since 1970 UTC, for rules about age.
            filter: see `engine/grammar.py`.
            include: item rows.
            diversity: 0..1; None = as the config has it.
            rules: names.

        Raises:
            ConfigError: an unknown rule, a wrong filter, a diversity out of range.
        """
        for name in rules:
            if name not in self._rules:
                there = known(self._rules, name) if self._rules else "the config has no rules"
                raise ConfigError(f"rule {name!r} is unknown; {there}.")
        if diversity is not None and not 0.0 <= diversity <= 1.0:
            raise ConfigError(f"diversity={diversity!r} is out of range; it should be from 0 to 1.")
        effects = tuple(effect for name, (rule, effect) in self._rules.items() if rule.always or name in rules)
        shape = Shape(effects, tuple(include), self._diversity if diversity is None else diversity, moment)
        asked = self.filters.allowed(filter) if filter is not None else None
        mask = shape.allowed(None if asked is None else asked.mask)
        if mask is None or (asked is not None and mask is asked.mask):
            return Wish(shape, asked)
        mask = mask.copy()
        mask[0] = False
        return Wish(shape, Allowed(mask))


def shaped(requests: Requests, k: int, wish: Wish, find: Find, vectors: Floats) -> Ranked:
    """The lists [B, k], searched again where a cap has left places empty."""
    pool = find(requests, wish)
    if wish.shape.is_plain:
        return Ranked(pool.rows[:, :k], pool.scores[:, :k])
    listed = wish.shape.shown(pool, vectors, k)
    if wish.shape.limits:
        for row in np.flatnonzero((listed.rows == 0).any(axis=1)):
            own = Ranked(pool.rows[[row]], pool.scores[[row]])
            wider = widened(only(requests, int(row)), k, wish, find, vectors, own)
            again = wish.shape.shown(wider, vectors, k)
            listed.rows[row], listed.scores[row] = again.rows[0], again.scores[0]
    return listed


def widened(request: Requests, k: int, wish: Wish, find: Find, vectors: Floats, pool: Ranked) -> Ranked:
    """One request's candidates [1, K] and further ones whose values are not used up, until its list is full."""
    for _ in range(ROUNDS):
        listed = wish.shape.shown(pool, vectors, k)
        open_rows = wish.shape.short_of(listed, len(vectors))
        if open_rows is None:
            break
        open_rows[pool.rows[0]] = False
        open_rows[0] = False
        mask = open_rows if wish.allowed is None else open_rows & wish.allowed.mask
        further = find(request, Wish(replace(wish.shape, included=(), effects=()), Allowed(mask)))
        if not further.rows.any():
            break
        rows = np.concatenate([pool.rows, further.rows], axis=1)
        scores = np.concatenate([pool.scores, further.scores], axis=1)
        order = best_first(rows, scores)
        pool = Ranked(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
    return pool


def only(requests: Requests, row: int) -> Requests:
    """One request of a batch."""
    at = slice(row, row + 1)
    seen = requests.seen[requests.offsets[row] : requests.offsets[row + 1]]
    return Requests(
        columns={name: column[at] for name, column in requests.columns.items()},
        history=requests.history[at],
        ages=requests.ages[at],
        own=requests.own[at],
        situations={name: column[at] for name, column in requests.situations.items()},
        context={name: column[at] for name, column in requests.context.items()},
        statistics=requests.statistics.take(at),
        times=requests.times[at],
        offsets=np.array([0, len(seen)]),
        seen=seen,
    )


def brought(requests: Requests, found: Ints, wish: Wish) -> Ints:
    """[B, P] the rows that must be scored beside the candidates found; 0 = found, not allowed, or seen."""
    rows = np.array(wish.shape.brought, dtype=np.int64)
    if wish.allowed is not None:
        rows = np.where(wish.allowed.mask[rows], rows, 0)
    size = len(requests.offsets) - 1
    owner = np.repeat(np.arange(size), np.diff(requests.offsets))
    out = np.repeat(rows[None, :], size, axis=0)
    for place, row in enumerate(rows):
        out[(found == row).any(axis=1), place] = 0
        out[owner[requests.seen == row], place] = 0
    return out
