"""HISTORIES: a user's past items become one vector."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.layers import masked_mean
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
    """The mean of the past items' vectors, turned by a matrix [B, L, D] -> [B, D]: in no order; 0 without a past."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.turn = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.turn.weight)

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.turn(masked_mean(vectors, rows))
        return out


HISTORIES: dict[str, Callable[[int, ModelConfig], Mean | Taste | Transformer]] = {
    "mean": Mean,
    "taste": Taste,
    "transformer": Transformer,
}
"""Name -> (width of an item's vector, dials) -> the part. A Transformer learns at all places of a history at once."""

AUTO = "auto"
"""In place of a name: teach each, and keep the one that validation prefers."""
