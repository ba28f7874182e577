"""Retrievers side by side: one space in which a cosine is the mean of theirs, in learning and as exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.engine.runtime import Encoder, ItemEncoder
from enterprise_recsys.loop import Plan
from enterprise_recsys.records import HISTORY_AGE, Columns
from enterprise_recsys.retrieval.beside import Beside
from enterprise_recsys.retrieval.retriever import Retriever


@pytest.fixture(scope="module")
def both(parts: Split) -> Beside:
    """One that goes by order, and by how long ago, and one that does neither."""
    made = []
    for history in ("fold_in", "transformer"):
        config = ModelConfig(embedding_dim=8, user_tower_dims=[8], item_tower_dims=[8], history=history, threads=1)
        processor = DataProcessor(config).fit(parts.train)
        made.append(Retriever(processor, config, processor.dataset(parts.train)))
        made[-1].fit(Plan("made", 1, 1, 1e-2, 0.0))
    return Beside(made)


def _asked(both: Beside) -> tuple[Columns, np.ndarray]:
    rows = np.random.default_rng(0).integers(1, both.dataset.n_items, (6, 12))
    rows[0], rows[1, :9] = 0, 0
    columns = {name: column[:6] for name, column in both.dataset.users.items()}
    return {**columns, HISTORY_AGE: np.where(rows > 0, 3600 * np.arange(12, 0, -1), 0)}, rows


def test_a_cosine_is_the_mean_of_the_parts_cosines(both: Beside) -> None:
    columns, rows = _asked(both)
    cosines = both.encode(columns, rows) @ both.item_vectors().T
    parts = [part.encode(columns, rows) @ part.item_vectors().T for part in both.parts]
    assert np.allclose(cosines, (parts[0] + parts[1]) / 2, atol=1e-6)
    assert np.abs(parts[0] - parts[1]).max() > 0.1, "they do not say the same"
    lengths = np.linalg.norm(both.item_vectors(), axis=1)
    assert lengths[0] == 0.0 and np.allclose(lengths[1:], 1.0, atol=1e-6)
    assert np.allclose(np.linalg.norm(both.encode(columns, rows), axis=1), 1.0, atol=1e-6)


def test_the_exported_encoders_say_what_learning_says(both: Beside, tmp_path: Path) -> None:
    columns, rows = _asked(both)
    both.export(tmp_path / "encoder.onnx")
    both.export_items(tmp_path / "items.onnx")
    told = Encoder(tmp_path / "encoder.onnx", threads=1).encode(columns, rows)
    assert np.allclose(told, both.encode(columns, rows), atol=1e-5)
    items = ItemEncoder(tmp_path / "items.onnx", threads=1).encode(both.dataset.items)
    assert np.allclose(items[1:], both.item_vectors()[1:], atol=1e-3), "the root of nearly nothing, of the longest item"
