"""One network learns several goals of a row, each from the rows whose label is known, in bfloat16 where it pays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.devices import bfloat16_pays
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.ranking.losses import Goal
from enterprise_recsys.ranking.rows import Inputs, RowRanker
from enterprise_recsys.records import Columns, Doubles, Ints

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
    model.model.is_half = False
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


CONFIG = ModelConfig(
    ranking_dim=4, ranking_dims=(16, 8), ranking_batch_norm=True, batch_size=256, learning_rate=0.01, id_dropout=0.0
)


class Rows(dict[str, np.ndarray]):
    """Columns that are held whole."""

    def __len__(self) -> int:
        return len(self["user"])

    def columns(self, places: Ints) -> Columns:
        return {name: column[places] for name, column in self.items()}


def _made(seed: int, rows: int) -> tuple[Rows, Doubles]:
    """Users and items with a taste each; a click is likelier the more both point the same way."""
    tastes = np.random.default_rng(0).normal(size=(2, 30))
    generator = np.random.default_rng(seed)
    users, items = generator.integers(0, 30, (2, rows))
    likely = 1.0 / (1.0 + np.exp(-3.0 * tastes[0][users] * tastes[1][items]))
    return Rows(user=users, item=items), (generator.random(rows) < likely).astype(np.float64)


def _ranker(*, is_half: bool) -> RowRanker:
    ranker = RowRanker(Inputs({"user": 30, "item": 30}, {}, []), CONFIG, {"click": Goal("ctr")})
    ranker.model.is_half = is_half
    return ranker


def test_what_is_learnt_in_bfloat16_predicts_as_well() -> None:
    (train, labels), (test, truth) = _made(1, 8000), _made(2, 8000)
    found = {}
    for is_half in (False, True):
        ranker = _ranker(is_half=is_half)
        ranker.fit(train, {"click": labels}, validate=None, epochs=4)
        assert all(value.dtype == torch.float32 for value in ranker.model.parameters())
        found[is_half] = PREDICTION_METRICS["AUC"](truth, ranker.predict(test)["click"])
    assert found[False] > 0.75
    assert abs(found[True] - found[False]) < 0.01


def test_predictions_are_in_float32_whatever_was_learnt_in() -> None:
    test, _ = _made(2, 500)
    assert (_ranker(is_half=True).predict(test)["click"] == _ranker(is_half=False).predict(test)["click"]).all()


def test_a_step_multiplies_in_bfloat16_only_where_it_should() -> None:
    columns = {name: torch.from_numpy(column) for name, column in _made(1, 256)[0].items()}
    told = {}
    for is_half in (False, True):
        model = _ranker(is_half=is_half).model.train()
        told[is_half] = model(columns).detach()
    assert told[True].dtype == torch.float32
    assert not torch.equal(told[True], told[False])
    assert torch.allclose(told[True], told[False], atol=0.05)


def test_bfloat16_is_taken_where_the_processor_has_it() -> None:
    ranker = RowRanker(Inputs({"user": 30}, {}, []), CONFIG, {"click": Goal("ctr")})
    assert ranker.model.is_half == bfloat16_pays()
