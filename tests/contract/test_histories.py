"""What holds for every part of HISTORIES that goes by order: it looks back, never ahead, and passes over holes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from enterprise_recsys import ModelConfig
from enterprise_recsys.retrieval.history import HISTORIES, Sequential
from enterprise_recsys.retrieval.retriever import LESSONS
from enterprise_recsys.retrieval.sequences import Sequences

CONFIG = ModelConfig(history_length=6, dropout=0.3, temperature=1.0)
SEQUENTIAL = [name for name, build in HISTORIES.items() if isinstance(build(8, CONFIG), Sequential)]


def made(name: str) -> Sequential:
    torch.manual_seed(0)
    part = HISTORIES[name](8, CONFIG)
    assert isinstance(part, nn.Module) and isinstance(part, Sequential)
    for parameter in part.parameters():  # far from the first, tiny weights, so that every part has a say
        nn.init.normal_(parameter, std=0.5)
    part.eval()
    return part


def test_those_that_go_by_order_learn_from_whole_histories() -> None:
    assert SEQUENTIAL == ["transformer", "gru"]
    assert [name for name, lessons in LESSONS.items() if lessons is Sequences] == SEQUENTIAL
    assert set(LESSONS) == set(HISTORIES)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_later_event_never_changes_an_earlier_state(name: str) -> None:
    part, vectors = made(name), torch.randn(2, 5, 8)
    before = part.states(vectors)
    vectors[:, 3] = torch.randn(2, 8)
    after = part.states(vectors)
    assert before.shape == (2, 6, 8)
    assert torch.equal(before[:, :4], after[:, :4]), "states 0 to 3 know the first three items alone"
    assert (before[:, 4:] - after[:, 4:]).abs().amax(dim=2).min() > 1e-3


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_holes_on_the_right_change_nothing_before_them(name: str) -> None:
    part, vectors = made(name), torch.randn(2, 5, 8)
    for length in (0, 2):
        assert torch.allclose(part.states(vectors[:, :length]), part.states(vectors)[:, : length + 1], atol=1e-6)


@pytest.mark.parametrize("length", [0, 1, 4, 6])
@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_newest_state_of_a_padded_history_is_the_last_of_the_sequence(name: str, length: int) -> None:
    part, vectors = made(name), torch.randn(1, 6, 8)
    rows = torch.zeros(1, 6, dtype=torch.int64)
    rows[:, 6 - length :] = 5
    assert torch.allclose(part(vectors, rows), part.states(vectors[:, 6 - length :])[:, -1], atol=1e-5)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_items_that_nobody_knows_are_holes_wherever_they_stand(name: str) -> None:
    part, vectors = made(name), torch.randn(3, 6, 8)
    rows = torch.tensor([[0, 3, 0, 4, 5, 0], [3, 0, 4, 5, 0, 0], [0, 0, 3, 4, 0, 5]])
    newest = part(vectors, rows)
    for place in range(3):
        alone = part.states(vectors[place : place + 1, rows[place] > 0])[:, -1]
        assert torch.allclose(newest[place : place + 1], alone, atol=1e-5), rows[place].tolist()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_what_stands_in_a_hole_is_never_seen(name: str) -> None:
    part, vectors, rows = made(name), torch.randn(1, 6, 8), torch.tensor([[0, 2, 3, 0, 5, 6]])
    changed = vectors.clone()
    changed[:, [0, 3]] = 9.0
    assert torch.equal(part(vectors, rows), part(changed, rows))


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_order_of_a_history_matters(name: str) -> None:
    part, vectors, rows = made(name), torch.randn(1, 3, 8), torch.tensor([[1, 2, 3]])
    assert (part(vectors, rows) - part(vectors[:, [1, 0, 2]], rows)).abs().max() > 1e-3


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_everything_that_can_be_learnt_is_heard(name: str) -> None:
    part, vectors = made(name), torch.randn(2, 6, 8)
    (part.states(vectors) * torch.randn(2, 7, 8)).sum().backward()
    assert isinstance(part, nn.Module)
    for path, parameter in part.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, path
