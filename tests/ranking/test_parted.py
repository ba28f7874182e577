"""The ranker as it is exported says what the ranker says, whoever's columns are told once a request."""

from pathlib import Path

import numpy as np
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.runtime import Scorer
from enterprise_recsys.layers import ListMean, masked_mean
from enterprise_recsys.ranking.networks import NETWORKS
from enterprise_recsys.ranking.parted import Parted
from enterprise_recsys.ranking.ranker import Ranker
from enterprise_recsys.tasks import Task

LISTS, DEPTH = 4, 7


TASKS = {"buy": Task(event_types=("buy",)), "watch": Task(column="seconds"), "like": Task(event_types=("like",))}


@pytest.fixture(scope="module")
def moments() -> Moments:
    log = make_world(users=30, items=50, days=30, events_per_user=10).interactions
    return Moments(DataProcessor(ModelConfig(ranking_dim=4, ranking_dims=(8, 4))).fit(log), log)


def ranker_and_columns(moments: Moments, **dials: object) -> tuple[Ranker, dict[str, np.ndarray]]:
    config = moments.processor.config.model_copy(update=dials)
    ranker = Ranker(moments.processor, config, moments.events.ratings, dict.fromkeys(TASKS, np.arange(9, dtype="f4")))
    torch.manual_seed(1)
    for weights in ranker.model.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    asked, generator = np.arange(100, 100 + LISTS), np.random.default_rng(0)
    context = {name: column[asked] for name, column in moments.events.context.items()}
    requests = moments.requests(moments.events.users[asked], moments.events.times[asked], context)
    rows = generator.integers(1, 51, (LISTS, DEPTH))
    scores = generator.normal(size=rows.shape).astype(np.float32)
    said = np.abs(scores)
    pairs = Candidates(rows, scores, np.stack([said / said.max(), said], axis=2), np.zeros_like(rows))
    columns = moments.pair_columns(requests, moments.processor.item_columns(), pairs)
    ranker.model.centre(columns)
    return ranker, columns


def test_the_mean_of_a_list_is_added_place_by_place_to_the_same_bits() -> None:
    table = torch.nn.Embedding(9, 5)
    rows = torch.tensor([[[1, 8, 3, 4], [2, 0, 0, 0], [0, 0, 0, 0]], [[5, 5, 0, 7], [0, 6, 0, 1], [8, 7, 6, 5]]])
    assert torch.equal(ListMean(table.weight)(rows), masked_mean(table(rows), rows))


@pytest.mark.parametrize(
    "dials",
    [{"tasks": TASKS}, {"ranking_number_dim": 0}]
    + [{"ranking_network": name, "ranking_batch_norm": is_normal} for name in NETWORKS for is_normal in (False, True)]
    + [{"ranking_network": "dcn_v2", "cross_layers": layers} for layers in (1, 3)]
    + [{"ranking_network": "dcn_v2_low_rank", "cross_rank": 3, "cross_layers": layers} for layers in (1, 3, 4)],
)
def test_the_parted_network_is_the_same_function(moments: Moments, dials: dict[str, object]) -> None:
    ranker, columns = ranker_and_columns(moments, **dials)
    ranker.model.eval()
    table = {name: torch.from_numpy(np.ascontiguousarray(columns[name])) for name in ranker.model.embedding.names}
    parted = {
        name: column.view(LISTS, DEPTH, *column.shape[1:]) if name in ranker.items else column[::DEPTH]
        for name, column in table.items()
    }
    model = ranker.model
    once = Parted(model.embedding, model.network, model.heads, ranker.items)
    with torch.no_grad():
        for got, wanted in zip(model.told(once(model.scaled(parted)), model.scaled(parted)), model(table), strict=True):
            spread = max(float(wanted.std()), 1.0)
            assert wanted.std() > 0.005 and torch.allclose(got, wanted, atol=2e-5 * spread)


def test_the_exported_scorer_takes_whole_tables_and_users_told_once(moments: Moments, tmp_path: Path) -> None:
    ranker, columns = ranker_and_columns(moments, tasks=TASKS)
    ranker.export(columns, tmp_path / "scorer.onnx")
    scorer = Scorer(tmp_path / "scorer.onnx", threads=1, calibration=Calibration())
    wanted = ranker.predict(columns)
    assert len(wanted) == 2 + len(TASKS)
    once = {name: column if name in ranker.items else column[::DEPTH] for name, column in columns.items()}
    one = {name: column[:DEPTH] if name in ranker.items else column[:1] for name, column in columns.items()}
    for got in (scorer.logits(columns), scorer.logits(once)):
        for said, told in zip(got, wanted, strict=True):
            assert np.allclose(said, told, atol=1e-5 * max(float(told.std()), 1.0))
    assert np.allclose(scorer.logits(one)[0], wanted[0][:DEPTH], atol=1e-5 * max(float(wanted[0].std()), 1.0))
    for columns_of, chunk in ((one, 3), (once, DEPTH + 1), (columns, 5)):  # few places, lists, rows at a time
        parts = scorer._network.run(columns_of, chunk=chunk)
        assert all(
            np.allclose(few, all_, atol=1e-5) for few, all_ in zip(parts, scorer.logits(columns_of), strict=True)
        )
    nothing = {name: column[:0] for name, column in columns.items()}
    assert [len(part) for part in scorer.logits(nothing)] == [0] * len(wanted)
