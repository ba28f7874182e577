"""The rolling back-test: nothing of a test part, or of what follows it, is ever learnt from."""

from datetime import datetime
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.examining.backtest import Backtest, Run, backtest, folds_of
from enterprise_recsys.records import Interactions
from tests.conftest import SMALL


def log_of(days: int) -> Interactions:
    times = pl.datetime_range(datetime(2026, 1, 1), datetime(2026, 1, days), "1d", eager=True, time_zone="UTC")
    events = pl.DataFrame({"user_id": "1", "item_id": "a", "timestamp": times})
    return Interactions(events)


def test_the_parts_of_each_fold_follow_each_other() -> None:
    folds = folds_of(log_of(20), folds=3)
    sizes = [(len(one.train.events), len(one.val.events), len(one.test.events)) for one in folds]
    assert sizes == [(12, 2, 2), (14, 2, 2), (16, 2, 2)]
    for one in folds:
        moments = [part.events["timestamp"] for part in (one.train, one.val, one.test)]
        assert moments[0].max() < moments[1].min() <= moments[1].max() < moments[2].min()


def test_dates_say_where_the_test_parts_begin() -> None:
    folds = folds_of(log_of(20), dates=[datetime(2026, 1, 15), datetime(2026, 1, 18)])
    assert [(one.test.events["timestamp"].min().day, one.test.events["timestamp"].max().day) for one in folds] == [
        (15, 17),
        (18, 20),
    ]


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ConfigError, match="folds=7 is out of range"):
        folds_of(log_of(20), folds=7)
    with pytest.raises(ConfigError, match="the dates should rise"):
        folds_of(log_of(20), dates=[datetime(2026, 1, 15), datetime(2026, 1, 11)])
    with pytest.raises(DataError, match="at 2026-02-01 00:00:00 the part test holds no event"):
        folds_of(log_of(20), dates=[datetime(2026, 2, 1)])
    with pytest.raises(ConfigError, match="seeds=0 is too few"):
        backtest(ModelConfig(), log_of(20), seeds=0)


def run(day: int, seed: int, ours: float, other: float, low: float) -> Run:
    figures = {
        "users": 10,
        "popularity/NDCG@10": other,
        "two_stage/NDCG@10": ours,
        "two_stage-popularity/NDCG@10": ours - other,
        "two_stage-popularity/NDCG@10/low": low,
    }
    return Run(datetime(2026, 1, day), datetime(2026, 1, day + 1), seed, Evaluation(figures))


def test_runs_are_told_with_mean_range_and_deviation() -> None:
    result = Backtest([run(1, 0, 0.3, 0.1, 0.1), run(2, 0, 0.1, 0.2, -0.2), run(3, 0, 0.5, 0.3, 0.05)])
    figures = result.figures()
    assert figures["two_stage/NDCG@10"] == pytest.approx(0.3)
    assert (figures["two_stage/NDCG@10/lowest"], figures["two_stage/NDCG@10/highest"]) == (0.1, 0.5)
    assert figures["two_stage/NDCG@10/deviation"] == pytest.approx(0.2)
    assert "two_stage/NDCG@10/deviation_of_seeds" not in figures
    assert result.sentences() == [
        "two_stage is ahead of popularity in 2 of 3 runs, clearly in 2: mean difference in NDCG@10 +0.1000, "
        "from -0.1000 to +0.2000."
    ]
    assert "two_stage" in str(result) and "2026-01-02 seed 0" in str(result)
    assert len(result.to_json()["runs"]) == 3  # type: ignore[arg-type]


def test_what_seeds_move_is_told_apart_from_what_days_move() -> None:
    result = Backtest([run(1, 0, 0.1, 0.1, 0), run(1, 1, 0.3, 0.1, 0), run(2, 0, 0.6, 0.2, 0), run(2, 1, 0.8, 0.2, 0)])
    figures = result.figures()
    assert figures["two_stage/NDCG@10/deviation_of_seeds"] == pytest.approx(np.sqrt(0.02))
    assert figures["popularity/NDCG@10/deviation_of_seeds"] == 0.0
    assert figures["popularity/NDCG@10/deviation"] > 0.05
    assert "of seeds" in str(result)


class Recorder:
    """Stands in for the trainer: keeps what it was given."""

    seen: ClassVar[list[tuple[int, Interactions, Interactions, Interactions]]] = []

    def __init__(self, config: ModelConfig, *, progress: bool) -> None:
        self.config = config

    def fit(self, train: Interactions, val: Interactions, *, leaks: str) -> "Recorder":
        self.parts, self.leaks = (train, val), leaks
        return self

    def evaluate(self, test: Interactions, *, k: int, leaks: str) -> Evaluation:
        assert leaks == self.leaks == "warn"
        self.seen.append((self.config.seed, *self.parts, test))
        return Evaluation({"two_stage/NDCG@10": float(len(self.seen))})


def test_each_moment_and_seed_learns_from_the_past_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enterprise_recsys.examining.backtest.ProductionTrainer", Recorder)
    told: list[Run] = []
    result = backtest(ModelConfig(seed=5), log_of(20), folds=2, seeds=2, told=told.append, leaks="warn")
    assert told == list(result.runs)
    assert [seed for seed, *_ in Recorder.seen] == [5, 6, 5, 6]
    for _, train, val, test in Recorder.seen:
        assert train.events["timestamp"].max() < val.events["timestamp"].min()
        assert val.events["timestamp"].max() < test.events["timestamp"].min()
    assert result.figures()["two_stage/NDCG@10"] == 2.5


@pytest.mark.slow
def test_models_are_trained_at_each_moment_and_seed(world: World) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1})
    told: list[Run] = []
    result = backtest(config, world.interactions, folds=1, seeds=2, told=told.append)
    assert [run.seed for run in result.runs] == [0, 1] and told == list(result.runs)
    first, second = (run.evaluation["two_stage/NDCG@10"] for run in result.runs)
    assert first != second
    assert result.figures()["two_stage/NDCG@10"] == pytest.approx((first + second) / 2)
