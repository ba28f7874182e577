"""Asking: what a request for a list tells and wants, in the words of the outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.records import PastItem

KINDS: dict[str, tuple[type, ...]] = {
    "number": (bool, int, float),
    "category": (bool, int, float, str),
    "multi_value": (str, list, tuple),
    "text": (str,),
    "time": (str, datetime),
}
"""Kind of a feature -> what a request may tell of it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for a list; a further option is a field here, and an argument of `Recommender.recommend`.

    Attributes:
        user_id: an outside id; unknown ones are answered too (see `Recommendations.fallback_level`). None = nobody.
        history: item ids, oldest first; replaces the history on record. Unknown ids are passed over. An item may be a
            pair of its id and when it was taken; without, it counts as taken with the next one, the last one now.
        user_features: by column name, in full (`user_age`) or short (`age`); go over those on record.
        context: likewise (`device` ...).
        filter: what the items must be, such as `"price <= 15 and tags contains 'classic'"`; see `engine/grammar.py`.
        include: item ids that must be in the list, seen or not, as far as filter and exclude allow them.
        exclude: item ids to leave out.
        exclude_seen: leave out what the user has had; None = as `ModelConfig.repeats` has it.
        diversity: 0..1, see `ModelConfig.diversity`; None = as the config has it.
        rules: names in `ModelConfig.rules`.
    """

    user_id: str | None
    history: Sequence[PastItem] | None = None
    user_features: Mapping[str, object] | None = None
    context: Mapping[str, object] | None = None
    filter: str | None = None
    include: Collection[str] = ()
    exclude: Collection[str] = ()
    exclude_seen: bool | None = None
    diversity: float | None = None
    rules: Sequence[str] = ()


def taken(
    features: Mapping[str, object] | None, owner: Literal["user", "context"], processor: DataProcessor
) -> tuple[dict[str, object], list[str]]:
    """Told features by the full names of their columns, and the names of those that the model can make nothing of.

    A client may tell more than a model has learnt from, and the next model may learn from it: that is no fault, but
    one that misspells a name must be able to see it.

    Args:
        features: as in `Asked`; None = none.
        owner: whose features.
        processor: knows their names and kinds.

    Returns:
        Values by column name (None = missing), and names as they were told: unknown, told twice (in full goes before
        short), or with a value of the wrong type.
    """
    if not features:
        return {}, []
    kinds = {feature.name: feature.kind for feature in processor.of(owner)}
    found: dict[str, object] = {}
    left: list[str] = []
    for name, value in features.items():
        full = name if name in kinds else f"{owner}_{name}"
        is_second = full != name and full in features
        if full in kinds and not is_second and (value is None or isinstance(value, KINDS.get(kinds[full], object))):
            found[full] = value
        else:
            left.append(name)
    return found, left
