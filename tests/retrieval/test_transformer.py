"""The newest state of a Transformer is worked out alone; the rest of what it must do is in contract/test_histories."""

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


@pytest.mark.parametrize("length", [0, 1, 4, 6])
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_newest_state_of_a_padded_history_is_the_last_of_the_sequence(length: int, blocks: int) -> None:
    model, vectors = made(blocks=blocks), torch.randn(1, 6, 8)
    rows = torch.zeros(1, 6, dtype=torch.int64)
    rows[:, 6 - length :] = 5
    newest = model(vectors, rows)
    assert torch.allclose(newest, model.states(vectors[:, 6 - length :])[:, -1], atol=1e-5)


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
