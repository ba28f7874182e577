"""How long it was since: gaps fall into the right buckets, and what follows from them is learnt."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.loop import Plan
from enterprise_recsys.retrieval.gaps import Gaps
from enterprise_recsys.retrieval.retriever import Retriever


@pytest.fixture
def telling() -> Gaps:
    """Says the number of the bucket."""
    gaps = Gaps(1)
    with torch.no_grad():
        gaps.table.weight[:, 0] = torch.arange(len(gaps.table.weight))
    return gaps


def test_gaps_are_told_apart_by_halves_of_octaves(telling: Gaps) -> None:
    seconds = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 86_400, 2**40]])
    assert telling(seconds)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 32, 61]


def test_gaps_beyond_those_of_the_log_count_as_its_shortest_and_its_longest(telling: Gaps) -> None:
    telling.keep_to(torch.tensor([12, 4, 7]))
    assert telling(torch.tensor([0, 3, 4, 8, 12, 16, 2**40]))[:, 0].tolist() == [4, 4, 4, 6, 7, 7, 7]
    telling.keep_to(torch.tensor([], dtype=torch.int64))
    assert telling(torch.tensor([0]))[0].item() == 4


def test_the_last_gap_reaches_to_the_request(telling: Gaps) -> None:
    ages = torch.tensor([[0, 10, 7, 7, 3], [0, 0, 0, 0, 0]])
    # From one item to the next: 10 - 7, 7 - 7, 7 - 3 seconds, and 3 to now. Before the first there is a hole.
    assert telling.of_ages(ages)[:, 1:, 0].tolist() == [[3, 0, 4, 3], [0, 0, 0, 0]]


def test_untaught_gaps_say_nothing() -> None:
    assert not Gaps(8)(torch.arange(1000)).any()


def moody(users: int) -> pl.DataFrame:
    """After a minute the next number follows; after a week people start anew, at 0."""
    generator, rows = np.random.default_rng(0), []
    for user in range(users):
        item, now = int(generator.integers(12)), 0
        for _ in range(16):
            rows.append((f"u{user}", f"i{item}", now))
            stays = generator.random() < 0.6
            item, now = (item + 1) % 12 if stays else 0, now + (60 if stays else 7 * 86_400)
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def test_the_same_past_is_answered_by_how_long_ago_it_was() -> None:
    log = to_interactions(moody(80))
    firsts = {}
    for timed in (True, False):
        config = ModelConfig(
            embedding_dim=16,
            user_tower_dims=[16],
            item_tower_dims=[16],
            history="transformer",
            history_times=timed,
            batch_size=128,
            dropout=0.0,
            threads=1,
        )
        processor = DataProcessor(config).fit(log)
        retriever = Retriever(processor, config, processor.dataset(log))
        retriever.fit(Plan("made", 10, 10, 1e-2, 0.0))
        row = {item: place for place, item in enumerate(processor.items.ids.to_list(), start=1)}
        past = np.array([[row["i3"], row["i4"], row["i5"]]] * 2)
        ages = np.array([[180, 120, 60], [7 * 86_400 + 120, 7 * 86_400 + 60, 7 * 86_400]])
        columns = {"user_id": np.zeros(2, np.int64), "history_age_s": ages}
        best = (retriever.encode(columns, past) @ retriever.item_vectors()[1:].T).argmax(axis=1)
        firsts[timed] = [processor.items.ids[int(place)] for place in best]
    assert firsts[True] == ["i6", "i0"]
    assert firsts[False][0] == firsts[False][1], "without times both are one question"
