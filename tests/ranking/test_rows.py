"""One network learns several goals of a row, each from the rows whose label is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.ranking.losses import Goal
from enterprise_recsys.ranking.rows import Inputs, RowRanker
from enterprise_recsys.records import Columns, Ints

KINDS = np.tile([1, 2, 3, 2], 16)
CLICKS = np.where(KINDS == 3, np.nan, (KINDS == 2).astype(float))
GOALS = {"click": Goal("ctr", 1.0), "rating": Goal("rating", 0.5, mean=2.0, std=2.0)}


@dataclass(frozen=True)
class Kinds:
    """A column of the kind of each row."""

    own: Columns

    def __len__(self) -> int:
        return len(self.own["kind"])

    def columns(self, places: Ints) -> Columns:
        return {"kind": self.own["kind"][places]}


TABLE = Kinds({"kind": KINDS.astype(np.int64)})
INPUTS = Inputs({"kind": 4}, {}, [])


def ranker(**dials: object) -> RowRanker:
    told = {"ranking_dims": (8,), "cross_layers": 1, "ranking_dim": 4, "dropout": 0.0, "learning_rate": 0.03, **dials}
    return RowRanker(INPUTS, ModelConfig(**told), GOALS)


def test_the_loss_is_the_weighted_sum_over_the_known_labels() -> None:
    model = ranker(batch_size=64)
    said, known = model.predict(TABLE), ~np.isnan(CLICKS)
    chances = 1.0 / (1.0 + np.exp(-said["click"][known]))
    surprise = -np.log(np.where(CLICKS[known] == 1, chances, 1.0 - chances)).mean()
    square = np.square((said["rating"] - KINDS) / 2.0).mean()
    fit = model.fit(TABLE, {"click": CLICKS, "rating": KINDS.astype(float)}, validate=None, epochs=1)
    assert fit.losses[0] == pytest.approx(surprise + 0.5 * square, rel=1e-5)


def test_both_goals_are_learnt() -> None:
    model = ranker(batch_size=8)
    model.fit(TABLE, {"click": CLICKS, "rating": KINDS.astype(float)}, validate=None, epochs=40)
    said = model.predict(TABLE)
    assert said["rating"] == pytest.approx(KINDS, abs=0.3)
    assert said["click"][KINDS == 2].min() > 1.0 and said["click"][KINDS == 1].max() < -1.0
