"""The second stage begins with the order of the towers, and learns where to depart from it."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.loop import Plan
from enterprise_recsys.ranking.ranker import Examples, Ranker

LISTS, DEPTH = 40, 6


@pytest.fixture(scope="module")
def moments() -> Moments:
    log = make_world(users=30, items=50, days=30, events_per_user=10).interactions
    return Moments(DataProcessor(ModelConfig(ranking_dim=4, ranking_dims=(8, 4))).fit(log), log)


def examples(moments: Moments) -> Examples:
    """Lists whose last place was taken: where the towers say the least, and neighbours the most."""
    asked, generator = np.arange(100, 100 + LISTS), np.random.default_rng(0)
    context = {name: column[asked] for name, column in moments.events.context.items()}
    requests = moments.requests(moments.events.users[asked], moments.events.times[asked], context)
    rows = generator.integers(1, 51, (LISTS, DEPTH))
    scores = np.tile(np.linspace(0.9, 0.1, DEPTH, dtype=np.float32), (LISTS, 1))
    pairs = Candidates(rows, scores, (1 - scores).astype(np.float32), np.zeros_like(rows))
    clicks = np.tile(np.arange(DEPTH) == DEPTH - 1, LISTS).astype(np.float32)
    nothing, ones = np.full(len(clicks), np.nan, dtype=np.float32), np.ones(len(clicks), dtype=np.float32)
    columns = moments.pair_columns(requests, moments.processor.item_columns(), pairs)
    return Examples(columns, clicks, nothing, ones, DEPTH)


def order(ranker: Ranker, given: Examples) -> list[list[int]]:
    logits = ranker.predict(given.columns)[0].reshape(LISTS, DEPTH)
    return np.argsort(-logits, axis=1).tolist()  # type: ignore[no-any-return]


def test_an_untaught_ranker_keeps_the_order_of_the_towers(moments: Moments) -> None:
    given = examples(moments)
    ranker = Ranker(moments.processor, moments.processor.config, moments.events.ratings)
    ranker.model.centre(given.columns)
    assert order(ranker, given) == [list(range(DEPTH))] * LISTS
    logits = ranker.predict(given.columns)[0]
    bias = ranker.model.heads.bias[0].item()
    assert logits.std() == pytest.approx(1.0, rel=1e-3) and logits.mean() == pytest.approx(bias, abs=1e-3)


def test_what_was_taken_turns_the_order_round(moments: Moments) -> None:
    given = examples(moments)
    ranker = Ranker(moments.processor, moments.processor.config, moments.events.ratings)
    fit = ranker.fit(given, Plan("ranker", 25, 25, 1e-2, 0.0))
    assert fit.losses[-1] < fit.losses[0] and all(line[0] == DEPTH - 1 for line in order(ranker, given))
