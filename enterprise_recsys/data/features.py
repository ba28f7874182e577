"""A feature is declared once: inferred from a column, fitted, and frozen into the artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.choice import pick
from enterprise_recsys.records import Columns, Doubles, Ints

Owner = Literal["user", "item", "context", "statistic"]

_MICROSECONDS_PER_DAY = 86_400_000_000
_MULTI_VALUE_WIDTH = 8


@dataclass(frozen=True)
class Feature:
    """One fitted feature: how a column becomes numbers.

    Attributes:
        name: the column's name.
        owner: whose property it is: user and item features are static, context belongs to the request, a statistic
            moves with every event.
        kind: a name in FEATURES.
        values: category, multi_value: the known values; value i has row i + 1, and row 0 is unseen or missing.
        mean, std: number, time: of the values the feature was fitted on, after the logarithm if `log`.
        log: number: log1p is taken first (counts).
        width: multi_value: values kept per cell, the first ones.
    """

    name: str
    owner: Owner
    kind: str
    values: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    log: bool = False
    width: int = 1

    @property
    def size(self) -> int:
        """Rows of the embedding table of a category or multi_value, row 0 included."""
        return len(self.values) + 1

    def encode(self, column: pl.Series) -> NDArray[np.generic]:
        """The column as an array [R] or [R, width]; see FEATURES."""
        return pick(FEATURES, self.kind, what="feature kind").encode(self, column)

    def encode_one(self, value: object) -> NDArray[np.generic]:
        """One request's value as an array [1] or [1, width]; a value of the wrong type counts as missing."""
        try:
            column = pl.Series(self.name, [value], strict=False)
        except (TypeError, pl.exceptions.PolarsError):
            column = pl.Series(self.name, [None])
        return self.encode(pl.Series(self.name, [None]) if column.dtype == pl.Object else column)

    def scale(self, values: Doubles) -> NDArray[np.float32]:
        """Numbers [R] centred and scaled; a missing one (NaN) becomes 0, the mean."""
        values = np.log1p(np.maximum(values, 0.0)) if self.log else values
        return np.nan_to_num((values - self.mean) / self.std, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)

    def to_json(self) -> dict[str, object]:
        """Plain values, for the artifact."""
        return {**asdict(self), "values": list(self.values)}

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> Feature:
        """The inverse of `to_json`."""
        return cls(**{**fields, "values": tuple(fields["values"])})  # type: ignore[arg-type]


def _tokens(column: pl.Series) -> pl.Series:
    return column.cast(pl.String, strict=False)


def _fit_category(name: str, owner: Owner, column: pl.Series) -> Feature:
    return Feature(name, owner, "category", tuple(_tokens(column).drop_nulls().unique().sort().to_list()))


def _encode_category(feature: Feature, column: pl.Series) -> Ints:
    rows = dict(zip(feature.values, range(1, feature.size), strict=True))
    return np.fromiter((rows.get(value, 0) for value in _tokens(column)), dtype=np.int64, count=len(column))


def fit_number(name: str, owner: Owner, values: Doubles, *, log: bool = False) -> Feature:
    """A numerical feature scaled to mean 0 and deviation 1 on these values [R]; NaN is left out."""
    values = values[np.isfinite(values)]
    values = np.log1p(np.maximum(values, 0.0)) if log else values
    mean, std = (float(values.mean()), float(values.std())) if len(values) else (0.0, 1.0)
    return Feature(name, owner, "number", mean=mean, std=std if std > 1e-9 else 1.0, log=log)


def _numbers(column: pl.Series) -> Doubles:
    return column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)


def _fit_number(name: str, owner: Owner, column: pl.Series) -> Feature:
    return fit_number(name, owner, _numbers(column))


def _encode_number(feature: Feature, column: pl.Series) -> NDArray[np.float32]:
    return feature.scale(_numbers(column))


def _days(column: pl.Series) -> Doubles:
    if not column.dtype.is_temporal():
        return np.full(len(column), np.nan)
    micros = column.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.asarray(micros / _MICROSECONDS_PER_DAY, dtype=np.float64)


def _fit_time(name: str, owner: Owner, column: pl.Series) -> Feature:
    fitted = fit_number(name, owner, _days(column))
    return Feature(name, owner, "time", mean=fitted.mean, std=fitted.std)


def _encode_time(feature: Feature, column: pl.Series) -> NDArray[np.float32]:
    return feature.scale(_days(column))


def _lists(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String), strict=False)
    return _tokens(column).str.split("|") if column.dtype == pl.String else pl.Series(column.name, [None] * len(column))


def _fit_multi_value(name: str, owner: Owner, column: pl.Series) -> Feature:
    lists = _lists(column)
    values = lists.explode(empty_as_null=True).drop_nulls().unique().sort().to_list()
    longest = lists.list.len().max()
    width = min(int(longest) if isinstance(longest, int) else 1, _MULTI_VALUE_WIDTH)
    return Feature(name, owner, "multi_value", tuple(values), width=max(width, 1))


def _encode_multi_value(feature: Feature, column: pl.Series) -> Ints:
    rows = dict(zip(feature.values, range(1, feature.size), strict=True))
    out = np.zeros((len(column), feature.width), dtype=np.int64)
    for place, cell in enumerate(_lists(column).to_list()):
        known = [rows[value] for value in cell or () if value in rows][: feature.width]
        out[place, : len(known)] = known
    return out


@dataclass(frozen=True)
class Kind:
    """How a kind of feature is fitted to a column and how it encodes one."""

    fit: Callable[[str, Owner, pl.Series], Feature]
    encode: Callable[[Feature, pl.Series], NDArray[np.generic]]


def fitted(owner: Owner, table: pl.DataFrame, kinds: Mapping[str, str]) -> list[Feature]:
    """Fit one feature for each column of a kind in FEATURES, in the order of the kinds.

    Args:
        owner: of the columns.
        table: holds them.
        kinds: column -> kind, see `Schema.kinds`; a kind that is not in FEATURES (`skip`) is not learnt from.
    """
    return [
        FEATURES[kind].fit(name, owner, table[name])
        for name, kind in kinds.items()
        if kind in FEATURES and table[name].null_count() < len(table)
    ]


def encode(features: list[Feature], table: pl.DataFrame) -> Columns:
    """Encode the columns of a table; a feature that the table lacks counts as missing in each row."""
    out: Columns = {}
    for feature in features:
        column = table[feature.name] if feature.name in table.columns else pl.Series(feature.name, [None] * len(table))
        out[feature.name] = feature.encode(column)
    return out


def time_columns(times: Ints) -> Columns:
    """Hour (1..24), day of week (1 = Monday .. 7) and weekend (1, 2) of moments in microseconds since 1970, UTC.

    Row 0 is left for "no time known", as in every category.
    """
    hours = times // 3_600_000_000
    weekday = (hours // 24 + 3) % 7  # 1970-01-01 was a Thursday
    return {"hour": hours % 24 + 1, "day_of_week": weekday + 1, "is_weekend": (weekday >= 5).astype(np.int64) + 1}


TIME_SIZES = {"hour": 25, "day_of_week": 8, "is_weekend": 3}

FEATURES: dict[str, Kind] = {
    "category": Kind(_fit_category, _encode_category),
    "number": Kind(_fit_number, _encode_number),
    "multi_value": Kind(_fit_multi_value, _encode_multi_value),
    "time": Kind(_fit_time, _encode_time),
}
