"""A network taught on rows: what it learns in bfloat16, and that its predictions are in float32."""

import numpy as np
import torch

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.layers import bfloat16_pays
from enterprise_recsys.ranking.rows import Inputs, RowRanker
from enterprise_recsys.records import Columns, Doubles, Ints

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
    ranker = RowRanker(Inputs({"user": 30, "item": 30}, {}, []), CONFIG, None)
    ranker.model.is_half = is_half
    return ranker


def test_what_is_learnt_in_bfloat16_predicts_as_well() -> None:
    (train, labels), (test, truth) = _made(1, 8000), _made(2, 8000)
    found = {}
    for is_half in (False, True):
        ranker = _ranker(is_half=is_half)
        ranker.fit(train, labels, validate=None, epochs=4)
        assert all(value.dtype == torch.float32 for value in ranker.model.parameters())
        found[is_half] = PREDICTION_METRICS["AUC"](truth, ranker.predict(test))
    assert found[False] > 0.75
    assert abs(found[True] - found[False]) < 0.01


def test_predictions_are_in_float32_whatever_was_learnt_in() -> None:
    test, _ = _made(2, 500)
    assert (_ranker(is_half=True).predict(test) == _ranker(is_half=False).predict(test)).all()


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
    ranker = RowRanker(Inputs({"user": 30}, {}, []), CONFIG, None)
    assert ranker.model.is_half == bfloat16_pays()
