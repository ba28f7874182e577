"""Columns that know too much: statistics with the future in them, and features that are the label by another name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.data.aggregates import Statistics, statistics_of
from enterprise_recsys.data.past import of_past
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.evaluation.predictions import area_under_curve
from enterprise_recsys.records import (
    AGGREGATE_COLUMNS,
    ITEM_ID,
    OPTIONAL,
    RATING,
    REQUIRED,
    SESSION_ID,
    TIMESTAMP,
    USER_ID,
    Bools,
    Doubles,
    Interactions,
)

TELLING = 20
"""Rows that must tell a leak from chance, at least."""
ALIKE = 0.99
"""Share of the telling rows that must agree, and the AUC from which a column is the label itself."""
CATEGORIES = 50
"""A column of strings with more different values than this is not tried as a feature that gives the label away."""


@dataclass(frozen=True)
class Finding:
    """One leak.

    Attributes:
        kind: name of the guard that found it.
        where: the part, or two parts, such as "train and test".
        what: the column or the ids that are concerned.
        count: rows or ids concerned.
        message: what is wrong, what was got, what would be right.
    """

    kind: str
    where: str
    what: str
    count: int
    message: str

    def __str__(self) -> str:
        return f"[{self.kind}] {self.where}: {self.message}"


@dataclass(frozen=True)
class Case:
    """What the guards look at.

    Attributes:
        parts: name -> events [R] with canonical columns and every feature column, static ones joined, in source order;
            the parts in the order of learning: train, val, test.
        logs: the same parts as Interactions.
        processor: fitted, or None.
        fitted_on: parts that the processor may know.
        by_time: whether the parts should follow each other in time.
        positive_rating: ratings from this on are positive; None: from the median on.
    """

    parts: dict[str, pl.DataFrame]
    logs: dict[str, Interactions]
    processor: DataProcessor | None
    fitted_on: tuple[str, ...]
    by_time: bool
    positive_rating: float | None

    def upto(self, name: str) -> list[str]:
        """The names of the parts up to and with one."""
        names = list(self.parts)
        return names[: names.index(name) + 1]


def future(case: Case) -> Iterator[Finding]:
    """Statistics that are not those of the past: reserved columns against a recomputation, any other by its likeness.

    A column of `AGGREGATE_COLUMNS` must equal what the events strictly before each row give. Another number is a leak
    if it equals the count, mean or deviation (with or without the row itself) of the row's user, item or session over
    a whole part or log that the row lies in, in rows where the past gives something else.
    """
    for name, frame in case.parts.items():
        yield from _not_of_the_past(case, name, frame)
        others = [column for column in _features(frame) if frame[column].dtype.is_numeric()]
        others = [column for column in others if column not in AGGREGATE_COLUMNS and frame[column].n_unique() > 1]
        if others:
            yield from _whole_log(case, name, frame, others)


def _not_of_the_past(case: Case, name: str, frame: pl.DataFrame) -> Iterator[Finding]:
    told = [column for column in AGGREGATE_COLUMNS if column in frame.columns]
    if not told:
        return
    known = _known(case, case.upto(name))
    of_past = statistics_of(_past(known, USER_ID, len(frame)), _past(known, ITEM_ID, len(frame)))
    for column in told:
        got = _numbers(frame[column])
        wrong = ~_same(got, of_past[column])
        if wrong.any():
            row, rows = int(wrong.argmax()), int(wrong.sum())
            message = (
                f"column {column!r} is not what the past gives in {rows:,} of {len(frame):,} rows; "
                f"{_row(frame, row)} has {got[row]:g}, the events before it give {of_past[column][row]:g}. "
                "Recompute it as of each event (DataProcessor.transform with past=), from this split's events."
            )
            yield Finding("future", name, column, rows, message)


def _whole_log(case: Case, name: str, frame: pl.DataFrame, columns: list[str]) -> Iterator[Finding]:
    """Numbers that equal a group's statistic over events that include the row itself or its future."""
    upto, everything, found = case.upto(name), list(case.parts), set[str]()
    known = _known(case, upto)
    for key in (USER_ID, ITEM_ID, SESSION_ID):
        if any(key not in part.columns for part in case.parts.values()):
            continue
        past = _past(known, key, len(frame))
        for over in dict.fromkeys((tuple(everything), tuple(upto), (name,))):
            for what, values, then in _group_statistics(_known(case, list(over)), frame, key, past):
                telling = ~_same(values, then) & ~np.isnan(values)
                for column in columns:
                    alike = _same(_numbers(frame[column]), values) & telling
                    if column in found or not TELLING <= telling.sum() * ALIKE <= alike.sum():
                        continue
                    found.add(column)
                    message = (
                        f"column {column!r} is the {what} of each {key} over {' + '.join(over)} in {alike.sum():,} of "
                        f"{telling.sum():,} rows where the past gives something else; "
                        f"{_row(frame, int(alike.argmax()))}. It holds the row's own label or its future: take the "
                        "events strictly before each row."
                    )
                    yield Finding("future", name, column, int(alike.sum()), message)


def _group_statistics(
    log: pl.DataFrame, frame: pl.DataFrame, key: str, past: Statistics
) -> Iterator[tuple[str, Doubles, Doubles]]:
    """(what, value of each row's group, value from the past) for count, mean and deviation."""
    sums = log.group_by(key).agg(
        pl.len().alias("count"),
        pl.col(RATING).count().alias("rated"),
        pl.col(RATING).sum().alias("total"),
        pl.col(RATING).std(ddof=0).alias("std"),
    )
    joined = frame.select(key, own=_rating(frame)).join(sums, on=key, how="left", maintain_order="left")
    count, rated, total, std, own = (_numbers(joined[column]) for column in ("count", "rated", "total", "std", "own"))
    known, mean, deviation = (one.astype(np.float64) for one in (past.count, past.mean, past.std))
    yield "count", count, known
    yield "count of other events", count - 1.0, known
    with np.errstate(invalid="ignore", divide="ignore"):
        yield "mean rating", np.where(rated > 0, total / rated, np.nan), mean
        yield "mean rating of other events", np.where(rated > 1, (total - own) / (rated - 1.0), np.nan), mean
    yield "deviation of ratings", std, deviation


def giveaway(case: Case) -> Iterator[Finding]:
    """Features that give the label away: copies of the rating, and columns that alone order the rows by it.

    Tried are numbers, yes-or-no columns, strings of few values (by the mean label of each), and whether a column is
    missing at all. A column with an AUC over 0.99 either way is one.
    """
    for name, frame in case.parts.items():
        ratings = _numbers(frame.select(own=_rating(frame))["own"])
        rated = ~np.isnan(ratings)
        if rated.sum() < TELLING:
            continue
        labels = _labels(ratings[rated], case.positive_rating)
        if not TELLING / 2 <= labels.sum() <= len(labels) - TELLING / 2:
            continue
        for column in _features(frame):
            for how, values in _readings(frame[column].filter(pl.Series(rated)), labels):
                reach = area_under_curve(labels, values)
                if max(reach, 1.0 - reach) <= ALIKE:
                    continue
                copy = bool(_same(values, ratings[rated]).mean() >= ALIKE)
                told = "is a copy of the rating" if copy else f"{how} tells the label (AUC {reach:.4f})"
                message = (
                    f"column {column!r} {told} in {rated.sum():,} rated rows; {_row(frame, int(rated.argmax()))}. "
                    "It is not known before the event: leave it out of the features."
                )
                yield Finding("giveaway", name, column, int(rated.sum()), message)
                break


def _labels(ratings: Doubles, positive_rating: float | None) -> Doubles:
    cut = float(np.median(ratings)) if positive_rating is None else positive_rating
    positive = ratings >= cut
    return np.asarray(positive if not positive.all() else ratings > cut, np.float64)


def _readings(column: pl.Series, labels: Doubles) -> Iterator[tuple[str, Doubles]]:
    """The ways in which one column may be read as a number without a gap, each with its words."""
    missing = column.is_null().to_numpy()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values = _numbers(column)
        missing = missing | np.isnan(values)
        yield "alone", np.where(missing, np.nanmean(values) if not missing.all() else 0.0, values)
    elif column.dtype == pl.String and column.n_unique() <= min(CATEGORIES, len(column) / TELLING):
        frame = pl.DataFrame({"value": column, "label": labels})
        yield "alone", _numbers(frame.select(pl.col("label").mean().over("value"))["label"])
    if missing.any():
        yield "by being missing", missing.astype(np.float64)


def _features(frame: pl.DataFrame) -> list[str]:
    return [column for column in frame.columns if column not in REQUIRED + OPTIONAL]


def _rating(frame: pl.DataFrame) -> pl.Expr:
    return pl.col(RATING) if RATING in frame.columns else pl.lit(None, dtype=pl.Float64)


def _known(case: Case, names: list[str]) -> pl.DataFrame:
    """The events of some parts, one after the other."""
    frames = [case.parts[name] for name in names]
    return pl.concat(
        [
            frame.select(
                *REQUIRED,
                _rating(frame).alias(RATING),
                (pl.col(SESSION_ID) if SESSION_ID in frame.columns else pl.lit(None, pl.String)).alias(SESSION_ID),
            )
            for frame in frames
        ]
    )


def _past(known: pl.DataFrame, key: str, last: int) -> Statistics:
    """The statistics of a key as of each of the last rows, from the events strictly before each."""
    times = known[TIMESTAMP].to_physical().to_numpy().astype(np.int64)
    rows = Vocabulary.of(known[key]).rows(known[key])
    ratings = _numbers(known[RATING]).astype(np.float32)
    return of_past(rows, times, ratings).take(slice(len(rows) - last, None))


def _numbers(column: pl.Series) -> Doubles:
    return column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)


def _same(first: Doubles, second: Doubles) -> Bools:
    """Whether numbers are equal to about five digits (ratings are kept in single precision); NaN equals NaN."""
    return np.isclose(first, second, rtol=1e-5, atol=1e-6, equal_nan=True)


def _row(frame: pl.DataFrame, row: int) -> str:
    user, item, time = frame.select(*REQUIRED).row(row)
    return f"row {row + 1} (user {user!r}, item {item!r}, {time:%Y-%m-%d %H:%M:%S})"
