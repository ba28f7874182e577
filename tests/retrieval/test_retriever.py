"""What a user has taken is never a negative of his."""

import numpy as np
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
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
