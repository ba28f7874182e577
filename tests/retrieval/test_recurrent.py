"""The gated recurrent units are those of the formula, and what they have read is all that they know."""

import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.retrieval.recurrent import Recurrent


def made(*, dropout: float = 0.0) -> Recurrent:
    torch.manual_seed(0)
    part = Recurrent(4, ModelConfig(history_length=6, dropout=dropout))
    torch.nn.init.normal_(part.start)
    return part


def test_each_state_is_what_the_formula_makes_of_the_one_before() -> None:
    part, vectors = made(), torch.randn(3, 5, 4)
    told, kept = part.cells.weight_ih_l0, part.cells.weight_hh_l0
    told_bias, kept_bias = part.cells.bias_ih_l0, part.cells.bias_hh_l0
    state = part.start.expand(3, 4)
    wanted = [state]
    for item in (vectors * 2.0).unbind(1):  # by the root of the width
        reset, update, new = (item @ told.T + told_bias).chunk(3, dim=1)
        reset_before, update_before, new_before = (state @ kept.T + kept_bias).chunk(3, dim=1)
        share = torch.sigmoid(update + update_before)
        candidate = torch.tanh(new + torch.sigmoid(reset + reset_before) * new_before)
        state = share * state + (1.0 - share) * candidate
        wanted.append(state)
    assert torch.allclose(part.states(vectors), torch.stack(wanted, dim=1), atol=1e-6)


def test_while_learning_half_of_what_is_read_and_of_what_comes_out_is_dropped_and_afterwards_none() -> None:
    part, vectors, heard = made(dropout=0.5), torch.randn(40, 25, 4), []
    part.cells.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    states = part.states(vectors)
    assert (heard[0] == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (states == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    part.eval()
    assert torch.equal(part.states(vectors), part.states(vectors)) and (part.states(vectors) != 0).all()
    assert torch.equal(heard[-1], vectors * 2.0)
