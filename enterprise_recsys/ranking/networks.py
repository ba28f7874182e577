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
        experts: low-rank factors that a mixture chooses from.
        dropout: in the MLP, while training.
        batch_norm: normalise each layer of the MLP by its batch.
    """

    dims: Sequence[int]
    cross_layers: int = 2
    rank: int = 64
    experts: int = 4
    dropout: float = 0.0
    batch_norm: bool = False

    def mlp(self, width: int) -> nn.Sequential:
        """The deep part over rows of a width."""
        return mlp(width, self.dims, dropout=self.dropout, last_active=True, batch_norm=self.batch_norm)


class Network(Protocol):
    """Makes a network for rows of a width; it maps [R, width] -> [R, width_out] and tells its `width_out`."""

    def __call__(self, width: int, shape: Shape) -> nn.Module:
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


class Experts(nn.Module):
    """The sum over experts of gate_i(x) (U_i tanh(C_i tanh(V_i^T x)) + b), gates by softmax: [R, W] -> [R, W].

    Source: Wang et al., as above, equations 4 and 5 (the mixture of low-rank cross layers).
    """

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        rank, experts = max(shape.rank // shape.experts, 1), shape.experts
        self.inward = nn.Parameter(torch.empty(experts, width, rank))
        self.within = nn.Parameter(torch.empty(experts, rank, rank))
        self.outward = nn.Parameter(torch.empty(experts, rank, width))
        for one in (self.inward, self.within, self.outward):
            nn.init.xavier_normal_(one)
        self.bias = nn.Parameter(torch.zeros(width))
        self.gate = nn.Linear(width, experts)

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        small = torch.tanh(torch.einsum("rw,ewk->rek", row, self.inward))
        small = torch.tanh(torch.einsum("rek,ekj->rej", small, self.within))
        gates = torch.softmax(self.gate(row), dim=1).unsqueeze(-1)
        return torch.einsum("rek,ekw->rw", gates * small, self.outward) + self.bias


class Cross(nn.Module):
    """Cross layers of DCN-v2: x_{l+1} = x_0 * f_l(x_l) + x_l, [R, W] -> [R, W], where f is one of the maps above.

    Source: Wang et al., DCN V2, WWW 2021, doi:10.1145/3442381.3450078, equation 1.
    """

    def __init__(self, width: int, shape: Shape, kind: type[Matrix] | type[LowRank] | type[Experts] = Matrix) -> None:
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

    def __init__(self, cross: nn.Module, width: int, shape: Shape) -> None:
        super().__init__()
        self.cross, self.deep = cross, shape.mlp(width)
        self.width_out = width + shape.dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([self.cross(row), self.deep(row)], dim=1)


class Stacked(nn.Module):
    """An MLP over what the cross layers give: [R, W] -> [R, dims[-1]]."""

    def __init__(self, cross: nn.Module, width: int, shape: Shape) -> None:
        super().__init__()
        self.cross, self.deep = cross, shape.mlp(width)
        self.width_out = shape.dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.deep(self.cross(row))
        return out


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


NETWORKS: dict[str, Network] = {
    "dcn_v2": lambda width, shape: Parallel(Cross(width, shape), width, shape),
    "dcn_v2_stacked": lambda width, shape: Stacked(Cross(width, shape), width, shape),
    "dcn_v2_low_rank": lambda width, shape: Parallel(Cross(width, shape, LowRank), width, shape),
    "dcn_v2_mixture": lambda width, shape: Parallel(Cross(width, shape, Experts), width, shape),
    "mlp": PlainMLP,
}
