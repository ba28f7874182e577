"""Users are found from what they took, the items take a step, and what goes together is learnt."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.loop import Plan
from enterprise_recsys.retrieval import losses
from enterprise_recsys.retrieval.alternating import Alternating
from enterprise_recsys.retrieval.fold_in import FoldIn
from enterprise_recsys.retrieval.retriever import Retriever

DIALS = {
    "history": "fold_in",
    "embedding_dim": 16,
    "user_tower_dims": [16],
    "item_tower_dims": [16],
    "threads": 1,
    "history_length": 20,
}


def blocks(*, users: int = 60, items: int = 30, own: int = 8) -> pl.DataFrame:
    """Users of three kinds take items of their kind alone; all at one moment, so that there is no order."""
    generator = np.random.default_rng(0)
    rows = [
        (f"u{user:02}", f"i{item:02}", 0)
        for user in range(users)
        for item in generator.permutation(np.arange(user % 3, items, 3))[:own]
    ]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def taught(frame: pl.DataFrame, **dials: object) -> Retriever:
    config = ModelConfig(**{**DIALS, **dials})
    log = to_interactions(frame)
    processor = DataProcessor(config).fit(log)
    return Retriever(processor, config, processor.dataset(log))


def lessons(retriever: Retriever) -> Alternating:
    assert isinstance(retriever.lessons, Alternating)
    return retriever.lessons


def test_those_whose_events_are_hidden_are_looked_for_by_what_nobody_tells() -> None:
    retriever = taught(blocks(), history_dropout=0.999999)
    model = retriever.model
    learnt = lessons(retriever).learn(np.array([3, 5]), np.random.default_rng(0))
    events = retriever.dataset.events
    assert sorted(learnt.events) == sorted(np.flatnonzero(np.isin(events.users, [3, 5])))
    nobody = model.begin({}, 1)[0]
    assert torch.allclose(learnt.queries, nobody.expand(16, -1), atol=1e-6)
    scores = model.items({"item_id": torch.arange(1, retriever.dataset.n_items)}) @ nobody / 0.12
    wanted = -torch.log_softmax(scores, 0)[torch.from_numpy(events.items[learnt.events]) - 1].mean()
    assert learnt.loss.item() == pytest.approx(wanted.item(), rel=0.01), "by hand: 16 events that weigh the same"
    learnt.loss.backward()
    assert isinstance(model.history, FoldIn) and model.history.start.grad is not None


def test_others_are_found_as_an_answer_finds_them_and_only_the_items_learn() -> None:
    retriever = taught(blocks(), history_dropout=0.0)
    learnt = lessons(retriever).learn(np.array([7]), np.random.default_rng(1))
    dataset = retriever.dataset
    mine = dataset.events.items[dataset.events.users == 7]
    history = np.zeros((1, 20), dtype=np.int64)
    history[0, -len(mine) :] = mine
    columns = {name: column[[7]] for name, column in dataset.users.items()}
    assert learnt.queries[0].detach().numpy() == pytest.approx(retriever.encode(columns, history)[0], abs=1e-5)
    learnt.loss.backward()
    start = retriever.model.history.start
    assert start.grad is None or not start.grad.any()
    assert retriever.model.item_sum.embedding.tables["item_id"].weight.grad[mine].any()  # type: ignore[union-attr]


def test_what_goes_together_is_learnt_without_times_or_a_known_user() -> None:
    frame = blocks()
    retriever = taught(frame, batch_size=64)
    retriever.fit(Plan("made", 12, 12, 1e-2, 0.0))
    ids = retriever.dataset.items["item_id"]
    history = np.zeros((3, 20), dtype=np.int64)
    for kind in range(3):
        history[kind, -2:] = [ids[1 + kind], ids[4 + kind]]  # rows follow the sorted ids: i00, i01, ...
    columns = {name: column[[0, 0, 0]] for name, column in retriever.dataset.users.items()}
    best = np.argsort(-(retriever.encode(columns, history) @ retriever.item_vectors()[1:].T), axis=1)[:, :10]
    assert [(row % 3 == kind).mean() for kind, row in enumerate(best)] == [1.0, 1.0, 1.0]


def test_beyond_the_limit_items_are_drawn_and_the_loss_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = taught(blocks(items=300, own=10), history_dropout=0.0, negatives=150)
    retriever.model.eval()
    part, users = lessons(retriever), np.arange(1, 31)
    exact = [part.learn(users, np.random.default_rng(seed)).loss.item() for seed in range(20)]
    monkeypatch.setattr(losses, "EXACT_ITEMS", 5)
    drawn = [part.learn(users, np.random.default_rng(seed)).loss.item() for seed in range(20)]
    assert np.mean(drawn) == pytest.approx(np.mean(exact), rel=0.03)
