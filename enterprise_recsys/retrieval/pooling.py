"""Pooling: the past items' embeddings in no order become one vector, which a tower joins with all else of the user."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.layers import masked_mean

_ASKED = 32
"""Width of the layer that weighs an item."""


class Mean(nn.Module):
    """The mean of the past items' embeddings [B, L, D] -> [B, D]; 0 for a user without a past."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.width_out = width

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """See the class; rows [B, L] tell holes (0), anywhere."""
        return masked_mean(vectors, rows)


class Attention(Mean):
    """A mean in which each past item counts by what it is: weights softmax(v · tanh(W e + b)) over the past.

    It begins as the mean.

    Source: Yang et al., NAACL 2016, doi:10.18653/v1/N16-1174, eq. 5 to 7.
    """

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__(width, config)
        self.hidden, self.weigh = nn.Linear(width, _ASKED), nn.Linear(_ASKED, 1, bias=False)
        nn.init.zeros_(self.weigh.weight)

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """See `Mean.forward`."""
        told = rows > 0
        scores = self.weigh(torch.tanh(self.hidden(vectors)))[..., 0].masked_fill(~told, -1e9)
        # Without a past all places are alike, and none of them counts.
        shares = torch.softmax(scores, dim=1) * told
        return (shares.unsqueeze(-1) * vectors).sum(dim=1)
