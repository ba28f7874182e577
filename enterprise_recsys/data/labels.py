"""What each event of a log says of the config's tasks: yes, no, a number, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from enterprise_recsys.data.having import absent_type
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import EVENT_TYPE, OPTIONAL, REQUIRED, Floats
from enterprise_recsys.tasks import Task


def labels_of(tasks: Mapping[str, Task], events: pl.DataFrame) -> dict[str, Floats]:
    """Task -> [R]: 1 if the event is of one of its types and 0 if of another, or its number; NaN: not known.

    A number is the log(1 + value) of a task with `is_log`. A column that the log lacks says nothing.
    """
    return {name: _label(task, events) for name, task in tasks.items()}


def _label(task: Task, events: pl.DataFrame) -> Floats:
    name = task.column or EVENT_TYPE
    if name not in events.columns:
        return np.full(len(events), np.nan, dtype=np.float32)
    column = events[name]
    told = column.is_in(list(task.event_types)) if task.is_chance else column
    values = told.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if not task.is_chance:
        values = np.where(np.isfinite(values), values, np.nan)
        values = np.log1p(np.where(values < 0, np.nan, values)) if task.is_log else values
    return values.astype(np.float32)


def check_labels(tasks: Mapping[str, Task], events: pl.DataFrame, kinds: Mapping[str, str] | None = None) -> None:
    """Refuse a log that cannot teach the tasks.

    Args:
        tasks: of the config.
        events: what is learnt from.
        kinds: the config's `feature_kinds`.

    Raises:
        DataError: the log lacks a column or an event type, or a column does not hold numbers that can be learnt.
        ConfigError: a column is to be learnt and a feature at once, or has a meaning of its own.
    """
    for name, task in tasks.items():
        if task.column is not None:
            if task.column in REQUIRED + OPTIONAL:
                raise ConfigError(
                    f"the task {name!r} learns the column {task.column!r}, which has a meaning of its own; it should "
                    "be another numeric column of the events, as watched seconds."
                )
            _check_column(name, task, task.column, events)
            if task.column in (kinds or {}):
                raise ConfigError(
                    f"the column {task.column!r} is what the task {name!r} learns and has a kind in feature_kinds; it "
                    "cannot be a feature, which is known before the event: leave it out there."
                )
        else:
            _check_types(name, task, events)


def _check_column(name: str, task: Task, column: str, events: pl.DataFrame) -> None:
    if column not in events.columns:
        raise DataError(
            f"the task {name!r} learns the column {column!r}, which the events do not have; they have: "
            f"{', '.join(sorted(events.columns))}."
        )
    if not events[column].dtype.is_numeric():
        raise DataError(
            f"the task {name!r} learns the column {column!r}, which is stored as {events[column].dtype}; "
            "it should hold numbers."
        )
    least = events[column].cast(pl.Float64).drop_nans().min()
    if not isinstance(least, float):
        raise DataError(f"the task {name!r} learns the column {column!r}, which is empty; it should hold some numbers.")
    if task.is_log and least < 0:
        raise DataError(
            f"the task {name!r} learns the logarithm of 1 + {column!r}, which holds {least}; it should be at least 0 "
            "everywhere, or set is_log to false."
        )


def _check_types(name: str, task: Task, events: pl.DataFrame) -> None:
    if EVENT_TYPE not in events.columns:
        raise DataError(f"the task {name!r} asks for event types and the log has no column 'event_type'; add it.")
    if absent := absent_type(task.event_types, events):
        missing, held = absent
        raise DataError(
            f"the task {name!r} asks for the event type {missing!r}, which the log does not hold; it holds: {held}."
        )
