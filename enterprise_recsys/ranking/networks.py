"""NETWORKS: a row of embedded features becomes one vector for the heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from enterprise_recsys.layers import mlp


class Cross(nn.Module):
    """Cross layers of DCN-v2: x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, [R, W] -> [R, W].

    Source: Wang et al., DCN V2, WWW 2021, doi:10.1145/3442381.3450078, equation 1 (the matrix form).
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))

    def forward(self, first: Tensor) -> Tensor:
        """See the class."""
        crossed = first
        for layer in self.layers:
            crossed = first * layer(crossed) + crossed
        return crossed


class DCNv2(nn.Module):
    """Cross layers and an MLP side by side (the parallel form), joined: [R, W] -> [R, W + dims[-1]]."""

    def __init__(self, width: int, dims: Sequence[int], *, cross_layers: int, dropout: float) -> None:
        super().__init__()
        self.cross = Cross(width, cross_layers)
        self.deep = mlp(width, dims, dropout=dropout, last_active=True)
        self.width_out = width + dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        return torch.cat([self.cross(row), self.deep(row)], dim=1)


class PlainMLP(nn.Module):
    """Only the MLP, to compare with: [R, W] -> [R, dims[-1]]."""

    def __init__(self, width: int, dims: Sequence[int], *, cross_layers: int, dropout: float) -> None:
        super().__init__()
        self.deep = mlp(width, dims, dropout=dropout, last_active=True)
        self.width_out = dims[-1]

    def forward(self, row: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.deep(row)
        return out


NETWORKS: dict[str, Callable[..., nn.Module]] = {"dcn_v2": DCNv2, "mlp": PlainMLP}
