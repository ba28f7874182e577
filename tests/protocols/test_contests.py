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
