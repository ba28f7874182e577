"""Whole histories as lessons: each event once, in the right place, and what follows from order is learnt."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.loop import Plan
from enterprise_recsys.records import Ints
from enterprise_recsys.retrieval import sequences
from enterprise_recsys.retrieval.retriever import Retriever
from enterprise_recsys.retrieval.sequences import Sequences, Windows, windows

DIALS = {"embedding_dim": 16, "user_tower_dims": [16], "item_tower_dims": [16], "threads": 1, "dropout": 0.0}


def markov(*, users: int, length: int, items: int = 24) -> pl.DataFrame:
    """Each item has one that follows it in nine cases of ten; all are equally popular."""
    generator = np.random.default_rng(0)
    follows = generator.permutation(items)
    rows = []
    for user in range(users):
        item = int(generator.integers(items))
        for place in range(length):
            rows.append((f"u{user:03}", f"i{item:02}", place))
            item = int(follows[item]) if generator.random() < 0.9 else int(generator.integers(items))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def taught(frame: pl.DataFrame, **dials: object) -> Retriever:
    config = ModelConfig(**{**DIALS, **dials})
    log = to_interactions(frame)
    processor = DataProcessor(config).fit(log)
    return Retriever(processor, config, processor.dataset(log))


def lessons(retriever: Retriever) -> Sequences:
    assert isinstance(retriever.lessons, Sequences)
    return retriever.lessons


@pytest.mark.parametrize("seed", range(5))
def test_windows_look_for_every_event_but_the_first_exactly_once(seed: int) -> None:
    starts = np.array([0, 1, 1, 3, 10, 40])  # users with 1, 0, 2, 7 and 30 events
    cut = windows(starts, 4, np.random.default_rng(seed))
    sought = [place for begin, end in zip(cut.begins, cut.ends, strict=True) for place in range(begin + 1, end + 1)]
    assert sorted(sought) == [2, *range(4, 10), *range(11, 40)]
    assert (cut.ends - cut.begins).max() == 4 and (cut.ends >= cut.begins).all()


def test_long_histories_are_cut_anew() -> None:
    generator = np.random.default_rng(0)
    firsts = {int(windows(np.array([0, 30]), 4, generator).ends[0]) for _ in range(50)}
    assert firsts == {1, 2, 3, 4}


def test_an_epoch_learns_each_relevant_event_once_and_each_start_one_of_its_window() -> None:
    frame = markov(users=20, length=9).with_columns(rating=pl.Series(np.tile([5.0, 1.0, 5.0], 60)))
    retriever = taught(frame, history="transformer", history_length=4, batch_size=40, positive_rating=3)
    events, seen = retriever.dataset.events, []
    for _, learn in lessons(retriever).steps():
        learnt = learn()
        assert len(learnt.events) == len(learnt.queries) and learnt.loss > 0
        seen.append(learnt.events)
    counts = np.bincount(np.concatenate(seen), minlength=len(events))
    first = events.times == events.times.min()
    assert (counts[~events.relevant] == 0).all() and (counts[events.relevant & ~first] >= 1).all()
    # What is seen twice was drawn for the start of a window, of which a user of nine events has at most four.
    assert counts.sum() <= (events.relevant & ~first).sum() + 20 * 4


def test_places_are_what_was_worked_out_by_hand() -> None:
    frame = pl.DataFrame(
        [("a", "x", 0), ("a", "y", 1), ("a", "z", 2), ("b", "z", 0)],
        schema=["user_id", "item_id", "timestamp"],
        orient="row",
    )
    part = lessons(taught(frame, history="transformer", history_length=4))
    looked_at, looked_for, weights = part.places(Windows(np.array([0, 3]), np.array([2, 3])), np.array([1, 3]))
    assert looked_at.tolist() == [[0, 1], [3, 0]], "b has nothing to look at: its places are holes"
    assert looked_for.tolist() == [[1, 1, 2], [3, 0, 0]]
    assert weights.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_events_count_by_their_weight() -> None:
    frame = markov(users=6, length=5).with_columns(weight=pl.Series(np.tile([1.0, 2.0, 0.0, 4.0, 1.0], 6)))
    part = lessons(taught(frame, history="transformer", history_length=8))
    cut = windows(np.arange(0, 31, 5), 8, np.random.default_rng(0))
    _, _, weights = part.places(cut, cut.begins)
    assert weights[0].tolist() == [1.0, 2.0, 0.0, 4.0, 1.0]


def test_drawn_negatives_that_are_all_items_give_the_exact_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = markov(users=20, length=9)
    part = lessons(
        taught(frame, history="transformer", history_length=8, negatives=1000, negative_sampling_strategy="random")
    )
    part._is_half = False
    monkeypatch.setattr(sequences, "_UNTOLD", 0.0)  # which windows' gaps are told is drawn, too
    cut = windows(np.arange(0, 181, 9), 8, np.random.default_rng(0))
    exact = part.learn(cut, cut.begins)
    exact.loss.backward()
    wanted = {name: one.grad.clone() for name, one in part.material.model.named_parameters() if one.grad is not None}
    part.material.model.zero_grad()
    monkeypatch.setattr(sequences, "_ALL", 0)
    drawn = part.learn(cut, cut.begins)
    drawn.loss.backward()
    assert drawn.loss.item() == pytest.approx(exact.loss.item(), rel=1e-5)
    for name, one in part.material.model.named_parameters():
        if name in wanted:
            assert torch.allclose(one.grad, wanted[name], atol=1e-5), name


def test_the_gaps_of_some_windows_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    part = lessons(taught(markov(users=20, length=9), history="transformer", history_length=8))
    cut = windows(np.arange(0, 181, 9), 8, np.random.default_rng(0))

    def taught_gaps(untold: float) -> float:
        monkeypatch.setattr(sequences, "_UNTOLD", untold)
        torch.manual_seed(0)
        part.learn(cut, cut.begins).loss.backward()
        gradient = part.material.model.gaps.table.weight.grad.abs().sum().item()
        part.material.model.zero_grad()
        return gradient

    assert taught_gaps(1.0) == 0.0 < taught_gaps(0.5) < taught_gaps(0.0)


@pytest.mark.parametrize("history", ["transformer", "gru"])
def test_windows_without_a_relevant_event_teach_nothing(history: str) -> None:
    frame = markov(users=6, length=5).with_columns(weight=pl.Series(np.tile([0.0, 0.0, 0.0, 0.0, 1.0], 6)))
    part = lessons(taught(frame, history=history, history_length=8))
    learnt = part.learn(Windows(np.array([0]), np.array([3])), np.array([0]))
    learnt.loss.backward()
    assert learnt.loss == 0 and len(learnt.events) == 0 and learnt.queries.shape == (0, 16)
    assert not any(one.grad.any() for one in part.material.model.parameters() if one.grad is not None)


def next_hits(retriever: Retriever, frame: pl.DataFrame) -> float:
    """Share of held-out last events whose item comes first, asked with the events before."""
    events = retriever.dataset.events
    last = events.times == events.times.max()
    order = np.lexsort((events.times, events.users))
    rows: Ints = events.items[order].reshape(-1, int((events.users == 1).sum()))
    history = np.zeros((len(rows), retriever.config.history_length), dtype=np.int64)
    history[:, -(rows.shape[1] - 1) :] = rows[:, :-1]
    users = np.unique(events.users)
    columns = {name: column[users] for name, column in retriever.dataset.users.items()}
    times = events.times[order].reshape(rows.shape) // 1_000_000
    columns["history_age_s"] = np.zeros_like(history)
    columns["history_age_s"][:, -(rows.shape[1] - 1) :] = times[:, -1:] - times[:, :-1]
    queries = retriever.encode(columns, history)
    best = (queries @ retriever.item_vectors()[1:].T).argmax(axis=1) + 1
    assert last.sum() == len(rows)
    return float((best == rows[:, -1]).mean())


def test_what_follows_what_is_learnt_by_what_goes_by_order_and_not_by_the_mean() -> None:
    frame = markov(users=100, length=12)
    shares = {}
    for history in ("mean", "transformer", "gru"):
        # The last event is not learnt from: it weighs nothing.
        weighed = frame.with_columns(weight=(pl.col("timestamp") < 11).cast(pl.Float64))
        retriever = taught(weighed, history=history, history_length=12, batch_size=128)
        retriever.fit(Plan("made", 12, 12, 1e-2, 0.0))
        shares[history] = next_hits(retriever, frame)
    assert min(shares["transformer"], shares["gru"]) > 0.8 and shares["mean"] < 0.4, shares


def test_where_views_are_hints_a_visit_looks_for_the_next_visits_first_success() -> None:
    hour = 3600
    rows = [
        ("a", "x", 0, "view"),
        ("a", "x", 9, "buy"),  # of the first visit: nothing before it could ask for it
        ("a", "y", hour, "view"),
        ("a", "y", 2 * hour, "view"),
        ("a", "y", 2 * hour + 9, "buy"),
        ("a", "z", 2 * hour + 10, "buy"),
        ("b", "y", hour, "view"),
        ("b", "z", 5 * hour, "view"),
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_type"], orient="row")
    dials = {"history": "transformer", "history_length": 8, "positive_event_types": "buy"}
    part = lessons(taught(frame, **dials))
    every = Windows(np.array([0, 6]), np.array([5, 7]))
    _, looked_for, weights = part.places(every, np.array([1, 6]))
    assert looked_for.tolist() == [[1, 0, 4, 4, 0, 0], [6, 0, 0, 0, 0, 0]]
    assert weights.tolist() == [[1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
    at_any_moment = lessons(taught(frame, **dials, horizon="next"))
    assert at_any_moment.places(every, np.array([1, 6]))[1][0].tolist() == [1, 1, 2, 3, 4, 5]
    plain = lessons(taught(frame, history="transformer", history_length=8))
    assert plain.places(every, np.array([1, 6]))[2].tolist() == [[1] * 6, [1, 1, 0, 0, 0, 0]]
