"""A second stage of gradient-boosted trees, by the library LightGBM: columns in, scores out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError, MissingExtraError, NotFittedError
from enterprise_recsys.records import Columns, Doubles, Floats, Ints

if TYPE_CHECKING:
    from lightgbm import Booster

Objective = Literal["list", "click", "rating"]
_OBJECTIVES = {"list": "lambdarank", "click": "binary", "rating": "regression"}


class BoostedRanker:
    """Trees over the ranker's columns: categories as categories, several values as one yes-or-no column each.

    A category of 0 (never seen) and a number that is NaN count as missing.

    Args:
        objective: "list" orders each group by its labels, "click" gives the probability of a 1, "rating" a number.
        rounds: trees at most, 1 or more; with `val` they stop after 50 that did not help.
        leaves: of a tree, 2 or more.
        learning_rate: weight of a tree, over 0.
        least: examples in a leaf, 1 or more.
        threads: of the library, 1 or more; the result does not depend on them.
        seed: of the library's draws.

    Raises:
        ConfigError: a dial is out of its range.

    Source: Ke et al., "LightGBM", NeurIPS 2017; for lists LambdaMART, Burges, MSR-TR-2010-82.
    """

    tag = "lightgbm"

    def __init__(
        self,
        objective: Objective = "list",
        *,
        rounds: int = 500,
        leaves: int = 63,
        learning_rate: float = 0.05,
        least: int = 50,
        threads: int = 2,
        seed: int = 0,
    ) -> None:
        if objective not in _OBJECTIVES:
            raise ConfigError(f"objective={objective!r} is unknown; known: {', '.join(_OBJECTIVES)}.")
        if not (rounds >= 1 and leaves >= 2 and learning_rate > 0 and least >= 1 and threads >= 1):
            raise ConfigError(
                f"rounds={rounds}, leaves={leaves}, learning_rate={learning_rate}, least={least}, "
                f"threads={threads}: rounds, least and threads are 1 or more, leaves 2 or more, learning_rate over 0."
            )
        self._objective, self._rounds = objective, rounds
        self._settings = {
            "objective": _OBJECTIVES[objective],
            "num_leaves": leaves,
            "learning_rate": learning_rate,
            "min_data_in_leaf": least,
            "cat_smooth": 20.0,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
            "verbosity": -1,
        }
        self._columns: list[tuple[str, int]] = []
        self._booster: Booster | None = None

    def fit(
        self,
        columns: Columns,
        labels: Floats | Doubles,
        groups: Ints | None = None,
        *,
        val: tuple[Columns, Floats | Doubles, Ints | None] | None = None,
    ) -> BoostedRanker:
        """Learn from examples.

        Args:
            columns: name -> [R] numbers or rows of categories (whole numbers), or [R, M] rows of several values.
            labels: [R] grades (whole, 0 or more) for lists, 0 or 1 for clicks, ratings for ratings.
            groups: [G] examples of each list, in order; needed for lists, and their sum is R.
            val: columns, labels and groups that say when to stop.

        Raises:
            DataError: lists without groups, or groups that do not sum to the examples.
            MissingExtraError: LightGBM is not installed.
        """
        try:
            import lightgbm
        except ImportError:
            raise MissingExtraError(
                "the baseline 'lightgbm' needs the package lightgbm; install it with "
                "pip install 'enterprise_recsys[baselines]'."
            ) from None
        self._check(labels, groups)
        # One yes-or-no column for each value that several values may hold; fixed here, so that scoring has the same.
        self._columns = [
            (name, int(column.max(initial=0)) if column.ndim == 2 else 0) for name, column in columns.items()
        ]
        categories = [place for place, (name, _) in enumerate(self._flat()) if _is_category(columns, name)]
        train = lightgbm.Dataset(
            self._table(columns),
            np.asarray(labels),
            group=groups,
            categorical_feature=categories,
            params=dict(self._settings),
        )
        valid: list[lightgbm.Dataset] = []
        stop: list[Callable[..., object]] = []
        if val is not None:
            self._check(val[1], val[2])
            valid = [lightgbm.Dataset(self._table(val[0]), np.asarray(val[1]), group=val[2], reference=train)]
            stop = [lightgbm.early_stopping(50, verbose=False)]
        self._booster = lightgbm.train(dict(self._settings), train, self._rounds, valid_sets=valid, callbacks=stop)
        return self

    def score(self, columns: Columns) -> Doubles:
        """[R] a score for each example: for lists of any scale, for clicks a probability, for ratings a rating.

        Raises:
            NotFittedError: nothing was learnt yet.
        """
        if self._booster is None:
            raise NotFittedError("this BoostedRanker has learnt nothing yet; call fit(columns, labels, groups).")
        return np.asarray(self._booster.predict(self._table(columns)), dtype=np.float64)

    def _check(self, labels: Floats | Doubles, groups: Ints | None) -> None:
        if self._objective == "list" and groups is None:
            raise DataError("objective 'list' orders within groups; pass groups, the number of examples of each list.")
        if groups is not None and int(groups.sum()) != len(labels):
            raise DataError(
                f"groups sum to {int(groups.sum())} examples, there are {len(labels)}; each is in one list."
            )

    def _flat(self) -> list[tuple[str, int]]:
        """(column, value) of each column of the table; value 0 for a column that is taken as it is."""
        return [(name, value) for name, width in self._columns for value in (range(1, width + 1) if width else (0,))]

    def _table(self, columns: Columns) -> Floats:
        """[R, F] the columns beside each other."""
        rows = len(next(iter(columns.values())))
        table = np.zeros((rows, len(self._flat())), dtype=np.float32)
        place = 0
        for name, width in self._columns:
            column = columns[name]
            if width:
                for value in range(1, width + 1):
                    table[:, place] = (column == value).any(axis=1)
                    place += 1
                continue
            table[:, place] = column
            if _is_category(columns, name):
                table[column == 0, place] = np.nan
            place += 1
        return table


def _is_category(columns: Columns, name: str) -> bool:
    return columns[name].ndim == 1 and np.issubdtype(columns[name].dtype, np.integer)
