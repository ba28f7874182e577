"""RULES: a rule of the config becomes an effect on lists: what is allowed, scores, places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from enterprise_recsys.choice import pick
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Bools, Doubles, Ints
from enterprise_recsys.reranking.placing import Limit, codes_of
from enterprise_recsys.rules import Boost, Cap, Decay, Only, Pin, Rule, Window

_MICROSECONDS_PER_DAY = 86_400_000_000


class Fields(Protocol):
    """What rules ask about the items; `engine.filters.Filters` with the catalogue's vocabulary can tell."""

    def mask(self, text: str) -> Bools:
        """[I] the items that a filter lets through; ConfigError if it is wrong."""
        ...

    def values(self, field: str) -> pl.Series:
        """[I-1] a field's values, row 1 first; ConfigError if there is no such field."""
        ...

    def rows(self, ids: Iterable[str]) -> Ints:
        """Item rows of outside ids; 0 for those unknown."""
        ...


@dataclass(frozen=True)
class Effect:
    """A rule made ready for one catalogue; what it does not touch is None or empty.

    Attributes:
        name: of the rule.
        allowed: moment in microseconds -> [I] the items that may be in the list.
        factor: moment -> [I] what scores are multiplied by.
        plus: [I] what is then added.
        limit: a cap.
        pins: place -> item row.
    """

    name: str
    allowed: Callable[[int], Bools] | None = None
    factor: Callable[[int], Doubles] | None = None
    plus: Doubles | None = None
    limit: Limit | None = None
    pins: tuple[tuple[int, int], ...] = ()


def ready(rule: Rule, fields: Fields) -> Effect:
    """Look up what a rule needs of the catalogue.

    Raises:
        ConfigError: a filter is wrong, a field is unknown or of the wrong type; the message names the rule.
    """
    try:
        return pick(RULES, rule.kind, what="kind")(rule, fields)
    except ConfigError as error:
        raise ConfigError(f"rule {rule.name!r}: {error}") from None


def _only(rule: Only, fields: Fields) -> Effect:
    mask = fields.mask(rule.filter)
    return Effect(rule.name, allowed=lambda moment: mask)


def _window(rule: Window, fields: Fields) -> Effect:
    times, span = _times(rule.field, fields), rule.days * _MICROSECONDS_PER_DAY
    return Effect(rule.name, allowed=lambda moment: times >= moment - span)  # false for NaN


def _pin(rule: Pin, fields: Fields) -> Effect:
    rows = fields.rows(rule.items).tolist()
    return Effect(rule.name, pins=tuple((rule.place + at, row) for at, row in enumerate(row for row in rows if row)))


def _boost(rule: Boost, fields: Fields) -> Effect:
    mask = fields.mask(rule.filter)
    factor = np.where(mask, rule.factor, 1.0)
    return Effect(rule.name, factor=lambda moment: factor, plus=np.where(mask, rule.plus, 0.0))


def _decay(rule: Decay, fields: Fields) -> Effect:
    times = _times(rule.field, fields)

    def factor(moment: int) -> Doubles:
        days = np.maximum(moment - times, 0.0) / _MICROSECONDS_PER_DAY
        left = np.exp2(-np.nan_to_num(days, nan=np.inf) / rule.half_life_days)
        return rule.least + (1.0 - rule.least) * left

    return Effect(rule.name, factor=factor, plus=None)


def _cap(rule: Cap, fields: Fields) -> Effect:
    return Effect(rule.name, limit=Limit(codes_of(fields.values(rule.field)), rule.most))


def _times(field: str, fields: Fields) -> Doubles:
    column = fields.values(field)
    if not column.dtype.is_temporal():
        raise ConfigError(f"field {field!r} holds {column.dtype}; a field with times (Date, Datetime) was expected.")
    micros = column.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.concatenate([[np.nan], micros])


# Each function takes the model of its own kind; the discriminator of `Rule` has seen to it.
RULES: dict[str, Callable[..., Effect]] = {
    "only": _only,
    "pin": _pin,
    "boost": _boost,
    "cap": _cap,
    "window": _window,
    "decay": _decay,
}
