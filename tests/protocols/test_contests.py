"""Two systems of one protocol are compared user by user, over the seeds that asked the same number of users."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from enterprise_recsys.protocols.contests import differences
from enterprise_recsys.protocols.measuring import Figure, Run
from enterprise_recsys.records import Doubles


def run(values: Doubles, stage: str = "retrieval") -> Run:
    return Run([Figure(stage, "NDCG@10", float(values.mean()), of_users=values), Figure(stage, "Coverage@10", 0.5)], {})


def test_users_are_paired_and_seeds_averaged() -> None:
    generator = np.random.default_rng(0)
    hardness = generator.random(400)
    first = [hardness + generator.normal(0.02, 0.1, 400) for _ in range(3)]
    second = [hardness + generator.normal(0.0, 0.1, 400) for _ in range(3)]
    told = differences({"a": [run(one) for one in first], "b": [run(one) for one in second]}, "NDCG@10")
    gap = np.mean(first, axis=0) - np.mean(second, axis=0)
    assert told["a-b/NDCG@10"] == pytest.approx(gap.mean())
    assert told["a-b/NDCG@10/p"] == pytest.approx(stats.ttest_1samp(gap, 0.0).pvalue, abs=0.003)
    assert told["a-b/NDCG@10/low"] < gap.mean() < told["a-b/NDCG@10/high"]
    assert [text[:23] for text in told.sentences("NDCG@10")] == ["a is better than b in N"]
    assert differences({"a": [run(first[0])], "b": [run(second[0])]}, "Coverage@10") == {}


def test_stages_are_told_apart_and_seeds_of_other_users_are_not_averaged() -> None:
    both = Run([*run(np.ones(5)).figures, *run(np.zeros(5), "two_stage").figures], {})
    told = differences({"ours": [both], "ease": [run(np.ones(5) / 2), run(np.ones(7))]}, "NDCG@10")
    pairs = {key.split("/")[0]: value for key, value in told.items() if key.count("/") == 1}
    assert pairs == {"ours_retrieval-ours_two_stage": 1.0, "ours_retrieval-ease": 0.5, "ours_two_stage-ease": -0.5}


def of_draws(metric: str, value: float, drawn: Doubles) -> Run:
    return Run([Figure("ranking", metric, value, of_draws=drawn)], {})


def test_figures_of_all_events_are_compared_draw_by_draw() -> None:
    generator = np.random.default_rng(0)
    common = generator.normal(0.0, 0.05, 1000)  # what the drawn users do to both
    first, second = 0.35 + common + generator.normal(0, 0.002, 1000), 0.36 + common
    runs = {"a": [of_draws("LogLoss", 0.35, first)], "b": [of_draws("LogLoss", 0.36, second)]}
    told = differences(runs, "LogLoss")
    assert told["a-b/LogLoss"] == pytest.approx(-0.01)
    assert told["a-b/LogLoss/low"] == pytest.approx(-0.01 - 1.96 * 0.002, abs=4e-4)
    assert told["a-b/LogLoss/high"] == pytest.approx(-0.01 + 1.96 * 0.002, abs=4e-4)
    assert told["a-b/LogLoss/p"] == pytest.approx(2 / 1001)
    assert [text[:30] for text in told.sentences("LogLoss")] == ["a is better than b in LogLoss "], "less is better"
    same = {name: [of_draws("AUC", 0.8, first)] * 3 for name in ("a", "b")}
    assert differences(same, "AUC")["a-b/AUC/p"] == 1.0
