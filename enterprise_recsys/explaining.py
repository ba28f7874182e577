"""Explaining: why an item stands in a list, or what kept it out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from enterprise_recsys.answers import check_k
from enterprise_recsys.asking import Asked
from enterprise_recsys.engine.gathering import SOURCES
from enterprise_recsys.engine.trace import Trace
from enterprise_recsys.questions import POPULAR, Question
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Ints
from enterprise_recsys.wishes import widened

STATUSES = (
    "shown",
    "unknown",
    "deleted",
    "excluded",
    "seen",
    "filtered",
    "ruled_out",
    "not_a_candidate",
    "outranked",
)
"""In the order that they are looked for, `shown` apart: the first that holds is the reason."""


@dataclass(frozen=True)
class Explanation:
    """Where an item stands in what a user would be answered now.

    Attributes:
        item_id: outside id.
        status: a name in STATUSES.
        sentence: the status in words.
        fallback_level: of the answer, see `Recommendations`.
        model_version: of the artifact.
        rank: place in the list; None = not in it.
        sources: what brought it among the candidates; empty = nothing did.
        nearest: its place among all items by the towers' likeness to the user; None where nothing personal is known.
        ranked: its place among the candidates by score, before rules and diversity; None = no candidate.
        score, needed: its score, and the score of the list's last item.
        reasons: rules, diversity and pins that moved it.
    """

    item_id: str
    status: str
    sentence: str
    fallback_level: int
    model_version: str
    rank: int | None = None
    sources: list[str] = field(default_factory=list)
    nearest: int | None = None
    ranked: int | None = None
    score: float | None = None
    needed: float | None = None
    reasons: list[str] = field(default_factory=list)


def explain(recommender: Recommender, asked: Asked, item_id: str, k: int = 10) -> Explanation:
    """Why an item is in the list of k that a request gives, or why it is not.

    Raises:
        ConfigError: k < 1, a wrong filter, or a rule that there is not.
    """
    check_k(k)
    question = recommender.question(asked)
    row = recommender.engine.processor.items.row(item_id)
    status, sentence = _kept_out(recommender, question, row, asked.filter, item_id in set(asked.exclude))
    if status in ("unknown", "deleted"):
        return Explanation(item_id, status, sentence, question.level, recommender.model_version)
    place = _Place(recommender, question, row, k)
    if not status:
        status, sentence = place.status()
    return Explanation(
        item_id,
        status,
        sentence,
        question.level,
        recommender.model_version,
        place.rank,
        place.sources,
        place.nearest(),
        place.ranked,
        place.score,
        place.needed,
        place.reasons,
    )


def _kept_out(
    recommender: Recommender, question: Question, row: int, filter: str | None, excluded: bool
) -> tuple[str, str]:
    """What keeps an item out before anything is scored; empty texts = nothing does."""
    request, shape = question.request, question.wish.shape
    if row == 0:
        return "unknown", "The catalogue does not hold this item."
    if not recommender.finder.holds(np.array([row]))[0]:
        return "deleted", "The item was taken out of the catalogue; put it again to show it."
    if excluded:
        return "excluded", "The request excludes the item."
    if row in request.seen:
        return "seen", "The user has had the item, and exclude_seen leaves out such."
    if filter is not None and not recommender.wishes.filters.mask(filter)[row]:
        return "filtered", "The request's filter does not let the item through."
    for effect in shape.effects:
        if effect.allowed is not None and not effect.allowed(shape.moment)[row]:
            return "ruled_out", f"The rule {effect.name!r} does not let the item through."
    return "", ""


class _Place:
    """Where an item stands among the candidates and in the list.

    Args:
        recommender: what answers.
        question: the request.
        row: of the item, from 1 on.
        k: length of the list.
    """

    def __init__(self, recommender: Recommender, question: Question, row: int, k: int) -> None:
        self._engine, self._question, self._row = recommender.engine, question, row
        trace, vectors, shape = Trace(), recommender.engine.directions, question.wish.shape
        find = question.find(recommender.finder, k, trace)
        request = question.request
        pool = widened(request, k, question.wish, find, vectors, find(request, question.wish))
        listed = shape.shown(pool, vectors, k)
        self.rank, self.ranked = _place(listed.rows[0], row), _place(pool.rows[0], row)
        self.score = None if self.ranked is None else float(pool.scores[0, self.ranked - 1])
        held = listed.scores[0][listed.rows[0] > 0]
        self.needed = float(held[-1]) if len(held) else None
        self.reasons = list(shape.reasons(pool, vectors, k).get(row, ()))
        self._count = int((pool.rows > 0).sum())
        self.sources: list[str] = []
        if self.ranked is not None:
            self.sources = trace.sources(np.array([row]))[0]

    def status(self) -> tuple[str, str]:
        """Shown, or why not, where nothing forbids the item."""
        if self.rank is not None:
            return "shown", f"The item stands at place {self.rank}."
        if self.ranked is None:
            asked = "what is taken most" if self._question.level == POPULAR else ", ".join(SOURCES)
            return "not_a_candidate", f"None of the sources ({asked}) gives the item for this user."
        is_plain = self._question.wish.shape.is_plain
        moved = "" if is_plain else "; rules, caps or diversity may put others before it"
        return "outranked", f"By its score the item is number {self.ranked} of {self._count} candidates{moved}."

    def nearest(self) -> int | None:
        """The item's place among all by the towers' likeness; a pass over the catalogue."""
        if self._question.level == POPULAR:
            return None
        request = self._question.request
        likeness = self._engine.vectors[1:] @ self._engine.encoder.encode(request.query, request.history)[0]
        return int((likeness > likeness[self._row - 1]).sum()) + 1


def _place(rows: Ints, row: int) -> int | None:
    """The place of a row, from 1; None = it is not there."""
    found = np.flatnonzero(rows == row)
    return int(found[0]) + 1 if len(found) else None
