"""HISTORIES: a user's past items become one vector."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.layers import QuickDropout, masked_mean
from enterprise_recsys.retrieval.transformer import Transformer


class Mean(nn.Module):
    """The mean of the past items' embeddings [B, L, D] -> [B, D]; 0 for a user without a past."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.width_out = width

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """See the class."""
        return masked_mean(vectors, rows)


class Taste(nn.Module):
    """The past items' vectors together, turned by a matrix [B, L, D] -> [B, D]: in no order; 0 without a past.

    The sum is divided by the root of their number, as that of a user's id is by 1: the more is known of a past, the
    more it says beside the id, and one that goes every way says little.
    """

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.turn = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.turn.weight)
        self.dropout = QuickDropout(config.dropout)

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """See the class."""
        mask = (rows > 0).to(vectors.dtype).unsqueeze(-1)
        return self.pooled((vectors * mask).sum(dim=1), mask.sum(dim=1))

    def pooled(self, sums: Tensor, counts: Tensor) -> Tensor:
        """The same from the sums [B, D] of the vectors and their counts [B, 1]."""
        out: Tensor = self.dropout(self.turn(sums / counts.clamp(min=1.0).sqrt()))
        return out


HISTORIES: dict[str, Callable[[int, ModelConfig], Mean | Taste | Transformer]] = {
    "mean": Mean,
    "taste": Taste,
    "transformer": Transformer,
}
"""Name -> (width of an item's vector, dials) -> the part. A Transformer learns at all places of a history at once."""

AUTO = "auto"
"""In place of a name: teach some, and keep the one that validation prefers."""
CONTENDERS = ("taste", "transformer")
"""What 'auto' compares: one without order and one with."""
