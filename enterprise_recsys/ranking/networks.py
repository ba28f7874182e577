"""NETWORKS: a row of embedded features becomes one vector for the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from enterprise_recsys.layers import mlp


@dataclass(frozen=True)
class Shape:
    """How a network is built.

    Attributes:
        dims: layer widths of the MLP.
        cross_layers: layers that multiply with the row.
        rank: of the factors of a low-rank cross layer.
        dropout: in the MLP, while training.
        batch_norm: normalise each layer of the MLP by its batch.
    """

    dims: Sequence[int]
    cross_layers: int = 2
    rank: int = 64
    dropout: float = 0.0
    batch_norm: bool = False

    def mlp(self, width: int) -> nn.Sequential:
        """The deep part over rows of a width."""
        return mlp(width, self.dims, dropout=self.dropout, last_active=True, batch_norm=self.batch_norm)


class Network(Protocol):
    """Makes a network for rows of a width; it maps [R, width] -> [R, width_out] and tells its `width_out`."""

    def __call__(self, width: int, shape: Shape) -> Parallel | PlainMLP:
        """The network."""


class Matrix(nn.Linear):
    """W x + b of a cross layer: [R, W] -> [R, W]."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__(width, width)


class LowRank(nn.Sequential):
    """U (V^T x) + b with factors of a small rank: [R, W] -> [R, W].

    Source: Wang et al., DCN V2, WWW 2021, doi:10.1145/3442381.3450078, section 3.4.
    """

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__(nn.Linear(width, shape.rank, bias=False), nn.Linear(shape.rank, width))


class Cross(nn.Module):
    """Cross layers of DCN-v2: x_{l+1} = x_0 * f_l(x_l) + x_l, [R, W] -> [R, W], where f is one of the maps above.

    Source: Wang et al., DCN V2, WWW 2021, doi:10.1145/3442381.3450078, equation 1.
    """

    def __init__(self, width: int, shape: Shape, kind: type[Matrix] | type[LowRank] = Matrix) -> None:
        super().__init__()
        self.layers = nn.ModuleList(kind(width, shape) for _ in range(shape.cross_layers))

    def forward(self, first: Tensor) -> Tensor:
        """See the class."""
        crossed = first
        for layer in self.layers:
            crossed = first * layer(crossed) + crossed
        return crossed


class Parallel(nn.Module):
    """Cross layers and an MLP side by side, joined: [R, W] -> [R, W + dims[-1]]."""

    def __init__(self, cross: Cross, width: int, shape: Shape) -> None:
        super().__init__()
        self.cross, self.deep = cross, shape.mlp(width)
        self.width_out = width + shape.dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([self.cross(row), self.deep(row)], dim=1)


class PlainMLP(nn.Module):
    """Only the MLP, to compare with: [R, W] -> [R, dims[-1]]."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.deep = shape.mlp(width)
        self.width_out = shape.dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.deep(row)
        return out


def headed(network: nn.Module, heads: nn.Linear, row: Tensor, *, is_half: bool) -> Tensor:
    """What the heads say of what a network makes of rows: [R, W] -> [R, H] float32, by way of bfloat16 if `is_half`.

    The rows are bfloat16 from the start: where each product casts them anew a step takes a tenth longer.
    """
    with torch.autocast(row.device.type, torch.bfloat16, enabled=is_half):
        out: Tensor = heads(network(row.bfloat16() if is_half else row))
    return out.float()


NETWORKS: dict[str, Network] = {
    "dcn_v2": lambda width, shape: Parallel(Cross(width, shape), width, shape),
    "dcn_v2_low_rank": lambda width, shape: Parallel(Cross(width, shape, LowRank), width, shape),
    "mlp": PlainMLP,
}
