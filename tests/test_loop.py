"""The training loop: which weights decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from enterprise_recsys.loop import Plan, Progress, _Mean, run
from enterprise_recsys.rowwise import RowAdam


def test_embedding_tables_may_decay_alone() -> None:
    model = nn.ModuleDict({"table": nn.Embedding(3, 2), "line": nn.Linear(2, 1)})
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def nothing() -> torch.Tensor:
        # A loss that does not depend on the weights: only the decay moves them, a step each towards 0.
        return sum((one.sum() * 0.0 for one in model.parameters()), torch.zeros(()))

    run(model, lambda: [(1, nothing)], 1, Plan("x", 1, 1, learning_rate=0.1, weight_decay=0.0, embedding_l2=0.5))
    after = model.state_dict()
    assert torch.equal(after["line.weight"], before["line.weight"])
    assert torch.allclose(after["table.weight"], before["table.weight"] - 0.1 * before["table.weight"].sign())


def _line() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(1, 1, bias=False)


def _steps(model: nn.Linear, number: int):
    # The gradient is always 1: Adam walks down by the step size each time.
    return lambda: [(1, lambda: model.weight.sum()) for _ in range(number)]


def test_the_mean_of_the_weights_is_kept_and_validated() -> None:
    model, seen = _line(), []
    first = model.weight.item()
    run(
        model,
        _steps(model, 3),
        3,
        Plan("x", 1, 1, learning_rate=0.1, weight_decay=0.0, averaging=0.5),
        validate=lambda: seen.append(model.weight.item()) or 1.0,
    )
    # Weights after the steps: first - .1, - .2, - .3; the mean starts as the first and takes 10/12, 10/13 of the next.
    mean = first - 0.1
    for step, share in ((0.2, 10 / 12), (0.3, 10 / 13)):
        mean += share * (first - step - mean)
    assert seen == [pytest.approx(mean, abs=1e-6)] and model.weight.item() == pytest.approx(mean, abs=1e-6)


def test_a_long_training_forgets_its_start() -> None:
    model = _line()
    mean = _Mean(0.5, model, RowAdam(model, decay=0.0, is_averaged=True))
    with torch.no_grad():
        for step in range(60):
            model.weight.fill_(float(step))
            mean.take()
    assert mean.weights["weight"].item() == pytest.approx(58.0, abs=1e-3)  # shares 1/2, 1/4, ... of 59, 58, ...


def test_an_interrupted_mean_goes_on_to_the_same_bits(tmp_path) -> None:
    def fit(stop: bool, checkpoint) -> float:
        model = _line()

        def report(progress: Progress) -> None:
            if stop and progress.epoch == 3:
                raise KeyboardInterrupt

        plan = Plan("x", 4, 9, 0.1, 0.0, checkpoint, report, averaging=0.9)
        run(model, _steps(model, 2), 2, plan)
        return model.weight.item()

    whole = fit(False, None)
    with pytest.raises(KeyboardInterrupt):
        fit(True, tmp_path / "x.safetensors")
    assert fit(False, tmp_path / "x.safetensors") == whole


def test_a_falling_step_size_ends_at_nothing() -> None:
    model = _line()
    first = model.weight.item()
    run(model, _steps(model, 2), 2, Plan("x", 2, 1, learning_rate=0.1, weight_decay=0.0, falling=True))
    assert model.weight.item() == pytest.approx(first - 0.1 * (1.0 + 0.75 + 0.5 + 0.25), abs=1e-5)


@pytest.mark.parametrize(
    ("scores", "leader", "epochs"),
    [
        ([0.1, 0.2, 0.25, 0.27, 0.28, 0.285], None, 6),
        ([0.1, 0.2, 0.25, 0.27, 0.28, 0.285], 0.5, 3),  # (0.25 - 0.1) / 2 an epoch: 0.475 after three more
        ([0.1, 0.2, 0.25, 0.27, 0.28, 0.285], 0.37, 5),
        ([0.1, 0.2, 0.25, 0.27, 0.28, 0.285], 0.28, 6),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.59, 6),
        ([0.1, 0.01, 0.02, 0.01, 0.02, 0.03], 0.05, 3),  # patience comes first
    ],
)
def test_a_run_without_prospect_of_coming_up_to_its_leader_is_given_up(scores, leader, epochs) -> None:
    model, told = _line(), iter(scores)
    plan = Plan("x", 6, 2, 0.1, 0.0, leader=leader)
    assert run(model, _steps(model, 2), 2, plan, validate=lambda: next(told)).scores == scores[:epochs]


def test_the_end_of_an_epoch_is_told_once_however_many_examples_came() -> None:
    model, told = _line(), []
    plan = Plan("x", 2, 1, 0.1, 0.0, report=lambda one: told.append((one.epoch, one.done)) if one.done >= 2 else None)
    run(model, _steps(model, 5), 2, plan)  # about two were to come
    assert told == [(1, 2), (2, 2)]
