"""What a user has taken is never a negative of his."""

from pathlib import Path

import numpy as np
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.engine.runtime import Encoder
from enterprise_recsys.loop import Plan
from enterprise_recsys.retrieval.retriever import Retriever
from tests.conftest import SMALL


def test_hits_are_masked_as_brute_force_says(parts: Split) -> None:
    config = ModelConfig(**SMALL)
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    events = retriever.dataset.events
    index = np.arange(0, len(events), 37)
    rows = torch.from_numpy(np.random.default_rng(0).integers(1, retriever.dataset.n_items, 60))  # some drawn twice
    mask = retriever.lessons.hits(events.users[index], torch.from_numpy(events.items[index]), rows)
    taken = {(user, item) for user, item in zip(events.users.tolist(), events.items.tolist(), strict=True)}
    expected = [[(user, row) in taken for row in rows.tolist()] for user in events.users[index].tolist()]
    assert mask.tolist() == expected and mask.any() and not mask.all()


def test_unit_vectors_come_out_and_row_0_is_nothing(parts: Split) -> None:
    config = ModelConfig(**SMALL)
    processor = DataProcessor(config).fit(parts.train)
    vectors = Retriever(processor, config, processor.dataset(parts.train)).item_vectors()
    assert np.allclose(np.linalg.norm(vectors[1:], axis=1), 1.0, atol=1e-5) and not vectors[0].any()


def test_the_exported_transformer_says_what_torch_says(parts: Split, tmp_path: Path) -> None:
    config = ModelConfig(**{**SMALL, "history": "transformer", "history_length": 12, "heads": 2})
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    retriever.fit(Plan("made", 1, 1, 1e-2, 0.0))
    retriever.export(tmp_path / "encoder.onnx")
    rows = np.random.default_rng(0).integers(1, retriever.dataset.n_items, (5, 12))
    for place, holes in enumerate([0, 3, 11, 12, 12]):
        rows[place, :holes] = 0
    columns = {name: column[[1, 2, 3, 4, 0]] for name, column in retriever.dataset.users.items()}
    vectors = retriever.encode(columns, rows)
    assert np.abs(Encoder(tmp_path / "encoder.onnx", threads=1).encode(columns, rows) - vectors).max() < 1e-5
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.abs(vectors[3] - vectors[4]).max() > 1e-4, "without a past, features tell users apart"


def test_a_transformer_knows_no_user_by_id(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "history": "transformer"})
    processor = DataProcessor(config).fit(parts.train)
    model = Retriever(processor, config, processor.dataset(parts.train)).model
    assert "user_id" not in model.user_names and "item_id" in model.item_names


def test_lifted_vectors_are_of_length_1_and_order_items_as_the_dot_products_do(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "history": "taste"})
    processor = DataProcessor(config).fit(parts.train)
    model = Retriever(processor, config, processor.dataset(parts.train)).model
    queries, items = torch.randn(7, 16), torch.randn(90, 16) * torch.rand(90, 1)
    model.note(items)
    met, lifted = model.meet(queries), model.lift(items)
    assert torch.allclose(met.norm(dim=1), torch.ones(7)) and torch.allclose(lifted.norm(dim=1), torch.ones(90))
    assert torch.equal((met @ lifted.T).argsort(dim=1), (queries @ items.T).argsort(dim=1))
    wanted = queries @ items.T / queries.norm(dim=1, keepdim=True) / items.norm(dim=1).max()
    assert torch.allclose(met @ lifted.T, wanted, atol=1e-6), "divided by one number for each user"
    longer = model.lift(items[:1] * 1000.0)
    assert longer.norm().item() == pytest.approx(1.0) and longer[0, -1].item() == pytest.approx(0.0, abs=1e-3)
