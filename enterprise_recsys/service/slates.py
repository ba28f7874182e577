"""Pages: which items one answer may show, what of them is shown, and its line in the slate log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from enterprise_recsys.answers import Recommendations
from enterprise_recsys.service.cursors import opened, sealed
from enterprise_recsys.service.exploring import depth, explore
from enterprise_recsys.service.living import Living
from enterprise_recsys.state.interface import Slate

SERVED_S = 1_800
"""Seconds that an item counts as just shown to a user (`exclude_served`)."""


@dataclass(frozen=True)
class Shown:
    """An answer that is in the slate log.

    Attributes:
        recommendation_id: its name, for the events that follow it.
        items: what is shown, `rank` counted on from the pages before, each with its `sources` and `propensity`.
        next_cursor: for the page after it; None where the list ends.
    """

    recommendation_id: str
    items: list[dict[str, object]]
    next_cursor: str | None


class Page:
    """One page of a list.

    Args:
        living: store, secret and dials.
        user_id: None = nobody is named.
        k: items of the page.
        surface: where it is shown; each has a memory and a log of its own.
        cursor: of the page before; None = the first page.
        exclude_served: leave out what the user was shown on this surface in the last SERVED_S.
        route: what is counted; a surface is the client's word, of which there may be any number.

    Raises:
        ConfigError: the cursor is damaged, or was given for another user or surface.
    """

    def __init__(
        self,
        living: Living,
        user_id: str | None,
        k: int,
        surface: str,
        *,
        cursor: str | None = None,
        exclude_served: bool = False,
        route: str = "recommend",
    ) -> None:
        self._route = route
        self._living, self._user_id, self._k, self._surface = living, user_id, k, surface
        self._before = opened(cursor, user_id, surface, living.store.secret) if cursor is not None else []
        self.exclude = list(self._before)
        if exclude_served and user_id is not None:
            self.exclude += living.served(user_id, surface, time.time_ns() // 1000 - SERVED_S * 1_000_000)
        self.depth = depth(k, living.keeping.explore_items)

    def shown(self, found: Recommendations) -> Shown:
        """Explore a little, cut to the page, and log it.

        Args:
            found: `depth` items without those of `exclude`, best first.
        """
        keeping = self._living.keeping
        if keeping.explore_items or keeping.explore_positions:
            order, chances = explore(
                len(found),
                self._k,
                self._living.generator,
                items=keeping.explore_items,
                positions=keeping.explore_positions,
            )
            places, propensities = order.tolist(), chances.tolist()
        else:
            places = list(range(min(self._k, len(found))))
            propensities = [1.0] * len(places)
        first = len(self._before) + 1
        items = [
            {**found[place], "rank": first + position, "sources": found.sources[place], "propensity": propensity}
            for position, (place, propensity) in enumerate(zip(places, propensities, strict=True))
        ]
        ids = [str(item["item_id"]) for item in items]
        name = secrets.token_hex(12)
        self._living.log(self._slate(name, found, first, ids, items, propensities, places))
        is_last = len(ids) < self._k
        self._living.metrics.answered(self._route, found.fallback_level, found.took_ms, is_short=is_last)
        secret = self._living.store.secret
        cursor = None if is_last else sealed([*self._before, *ids], self._user_id, self._surface, secret)
        return Shown(name, items, cursor)

    def _slate(
        self,
        name: str,
        found: Recommendations,
        first: int,
        ids: Sequence[str],
        items: Sequence[dict[str, object]],
        propensities: Sequence[float],
        places: Sequence[int],
    ) -> Slate:
        return Slate(
            name,
            self._user_id,
            self._surface,
            time.time_ns() // 1000,
            found.model_version,
            found.fallback_level,
            first,
            tuple(ids),
            tuple(cast(float, item["score"]) for item in items),
            tuple(propensities),
            tuple(",".join(found.sources[place]) for place in places),
        )
