"""The training loop: which weights decay."""

from __future__ import annotations

import torch
from torch import nn

from enterprise_recsys.loop import Plan, run


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
