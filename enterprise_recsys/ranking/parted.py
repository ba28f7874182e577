"""Parted: the ranker as it is served, with what does not depend on the candidate worked out once a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, nn

from enterprise_recsys.layers import ListMean
from enterprise_recsys.ranking.networks import Cross, Matrix, Parallel

if TYPE_CHECKING:
    from enterprise_recsys.ranking.ranker import RankingNetwork


class Parted(nn.Module):
    """A ranking network over users' columns [B, ...] and candidates' columns [B, K, ...] -> what it says [B*K].

    A linear layer W x over x = (u, i) is W_u u + W_i i, and the first term is the same for all candidates of a
    request. The last cross layer is seen by the heads alone, which need no more of its square matrix than

        h (x0 * (W x + b)) = ((h_u * u) W_u) x + (h_u * u) b_u + h_i (i * (W_i x + b_i)),

    where (u, i) = x0 and the rows of h, W and b are parted in the same way. It is the same function with its sums in
    another order; at the default sizes, with three of five columns the user's, half of the multiplications are left.

    Args:
        model: trained; later changes of its weights are not seen.
        items: the columns that differ from candidate to candidate; all others are the request's.
    """

    def __init__(self, model: RankingNetwork, items: Sequence[str]) -> None:
        super().__init__()
        embedding = model.embedding
        self.model, self.items = model, set(items)
        self.of_user = [name for name in embedding.names if name not in self.items]
        self.of_item = [name for name in embedding.names if name in self.items]
        self.means = nn.ModuleDict(embedding.quick_means())
        widths = {name: embedding.width_of(name) for name in embedding.names}
        starts = dict(zip(widths, torch.tensor([0, *widths.values()]).cumsum(0).tolist(), strict=False))
        order = [starts[name] + place for name in self.of_user + self.of_item for place in range(widths[name])]
        self.back = nn.Buffer(torch.argsort(torch.tensor(order)))
        network = model.network
        self.dcn: _PartedDCN | None = None
        if _can_be_parted(network):
            user_width = sum(widths[name] for name in self.of_user)
            self.dcn = _PartedDCN(network, model.heads, torch.tensor(order), user_width)

    def forward(self, columns: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """See the class."""
        scaled = self.model.scaled(columns)
        means = {name: mean for name, mean in self.means.items() if isinstance(mean, ListMean)}
        user = self.model.embedding.embedded(scaled, self.of_user, means)  # [B, U]
        item = self.model.embedding.embedded(scaled, self.of_item, means)  # [B, K, V]
        if self.dcn is not None:
            return self.model.told(self.dcn(user, item).flatten(0, 1))
        rows = _joined(user, item)[:, :, self.back].flatten(0, 1)
        return self.model.told(self.model.heads(self.model.network(rows)))


def _can_be_parted(network: nn.Module) -> TypeGuard[Parallel]:
    """Whether it is DCN-v2 with square matrices beside an MLP that normalises nothing by its batch."""
    return (
        isinstance(network, Parallel)
        and isinstance(network.cross, Cross)
        and all(isinstance(layer, Matrix) for layer in network.cross.layers)
        and not any(isinstance(layer, nn.BatchNorm1d) for layer in network.deep)
    )


class _PartedLinear(nn.Module):
    """A linear layer over (u, i): [B, U], [B, K, V] -> [B, K, N]."""

    def __init__(self, weight: Tensor, bias: Tensor, user_width: int) -> None:
        super().__init__()
        self.of_user = nn.Buffer(weight[:, :user_width].T.contiguous())
        self.of_item = nn.Buffer(weight[:, user_width:].T.contiguous())
        self.bias = nn.Buffer(bias)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        return (user @ self.of_user + self.bias)[:, None, :] + item @ self.of_item


class _LastCross(nn.Module):
    """What the heads say of the last cross layer: u [B, U], i [B, K, V], x [B, K, U+V] -> [B, K, H]."""

    def __init__(self, weight: Tensor, bias: Tensor, heads: Tensor, user_width: int) -> None:
        super().__init__()
        self.user_weight, self.user_bias = nn.Buffer(weight[:user_width]), nn.Buffer(bias[:user_width])
        self.item_weight, self.item_bias = nn.Buffer(weight[user_width:].T.contiguous()), nn.Buffer(bias[user_width:])
        self.heads, self.user_heads = nn.Buffer(heads), nn.Buffer(heads[:, :user_width])
        self.item_heads = nn.Buffer(heads[:, user_width:].T.contiguous())

    def forward(self, user: Tensor, item: Tensor, crossed: Tensor) -> Tensor:
        """See the class."""
        weighed = self.user_heads * user[:, None, :]  # [B, H, U]
        seen = weighed @ self.user_weight + self.heads  # [B, H, U+V]
        of_user = crossed @ seen.transpose(1, 2) + (weighed @ self.user_bias)[:, None, :]
        return of_user + (item * (crossed @ self.item_weight + self.item_bias)) @ self.item_heads


class _PartedDCN(nn.Module):
    """DCN-v2 and its heads over (u, i), the columns in that order: [B, U], [B, K, V] -> [B, K, H]."""

    def __init__(self, network: Parallel, heads: nn.Linear, order: Tensor, user_width: int) -> None:
        super().__init__()
        width = len(order)
        assert isinstance(network.cross, Cross)
        *crosses, (weight, bias) = _crosses(network.cross, order)
        first, *self.rest = network.deep
        assert isinstance(first, nn.Linear)
        told = heads.weight.detach()
        self.crosses = nn.ModuleList(_PartedLinear(*one, user_width) for one in crosses[:1])
        self.between = nn.ParameterList(part for one in crosses[1:] for part in one)
        self.last = _LastCross(weight, bias, told[:, :width][:, order], user_width)
        self.first = _PartedLinear(first.weight.detach()[:, order], first.bias.detach(), user_width)
        self.deep_heads = nn.Buffer(told[:, width:].T.contiguous())
        self.bias = nn.Buffer(heads.bias.detach())

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        row = crossed = _joined(user, item)
        for layer in self.crosses:
            crossed = row * layer(user, item) + row
        for weight, bias in zip(self.between[::2], self.between[1::2], strict=True):
            crossed = row * (crossed @ weight.T + bias) + crossed
        deep = self.first(user, item)
        for layer in self.rest:
            deep = layer(deep)
        return torch.as_tensor(self.last(user, item, crossed) + deep @ self.deep_heads + self.bias)


def _joined(user: Tensor, item: Tensor) -> Tensor:
    """[B, K, U+V]."""
    return torch.cat([user[:, None, :].expand(-1, item.shape[1], -1), item], dim=2)


def _crosses(cross: Cross, order: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weight [W, W] and bias [W] of each cross layer, for columns in that order."""
    layers = [layer for layer in cross.layers if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach()[order][:, order], layer.bias.detach()[order]) for layer in layers]
