"""What the losses of several tasks count: as the config says, or as they are learnt to."""

from __future__ import annotations

import math

import pytest
import torch

from enterprise_recsys.ranking.weighing import Weighing


def told(**losses: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(loss) for name, loss in losses.items()}


def test_fixed_weights_are_those_given_and_nothing_is_learnt() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 0.5})
    assert weighing(told(ctr=0.4, rating=3.0)).item() == pytest.approx(1.9)
    assert list(weighing.parameters()) == [] and weighing.state_dict() == {}


def test_at_fixed_losses_the_learnt_log_variance_comes_to_rest_at_the_log_of_twice_the_loss() -> None:
    weighing, losses = Weighing({"ctr": 1.0, "rating": 0.5}, is_learnt=True), told(ctr=0.25, rating=8.0)
    assert weighing(losses).item() == pytest.approx(0.25 + 8.0), "s is 0 at first, whatever the fixed weights"
    optimizer = torch.optim.SGD(weighing.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        weighing(losses).backward()
        optimizer.step()
    learnt = {name: own.item() for name, own in weighing.log_variances.items()}
    assert learnt == pytest.approx({"ctr": math.log(0.5), "rating": math.log(16.0)}, abs=1e-4)
    # There a task counts 1 / (2 L), each loss gives 1/2, and the sum is 1 + (log .5 + log 16) / 2.
    assert weighing(losses).item() == pytest.approx(1.0 + math.log(8.0) / 2.0)
    assert set(weighing.state_dict()) == {"log_variances.ctr", "log_variances.rating"}, "kept with the network"


def test_the_gradient_of_a_task_is_weighted_by_its_log_variance() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 1.0}, is_learnt=True)
    with torch.no_grad():
        weighing.log_variances["rating"].fill_(math.log(4.0))
    losses = {name: torch.tensor(2.0, requires_grad=True) for name in ("ctr", "rating")}
    weighing(losses).backward()
    assert losses["ctr"].grad is not None and losses["ctr"].grad.item() == 1.0
    assert losses["rating"].grad is not None and losses["rating"].grad.item() == pytest.approx(0.25)


def test_a_task_without_a_label_does_not_move_its_log_variance() -> None:
    weighing = Weighing({"ctr": 1.0, "rating": 1.0}, is_learnt=True)
    weighing(told(ctr=0.5, rating=0.0)).backward()
    assert weighing.log_variances["rating"].grad is not None and weighing.log_variances["rating"].grad.item() == 0.0
    assert weighing.log_variances["ctr"].grad is not None
    assert weighing.log_variances["ctr"].grad.item() == 0.0, "e^-0 * .5 = 1/2: at rest"


def test_a_task_of_weight_0_is_out_and_one_alone_counts_as_it_is() -> None:
    alone = Weighing({"ctr": 1.0, "rating": 0.0}, is_learnt=True)
    assert alone(told(ctr=0.5, rating=9.0)).item() == 0.5 and list(alone.parameters()) == []
    assert Weighing({"ctr": 0.0, "rating": 0.0})(told(ctr=0.5, rating=9.0)).item() == 0.0
