"""Trees learn what there is to learn: a rule over categories and several values, and the order within lists."""

import sys

import numpy as np
import pytest

from enterprise_recsys.baselines.boosted import BoostedRanker
from enterprise_recsys.errors import ConfigError, DataError, MissingExtraError, NotFittedError
from enterprise_recsys.evaluation.predictions import area_under_curve
from enterprise_recsys.records import Columns


@pytest.fixture(autouse=True)
def _library() -> None:
    pytest.importorskip("lightgbm", reason="the extra `baselines` is not installed")


def made(rows: int, seed: int) -> tuple[Columns, np.ndarray]:
    """Label 1 where an odd category meets the token 3 among three, or a number is high."""
    generator = np.random.default_rng(seed)
    columns: Columns = {
        "kind": generator.integers(0, 30, rows),
        "tags": generator.integers(0, 5, (rows, 3)),
        "price": generator.standard_normal(rows).astype(np.float32),
    }
    labels = ((columns["kind"] % 2 == 1) & (columns["tags"] == 3).any(axis=1)) | (columns["price"] > 1.5)
    return columns, labels.astype(np.float32)


def test_clicks_are_probabilities_that_find_the_rule() -> None:
    columns, labels = made(6000, 0)
    model = BoostedRanker("click", rounds=80, threads=1, leaves=15, learning_rate=0.2, least=10).fit(
        columns, labels, val=(*made(1000, 1), None)
    )
    unseen, truth = made(3000, 2)
    scores = model.score(unseen)
    assert (scores >= 0).all() and (scores <= 1).all() and scores.shape == (3000,)
    assert area_under_curve(truth, scores) > 0.99
    assert abs(scores.mean() - truth.mean()) < 0.02


def test_lists_are_ordered_within_their_groups() -> None:
    generator = np.random.default_rng(0)
    quality = generator.random((300, 20)).astype(np.float32)
    offset = generator.standard_normal((300, 1)).astype(np.float32) * 5  # tells nothing within a list
    grades = (quality > 0.8).astype(np.float32)
    columns: Columns = {"signal": quality.ravel(), "list": np.repeat(offset, 20)}
    model = BoostedRanker("list", rounds=30, threads=1, leaves=7, least=20).fit(
        columns, grades.ravel(), np.full(300, 20)
    )
    best = model.score(columns).reshape(300, 20).argmax(axis=1)
    assert grades[np.arange(300), best][grades.any(axis=1)].mean() > 0.99


def test_ratings_are_predicted_as_numbers_and_the_same_seed_gives_the_same() -> None:
    columns, labels = made(3000, 0)
    stars = 2.0 + 2.0 * labels
    first, again = (
        BoostedRanker("rating", rounds=60, threads=1, leaves=15, learning_rate=0.2, least=10, seed=4).fit(
            columns, stars
        )
        for _ in range(2)
    )
    assert np.sqrt(np.mean((first.score(columns) - stars) ** 2)) < 0.3
    assert np.array_equal(first.score(columns), again.score(columns))


def test_a_token_that_was_never_learnt_and_a_missing_one_are_no_fault() -> None:
    columns, labels = made(500, 0)
    model = BoostedRanker("click", rounds=5, threads=1).fit(columns, labels)
    strange: Columns = {
        "kind": np.array([99, 0]),
        "tags": np.array([[9, 0, 0], [0, 0, 0]]),
        "price": np.array([np.nan, 0], np.float32),
    }
    assert np.isfinite(model.score(strange)).all()


def test_faults_are_told() -> None:
    columns, labels = made(100, 0)
    with pytest.raises(ConfigError, match="objective='rank' is unknown; known: list, click, rating"):
        BoostedRanker("rank")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rounds=0, leaves=63"):
        BoostedRanker(rounds=0)
    with pytest.raises(DataError, match="orders within groups; pass groups"):
        BoostedRanker("list").fit(columns, labels)
    with pytest.raises(DataError, match="groups sum to 30 examples, there are 100"):
        BoostedRanker("list").fit(columns, labels, np.array([10, 20]))
    with pytest.raises(NotFittedError, match="has learnt nothing yet"):
        BoostedRanker().score(columns)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"'lightgbm' needs .* 'enterprise_recsys\[baselines\]'"):
        BoostedRanker("click").fit(*made(10, 0))
