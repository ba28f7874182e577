"""The Transformer looks back and never ahead, and says the same however a history is padded."""

import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.layers import QuickDropout
from enterprise_recsys.retrieval.transformer import Transformer


def made(*, blocks: int = 2, heads: int = 2) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(8, ModelConfig(history_length=6, blocks=blocks, heads=heads, dropout=0.3)).eval()
    for parameter in model.parameters():  # far from the first, tiny weights, so that every part has a say
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def test_a_later_event_never_changes_an_earlier_state() -> None:
    model, vectors = made(), torch.randn(2, 5, 8)
    before = model.states(vectors)
    vectors[:, 3] = torch.randn(2, 8)
    after = model.states(vectors)
    assert torch.equal(before[:, :4], after[:, :4]), "states 0 to 3 know the first three items alone"
    assert (before[:, 4:] - after[:, 4:]).abs().amax(dim=2).min() > 1e-3


def test_holes_on_the_right_change_nothing_before_them() -> None:
    model, vectors = made(), torch.randn(2, 5, 8)
    assert torch.allclose(model.states(vectors[:, :2]), model.states(vectors)[:, :3], atol=1e-6)


@pytest.mark.parametrize("length", [0, 1, 4, 6])
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_newest_state_of_a_padded_history_is_the_last_of_the_sequence(length: int, blocks: int) -> None:
    model, vectors = made(blocks=blocks), torch.randn(1, 6, 8)
    rows = torch.zeros(1, 6, dtype=torch.int64)
    rows[:, 6 - length :] = 5
    newest = model(vectors, rows)
    assert torch.allclose(newest, model.states(vectors[:, 6 - length :])[:, -1], atol=1e-5)


@pytest.mark.parametrize("rows", [[0, 3, 0, 4, 5, 0], [3, 0, 4, 5, 0, 0], [0, 0, 3, 4, 0, 5]])
def test_items_that_nobody_knows_are_holes_wherever_they_stand(rows: list[int]) -> None:
    model, vectors, told = made(), torch.randn(1, 6, 8), torch.tensor([rows])
    assert torch.allclose(model(vectors, told), model.states(vectors[:, told[0] > 0])[:, -1], atol=1e-5)


def test_what_stands_in_a_hole_is_never_seen() -> None:
    model, vectors, rows = made(), torch.randn(1, 6, 8), torch.tensor([[0, 0, 3, 4, 5, 6]])
    changed = vectors.clone()
    changed[:, :2] = 9.0
    assert torch.equal(model(vectors, rows), model(changed, rows))


def test_the_order_of_a_history_matters() -> None:
    model, vectors, rows = made(), torch.randn(1, 3, 8), torch.tensor([[1, 2, 3]])
    assert (model(vectors, rows) - model(vectors[:, [1, 0, 2]], rows)).abs().max() > 1e-3


def test_quick_dropout_keeps_the_mean_and_drops_the_share() -> None:
    torch.manual_seed(0)
    dropout = QuickDropout(0.25)
    values = dropout(torch.ones(400, 501))
    assert (values == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    assert values[values > 0].unique().tolist() == pytest.approx([4 / 3]) and values.mean().item() == pytest.approx(
        1, abs=0.01
    )
    assert torch.equal(dropout.eval()(values), values)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"heads=3 .* 64"):
        ModelConfig(heads=3)
