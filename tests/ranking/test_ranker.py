"""The second stage begins with the order of the towers, and learns where to depart from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.loop import Plan
from enterprise_recsys.ranking.ranker import Examples, Ranker
from enterprise_recsys.tasks import Task

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
    pairs = Candidates(rows, scores, np.stack([1 - scores, scores], axis=2).astype(np.float32), np.zeros_like(rows))
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


@pytest.mark.parametrize("is_half", [False, True])
def test_what_was_taken_turns_the_order_round(is_half: bool, moments: Moments) -> None:
    given = examples(moments)
    ranker = Ranker(moments.processor, moments.processor.config, moments.events.ratings)
    ranker.model.is_half = is_half
    fit = ranker.fit(given, Plan("ranker", 25, 25, 1e-2, 0.0))
    assert fit.losses[-1] < fit.losses[0] and all(line[0] == DEPTH - 1 for line in order(ranker, given))


def test_what_is_owed_to_the_place_is_learnt_apart_and_left_out_of_answers(moments: Moments) -> None:
    """Whatever stood first was taken in seven lists of ten, else what stood second."""
    given, generator = examples(moments), np.random.default_rng(1)
    places = np.stack([generator.permutation(DEPTH) + 1 for _ in range(LISTS)])
    taken = np.where(generator.random(LISTS) < 0.7, 1, 2)[:, None] == places
    given = replace(given, clicks=taken.ravel().astype(np.float32))
    made = {}
    for told in (None, places.ravel(), np.zeros(LISTS * DEPTH, dtype=np.int64)):
        ranker = Ranker(moments.processor, moments.processor.config, moments.events.ratings)
        ranker.fit(replace(given, places=told), Plan("ranker", 8, 8, 2e-2, 0.0))
        made[len(made)] = ranker
    plain, fair, unknown = made.values()
    learnt = fair.model.places.detach().numpy()
    assert learnt[1] > learnt[2] > 0 > learnt[3 : DEPTH + 1].max()
    assert learnt[0] == 0.0 and not learnt[DEPTH + 1 :].any()
    assert np.array_equal(plain.predict(given.columns)[0], unknown.predict(given.columns)[0])
    spread = [one.predict(given.columns)[0].reshape(LISTS, DEPTH).std(axis=1).mean() for one in (plain, fair)]
    assert spread[1] < 0.9 * spread[0], "less is said of the candidates themselves, of whom there is nothing to say"


_TASKS = {
    "buy": Task(event_types=("buy",), weight=2.0),
    "watch": Task(column="seconds", weight=0.5),
    "like": Task(event_types=("like",), weight=0.0),
}


def _with_tasks(moments: Moments) -> tuple[Ranker, Examples]:
    given = examples(moments)
    seconds = np.where(given.clicks == 1, 3.0, np.nan).astype(np.float32)
    labels = {"buy": np.roll(given.clicks, -1), "watch": seconds, "like": np.full(len(given), np.nan, np.float32)}
    config = moments.processor.config.model_copy(update={"tasks": _TASKS})
    known = {**labels, "watch": np.array([1.0, 5.0, np.nan], np.float32)}  # mean 3, deviation 2
    return Ranker(moments.processor, config, moments.events.ratings, known), replace(given, tasks=labels)


def test_tasks_add_their_losses_by_weight_and_what_has_no_label_adds_nothing(moments: Moments) -> None:
    ranker, given = _with_tasks(moments)
    ranker.model.eval()
    ranker.model.centre(given.columns)
    columns = {name: torch.from_numpy(given.columns[name]) for name in ranker.model.embedding.names}
    clicks, ratings, weights = (torch.from_numpy(one) for one in given.labels)
    labels = {name: torch.from_numpy(one) for name, one in given.tasks.items()}
    masked = {name: torch.full_like(one, torch.nan) for name, one in labels.items()}
    with torch.no_grad():
        _, _, bought, watched, _ = ranker.model(columns)
        own = torch.nn.functional.binary_cross_entropy_with_logits(bought, labels["buy"])
        own = own - torch.log_softmax(bought.view(-1, DEPTH), dim=1)[:, DEPTH - 2].mean()
        error = (watched[clicks == 1] ** 2).mean()  # 3 is the mean, which the head is told as 0
        whole = ranker.loss(columns, clicks, ratings, weights, DEPTH, labels)
        alone = ranker.loss(columns, clicks, ratings, weights, DEPTH, masked)
    assert float(whole - alone) == pytest.approx(float(2.0 * own + 0.5 * error), rel=1e-4)


def test_a_task_learns_another_order_than_the_click(moments: Moments) -> None:
    ranker, given = _with_tasks(moments)
    ranker.fit(given, Plan("ranker", 30, 30, 5e-3, 0.0))
    clicks, _, bought, watched, _ = (one.reshape(LISTS, DEPTH) for one in ranker.predict(given.columns))
    assert (clicks.argmax(axis=1) == DEPTH - 1).all() and (bought.argmax(axis=1) == DEPTH - 2).all()
    assert np.abs(watched[:, DEPTH - 1]).mean() < 0.3


def test_without_tasks_the_ranker_is_the_one_it_was(moments: Moments) -> None:
    ranker = Ranker(moments.processor, moments.processor.config, moments.events.ratings)
    assert ranker.goals == {} and ranker.model.heads.out_features == 2
    assert len(ranker.predict(examples(moments).columns)) == 2
