"""Large tables: what is taught by rows comes to what is taught whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from enterprise_recsys import rowwise
from enterprise_recsys.loop import Plan, Progress, run
from enterprise_recsys.rowwise import RowAdam, Table

ROWS, WIDTH = 40, 3


class _Pairs(nn.Module):
    """A table, and a line over the mean of some of its rows, which are seldom all read."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.line = Table(ROWS, WIDTH, padding_idx=0), nn.Linear(WIDTH, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return self.line(torch.tanh(self.table(rows)).mean(dim=1))[:, 0]


@pytest.fixture
def doubles() -> Iterator[None]:
    """Rounding, which training enlarges, is out of the way."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def by_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rowwise, "LARGE_ROWS", 1)
    monkeypatch.setattr(rowwise, "_AT_ONCE", 16)
    yield


def _steps(model: _Pairs, number: int):
    generator = torch.Generator().manual_seed(1)
    # Row 39 is read in the first step alone, row 38 by nobody, and a few rows in nearly every step.
    drawn = [(torch.rand(4, 5, generator=generator) ** 3 * 38).long() for _ in range(number)]
    drawn[0][0, 0] = 39

    def losses():
        return [(4, lambda rows=rows: ((model(rows) - rows.float().mean(dim=1) / 9) ** 2).mean()) for rows in drawn]

    return losses


def _learnt(plan: Plan, number: int = 40, *, validate=None) -> tuple[_Pairs, object]:
    model = _Pairs()
    fit = run(model, _steps(model, number), 4 * number, plan, validate=None if validate is None else validate(model))
    return model, fit


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("falling", [False, True])
def test_by_rows_is_what_adam_over_all_rows_gives(
    averaging: float, falling: bool, doubles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan("x", 3, 9, 0.05, 0.0, averaging=averaging, falling=falling)
    whole, _ = _learnt(plan)
    monkeypatch.setattr(rowwise, "LARGE_ROWS", ROWS)
    rows, _ = _learnt(plan)
    assert rows.table.sparse and not whole.table.sparse
    first = _Pairs().table.weight
    assert (whole.table.weight - first).abs().max() > 0.5
    assert torch.equal(rows.table.weight[38], first[38]), "nobody read it"
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(rows.state_dict()[name], value, rtol=0.0, atol=3e-5)


def test_a_row_goes_on_moving_after_its_gradient_as_adam_has_it(by_rows: None) -> None:
    # One gradient of 1 in the first step, then none: Adam's moments fade, and the row moves nine times as far again.
    table = Table(2, 1)
    nn.init.zeros_(table.weight)
    whole = nn.Parameter(torch.zeros(2, 1))
    adam = torch.optim.Adam([whole], lr=0.1)
    with RowAdam(table, decay=0.0, is_averaged=False) as rows:
        for step in range(600):
            rows.clear()
            if step == 0:
                table(torch.tensor([1])).sum().backward()
            rows.step(0.1)
            whole.grad = torch.tensor([[0.0], [1.0 if step == 0 else 0.0]])
            adam.step()
        assert table.weight[1].item() == pytest.approx(-0.1, abs=1e-6), "it has not been read since"
        read = table(torch.tensor([[1, 0]]))[0, 0].item()
    assert read == pytest.approx(whole[1].item(), rel=1e-4) and read < -0.3
    assert table.reading is None


def test_the_mean_of_a_row_that_is_untouched_is_what_the_steps_would_have_made_it(by_rows: None) -> None:
    table = Table(3, 1)
    nn.init.ones_(table.weight)
    with RowAdam(table, decay=0.0, is_averaged=True) as rows:
        mean = None
        for step, share in enumerate([1.0, 0.5, 0.25, 0.125]):
            rows.clear()
            if step == 0:
                (table(torch.tensor([1])) * 2.0).sum().backward()
            rows.step(0.1)
            rows.average(share)
        rows.settle()
        rows.swap()
        mean = table.weight.detach().clone()
        rows.swap()
    # By hand: weights after the steps with the gradient 2, 0, 0, 0.
    weight, first, second, wanted = 1.0, 0.0, 0.0, None
    for step, share in enumerate([1.0, 0.5, 0.25, 0.125], start=1):
        gradient = 2.0 if step == 1 else 0.0
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weight -= 0.1 * first / (1 - 0.9**step) / (second / (1 - 0.999**step)) ** 0.5
        wanted = weight if wanted is None else wanted + share * (weight - wanted)
    assert mean[:, 0].tolist() == pytest.approx([1.0, wanted, 1.0], abs=1e-6)
    assert table.weight[1].item() == pytest.approx(weight, abs=1e-6)


def test_validation_sees_whole_tables_and_the_best_are_kept(
    by_rows: None, doubles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(seen: list[Tensor]):
        def of(model: _Pairs):
            def score() -> float:
                seen.append(model.table.weight.detach().clone())
                return [1.0, 3.0, 2.0][len(seen) - 1]

            return score

        return of

    plan, by_row, whole = Plan("x", 3, 9, 0.05, 0.0, averaging=0.9), [], []
    model, fit = _learnt(plan, validate=validate(by_row))
    monkeypatch.setattr(rowwise, "LARGE_ROWS", ROWS + 1)
    _learnt(plan, validate=validate(whole))
    for one, other in zip(by_row, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=3e-5)
    assert fit.epoch == 2 and torch.equal(model.table.weight, by_row[1])


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_an_interrupted_training_goes_on_to_the_same_bits(by_rows: None, averaging: float, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    scores = [1.0, 2.0, 0.5, 0.4]

    def learnt(checkpoint: Path | None, report=None, skip: int = 0) -> _Pairs:
        told = iter(scores[skip:])
        plan = Plan("x", 4, 9, 0.05, 0.0, checkpoint, report, averaging=averaging)
        return _learnt(plan, validate=lambda model: lambda: next(told))[0]

    whole = learnt(None)
    with pytest.raises(KeyboardInterrupt):
        learnt(tmp_path / "x.safetensors", stop)
    resumed = learnt(tmp_path / "x.safetensors", skip=2)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value)


def test_the_last_weights_after_an_interruption_are_the_same_bits_too(by_rows: None, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    whole, _ = _learnt(Plan("x", 3, 9, 0.05, 0.0, averaging=0.9))
    with pytest.raises(KeyboardInterrupt):
        _learnt(Plan("x", 3, 9, 0.05, 0.0, tmp_path / "x.safetensors", stop, averaging=0.9))
    resumed, _ = _learnt(Plan("x", 3, 9, 0.05, 0.0, tmp_path / "x.safetensors", averaging=0.9))
    assert torch.equal(resumed.table.weight, whole.table.weight)


def test_only_rows_that_are_touched_decay(by_rows: None) -> None:
    table = Table(3, 1)
    nn.init.ones_(table.weight)
    # The gradient of row 1 is nothing but the decay; Adam's first step is as long as the step size.
    run(
        table,
        lambda: [(1, lambda: table(torch.tensor([1])).sum() * 0.0)],
        1,
        Plan("x", 1, 1, learning_rate=0.1, weight_decay=0.0, embedding_l2=0.5),
    )
    assert table.weight[:, 0].tolist() == pytest.approx([1.0, 0.9, 1.0])


def test_a_small_table_is_an_embedding_like_any_other() -> None:
    table = Table(rowwise.LARGE_ROWS - 1, 1)
    table(torch.tensor([3, 3])).sum().backward()
    assert not table.weight.grad.is_sparse and table.weight.grad[3].item() == 2.0
    assert Table(rowwise.LARGE_ROWS, 1).sparse
