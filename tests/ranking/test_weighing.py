"""What the losses of several tasks count: as the config says, or as they are learnt to."""

from __future__ import annotations

import math

import pytest
import torch

from enterprise_recsys.ranking.weighing import Weighing


def told(**losses: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(loss, requires_grad=True) for name, loss in losses.items()}


def learnt(weighing: Weighing) -> dict[str, float]:
    return {name: own.item() for name, own in weighing.log_variances.items()}


def test_fixed_weights_are_those_given_and_nothing_is_learnt() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 0.5})
    assert weighing(told(ctr=0.4, rating=3.0)).item() == pytest.approx(1.9)
    assert list(weighing.parameters()) == [] and weighing.state_dict() == {}


def test_learnt_weights_begin_where_each_task_counts_as_much() -> None:
    weighing, losses = Weighing({"ctr": 1.0, "rating": 0.5}, is_learnt=True), told(ctr=0.25, rating=8.0)
    # In proportion to 1 / L, 4 to 1/8, and 1.5 in all.
    shares = [1.5 * 32 / 33, 1.5 / 33]
    total = weighing(losses)
    assert total.item() == pytest.approx(shares[0] * 0.25 + shares[1] * 8.0)
    total.backward()
    assert [loss.grad.item() for loss in losses.values() if loss.grad is not None] == pytest.approx(shares)
    assert learnt(weighing) == pytest.approx({"ctr": math.log(0.5), "rating": math.log(16.0)})
    assert all(own.grad is not None and abs(own.grad.item()) < 1e-6 for own in weighing.parameters()), "at rest"
    assert set(weighing.state_dict()) == {"log_variances.ctr", "log_variances.rating"}, "kept with the network"


def test_at_fixed_losses_the_log_variance_comes_to_rest_at_the_log_of_twice_the_loss() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 0.5}, is_learnt=True)
    weighing(told(ctr=1.0, rating=1.0))
    optimizer = torch.optim.SGD(weighing.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        weighing(told(ctr=0.25, rating=8.0)).backward()
        optimizer.step()
    assert learnt(weighing) == pytest.approx({"ctr": math.log(0.5), "rating": math.log(16.0)}, abs=1e-4)


def test_a_task_without_a_label_waits_for_its_first_one() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 1.0}, is_learnt=True)
    assert weighing(told(ctr=0.5, rating=0.0)).item() == pytest.approx(2.0 * 0.5), "it has the whole weight"
    assert math.isnan(learnt(weighing)["rating"])
    assert weighing(told(ctr=0.5, rating=2.0)).item() == pytest.approx(1.6 * 0.5 + 0.4 * 2.0), "4 to 1, and 2 in all"


def test_a_task_of_weight_0_is_out_and_one_alone_has_the_whole_weight() -> None:
    alone = Weighing({"ctr": 0.7, "rating": 0.0}, is_learnt=True)
    assert alone(told(ctr=0.5, rating=9.0)).item() == pytest.approx(0.35) and list(learnt(alone)) == ["ctr"]
    assert Weighing({"ctr": 0.0, "rating": 0.0})(told(ctr=0.5, rating=9.0)).item() == 0.0
