"""The loop: the running mean of the weights is what is validated and kept, and it goes on after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import Tensor, nn

from enterprise_recsys.loop import Plan, run


def one_weight() -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model


def falling(model: nn.Linear, steps: int) -> Callable[[], Iterator[tuple[int, Callable[[], Tensor]]]]:
    """A loss with the slope -1: Adam adds the step size each time."""
    return lambda: ((1, lambda: -model.weight.sum()) for _ in range(steps))


def test_the_mean_of_the_weights_is_worked_out_as_by_hand() -> None:
    model = one_weight()
    run(model, falling(model, 3), 3, Plan("made", 1, 1, 1.0, 0.0, averaging=0.15))
    # Weights 1, 2, 3; the mean goes 1/11, 2/12 and then 0.15 of the way from each back to where it was.
    first = 1 - 1 / 11
    second = 2 + (first - 2) * 0.15
    assert model.weight.item() == pytest.approx(3 + (second - 3) * 0.15, rel=1e-4)


def test_without_averaging_the_last_weights_stay() -> None:
    model = one_weight()
    run(model, falling(model, 3), 3, Plan("made", 1, 1, 1.0, 0.0))
    assert model.weight.item() == pytest.approx(3.0, rel=1e-4)


def test_the_mean_is_what_validation_sees_and_the_weights_go_on_from_where_they_were() -> None:
    model, seen = one_weight(), []

    def validate() -> float:
        seen.append(model.weight.item())
        return seen[-1]

    run(model, falling(model, 2), 2, Plan("made", 3, 3, 1.0, 0.0, averaging=0.9), validate=validate)
    assert seen == sorted(seen) and seen[0] < 2 and seen[-1] < 6, "the weights themselves are 2, 4 and 6"
    assert model.weight.item() == pytest.approx(seen[-1])


def test_an_interrupted_mean_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    ends = []
    for stops in ([3], [1, 3]):
        model = one_weight()
        for epochs in stops:
            path = tmp_path / f"{len(stops)}.safetensors"
            run(model, falling(model, 2), 2, Plan("made", epochs, 3, 1.0, 0.0, path, averaging=0.9))
        ends.append(model.weight.item())
    assert ends[0] == ends[1]
