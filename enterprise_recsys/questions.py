"""Question: one request for a list, in rows and columns, and how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.engine.trace import Trace
from enterprise_recsys.finding import Finder, at_least
from enterprise_recsys.wishes import Find, Wish

PERSONAL, FROM_REQUEST, POPULAR = 0, 1, 2
"""Fallback levels; see `Recommendations`."""


@dataclass(frozen=True)
class Question:
    """One request.

    Attributes:
        user_id: outside id; None = nobody.
        request: what is known, a batch of one.
        wish: what the list must hold to.
        level: how personal the answer can be.
        ignored: names of told features that the model can make nothing of.
    """

    user_id: str | None
    request: Requests
    wish: Wish
    level: int
    ignored: Sequence[str] = ()

    def find(self, finder: Finder, k: int, trace: Trace) -> Find:
        """The way to candidates for a list of k."""
        return at_least(finder.most_taken if self.level == POPULAR else finder.scored, k, trace)
