"""Scored candidates become the list that is shown: rules on scores, diversity, places; and what moved each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.records import Bools, Floats, Ints, Ranked
from enterprise_recsys.reranking.diversity import DIVERSIFIERS, taken
from enterprise_recsys.reranking.placing import Limit, Places, placed, used_up
from enterprise_recsys.reranking.rules import Effect


@dataclass(frozen=True)
class Shape:
    """What a list is to look like.

    Attributes:
        effects: the rules that hold, in the order of the config.
        included: item rows that must be in the list.
        diversity: 0..1, see `diversity.mmr`.
        moment: microseconds since 1970 UTC, for rules about age.
    """

    effects: Sequence[Effect] = ()
    included: Sequence[int] = ()
    diversity: float = 0.0
    moment: int = 0

    @property
    def limits(self) -> list[Limit]:
        """The caps."""
        return [effect.limit for effect in self.effects if effect.limit is not None]

    @property
    def brought(self) -> list[int]:
        """Item rows that must be scored though the search may not have found them."""
        pinned = [row for effect in self.effects for _, row in effect.pins]
        return list(dict.fromkeys([*pinned, *self.included]))

    @property
    def is_plain(self) -> bool:
        """Whether the first k candidates are the list."""
        reorders = any(effect.factor or effect.limit or effect.pins for effect in self.effects)
        return not (reorders or self.included or self.diversity > 0.0)

    def places(self) -> Places:
        """Caps, pins (of two for one place the earlier rule's) and what is included."""
        pins: dict[int, int] = {}
        for effect in self.effects:
            for place, row in effect.pins:
                if row not in pins.values():
                    pins[_free(place, pins)] = row
        return Places(self.limits, pins, self.included)

    def allowed(self, mask: Bools | None) -> Bools | None:
        """[I] the items that the filter of the request and the rules let through; None = all."""
        for effect in self.effects:
            if effect.allowed is not None:
                own = effect.allowed(self.moment)
                mask = own if mask is None else mask & own
        return mask

    def shown(self, ranked: Ranked, vectors: Floats, k: int) -> Ranked:
        """The lists [B, k] from candidates [B, K], which are scored and in order."""
        steps = self._steps(ranked, vectors, k)
        return placed(steps[-1][1] if steps else ranked, self.places(), k)

    def reasons(self, ranked: Ranked, vectors: Floats, k: int) -> dict[int, list[str]]:
        """Item row -> which rules moved it from where to where, for a single list [1, K]."""
        told: dict[int, list[str]] = {}
        before = ranked
        steps = self._steps(ranked, vectors, k)
        if self.limits:
            caps = ", ".join(effect.name for effect in self.effects if effect.limit is not None)
            steps.append((caps, placed(steps[-1][1] if steps else ranked, Places(self.limits), k)))
        for name, after in steps:
            for row, line in _moves(before, after, name).items():
                told.setdefault(row, []).append(line)
            before = after
        pinned = {row: effect.name for effect in self.effects for _, row in effect.pins}
        for row in self.shown(ranked, vectors, k).rows[0].tolist():
            if row in pinned:
                told[row] = [*told.get(row, []), f"{pinned[row]}: pinned"]
            elif row in self.included:
                told[row] = [*told.get(row, []), "include: asked for"]
        return told

    def short_of(self, listed: Ranked, n_items: int) -> Bools | None:
        """[I] what may still join a single list that a cap has left with empty places; None if it is full."""
        if not self.limits or listed.rows.all():
            return None
        return ~used_up(listed.rows[0], self.limits, n_items)

    def _steps(self, ranked: Ranked, vectors: Floats, k: int) -> list[tuple[str, Ranked]]:
        """The candidates after each rule about scores and after diversity, by name."""
        steps = []
        for effect in self.effects:
            if effect.factor is not None:
                ranked = _scored(ranked, effect, self.moment)
                steps.append((effect.name, ranked))
        if self.diversity > 0.0:
            # Caps pass over some of the places, and more must have been chosen for the list to stay diverse.
            ranked = DIVERSIFIERS["mmr"](ranked, vectors, 2 * k if self.limits else k, self.diversity)
            steps.append(("diversity", ranked))
        return steps


def _free(place: int, pins: dict[int, int]) -> int:
    while place in pins:
        place += 1
    return place


def _scored(ranked: Ranked, effect: Effect, moment: int) -> Ranked:
    assert effect.factor is not None
    scores = np.where(ranked.rows > 0, ranked.scores, 0.0) * effect.factor(moment)[ranked.rows]
    if effect.plus is not None:
        scores = scores + effect.plus[ranked.rows]
    changed: Floats = np.where(ranked.rows > 0, scores, -np.inf).astype(np.float32)
    return taken(Ranked(ranked.rows, changed), best_first(ranked.rows, changed))


def best_first(rows: Ints, scores: Floats) -> Ints:
    """[B, K] the order of falling scores; ties in the order of rows, empty places last."""
    return np.lexsort((rows, -scores), axis=1)


def _moves(before: Ranked, after: Ranked, name: str) -> dict[int, str]:
    """What changed for the items of the first list: `name: from place 7 to 2`."""
    was = {row: place for place, row in enumerate(before.rows[0].tolist(), start=1) if row}
    now = {row: place for place, row in enumerate(after.rows[0].tolist(), start=1) if row}
    return {row: f"{name}: from place {was[row]} to {place}" for row, place in now.items() if was[row] != place}
