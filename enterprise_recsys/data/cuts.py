"""How a log is to be cut, as it is written on the command line: a split by name, with its dials."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.choice import pick
from enterprise_recsys.data.splits import (
    SPLITS,
    Split,
    follow_in_time,
    k_core,
    on_date,
    part_by_time,
    rolling,
    spans_of,
)
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Interactions

_ROW, _NONE = "__row", 3
DEFAULT = "global_time"
ROLLING = "rolling"
"""The split that is several: one for each date."""


@dataclass(frozen=True)
class Cut:
    """One split and its dials.

    Attributes:
        name: a name in `SPLITS`, or `rolling`.
        dials: keyword arguments of that split; of `rolling` the `days` of its test.
        core: first leave out users and items with fewer events than this among themselves, see `splits.k_core`; 1
            leaves out none.
        date: of `rolling`: when its test begins.
    """

    name: str = DEFAULT
    dials: Mapping[str, float] = field(default_factory=dict)
    core: int = 1
    date: datetime | None = None

    @property
    def words(self) -> str:
        """The split as it is written: `leave_last_k,k=10`, and the date that it is of."""
        dials = [f"{name}={value:g}" for name, value in sorted(self.dials.items())]
        return ",".join([self.name, *([f"date={self.date.isoformat()}"] if self.date is not None else []), *dials])

    def __str__(self) -> str:
        """The split, and the core that it is of."""
        return self.words + (f" of the {self.core}-core" if self.core > 1 else "")

    def split(self, log: Interactions) -> Split:
        """The three parts; the core is not taken here.

        Raises:
            ConfigError, DataError: as the split.
        """
        if self.date is not None:
            return on_date(log, self.date, timedelta(days=self.dials["days"]))
        return SPLITS[self.name](log, **self.dials)

    def kept(self, log: Interactions) -> Interactions:
        """The log's core.

        Raises:
            ConfigError, DataError: as `k_core`.
        """
        return log if self.core == 1 else k_core(log, k=self.core)

    def parts(self, log: Interactions) -> tuple[NDArray[np.int8], bool]:
        """The part of each event [R] (0 train, 1 val, 2 test, 3 none), and whether the parts follow each other in time.

        Raises:
            ConfigError, DataError: as the split.
        """
        if self.name == DEFAULT:  # without the copies that the parts would be
            return part_by_time(log, **self.dials).to_numpy(), True
        rows = log.with_events(log.events.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias(_ROW)))
        split = self.split(rows)
        part = np.full(len(log.events), _NONE, np.int8)
        for number, one in enumerate((split.train, split.val, split.test)):
            part[one.events[_ROW].to_numpy()] = number
        return part, follow_in_time(split)


def parsed(text: str, core: int = 1) -> Cut:
    """A cut from its words; `-` may stand for `_`.

    Raises:
        ConfigError: an unknown split or dial, or a dial that is no number.

    >>> str(parsed("leave-last-k,k=10"))
    'leave_last_k,k=10'
    """
    name, *words = (word.strip() for word in text.split(","))
    name = name.replace("-", "_")
    dials = ["days"]
    if name != ROLLING:
        known_splits: dict[str, Callable[..., object]] = {**SPLITS, ROLLING: rolling}
        known = inspect.signature(pick(known_splits, name, what="split")).parameters
        dials = [dial for dial, parameter in known.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    given: dict[str, float] = {}
    for word in words:
        dial, _, value = word.partition("=")
        try:
            given[dial] = json.loads(value)
        except ValueError:
            given[dial] = float("nan")
        if dial not in dials or type(given[dial]) not in (int, float) or given[dial] != given[dial]:
            raise ConfigError(
                f"--split {text!r} is wrong at {word!r}: the dials of {name} are "
                f"{', '.join(dials) or 'none'}, each with a number, as in leave-last-k,k=10."
            )
    return Cut(name, given, core)


def folds_of(cut: Cut, dates: Sequence[datetime]) -> dict[str, Cut]:
    """The cuts that one is in truth: of `rolling` one for each date, by the name of its folder; else itself, as "".

    Raises:
        ConfigError: dates without `rolling` or the other way round, or dates that do not rise.
    """
    if cut.name != ROLLING:
        if dates:
            raise ConfigError(f"--date goes with --split rolling, one fold for each; the split is {cut.words}.")
        return {"": cut}
    if not dates:
        raise ConfigError("--split rolling wants dates: give --date 2026-03-01, once for each fold.")
    span = timedelta(days=cut.dials["days"]) if "days" in cut.dials else None
    return {
        _folder(date): replace(cut, date=date, dials={"days": long / timedelta(days=1)})
        for date, long in spans_of(dates, span)
    }


def _folder(date: datetime) -> str:
    return f"{date:%Y-%m-%d}" if (date.hour, date.minute, date.second) == (0, 0, 0) else f"{date:%Y-%m-%dT%H%M%S}"
