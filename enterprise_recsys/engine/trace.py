"""Trace: what one answer remembers of its making: how long each stage took, and which candidates there were."""

from __future__ import annotations

import time

from enterprise_recsys.engine.gathering import SOURCES, Candidates
from enterprise_recsys.records import Ints

STAGES = ("features", "retrieve", "rank", "rules", "reasons", "answer")
"""In their order: the request's features, its candidates, their scores, rules and diversity, why (where that is asked),
ids and fields."""


class Trace:
    """One answer's stages; the clock runs from when it is made.

    Args:
        origin: source of all items where no candidates are gathered.

    Attributes:
        seconds: stage -> time spent in it.
        candidates: of the first search; None where there was none.
    """

    def __init__(self, origin: str = "popular") -> None:
        self._origin = origin
        self.seconds: dict[str, float] = {}
        self.candidates: Candidates | None = None
        self._begun = self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for a stage."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def took_ms(self) -> dict[str, float]:
        """Milliseconds of each stage and of all, to the microsecond."""
        told = {stage: round(1000 * spent, 3) for stage, spent in self.seconds.items()}
        return {**told, "total": round(1000 * (time.perf_counter() - self._begun), 3)}

    def found(self, candidates: Candidates) -> None:
        """Keep the candidates of the first search."""
        self.candidates = candidates if self.candidates is None else self.candidates

    def sources(self, rows: Ints) -> list[list[str]]:
        """Of item rows [R], the source that gave each first; empty for one that a rule or the request brought in."""
        if self.candidates is None:
            return [[self._origin] for _ in rows]
        given, tags = self.candidates.rows[0], self.candidates.sources[0]
        is_given = rows[:, None] == given
        places = is_given.argmax(axis=1)
        found = zip(is_given.any(axis=1).tolist(), tags[places].tolist(), strict=True)
        return [[SOURCES[tag]] if is_known else [] for is_known, tag in found]
