"""Parted: the ranker as it is served, with what does not depend on the candidate worked out once a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from enterprise_recsys.layers import BlockedCurves, FeatureEmbedding, ListMean
from enterprise_recsys.ranking.networks import Cross, LowRank, Matrix, Parallel


class Parted(nn.Module):
    """Embeddings, network and heads over users' columns [B, ...] and candidates' [B, K, ...] -> [B*K, H].

    A linear layer W x over x = (u, i) is W_u u + W_i i, and the first term is the same for all candidates of a
    request. The last cross layer is seen by the heads alone, which need no more of its square matrix than

        h (x0 * (W x + b)) = ((h_u * u) W_u) x + (h_u * u) b_u + h_i (i * (W_i x + b_i)),

    where (u, i) = x0 and the rows of h, W and b are parted in the same way. A layer of low rank, W x = O (I x), is
    parted in I where it is the first, and in O where it is the last. It is the same function with its sums in another
    order; at the default sizes, with three of five columns the user's, half of the multiplications are left.

    Args:
        embedding, network, heads: trained; later changes of their weights are not seen.
        items: the columns that differ from candidate to candidate; all others are the request's.
    """

    def __init__(self, embedding: FeatureEmbedding, network: nn.Module, heads: nn.Linear, items: Sequence[str]) -> None:
        super().__init__()
        self.embedding, self.network, self.heads = embedding, network, heads
        self.of_user = [name for name in embedding.names if name not in items]
        self.of_item = [name for name in embedding.names if name in items]
        self.means = nn.ModuleDict(embedding.quick_means())
        self.user_curves, self.item_curves = (_curves(embedding, names) for names in (self.of_user, self.of_item))
        widths = {name: embedding.width_of(name) for name in embedding.names}
        starts = dict(zip(widths, torch.tensor([0, *widths.values()]).cumsum(0).tolist(), strict=False))
        order = [starts[name] + place for name in self.of_user + self.of_item for place in range(widths[name])]
        self.back = nn.Buffer(torch.argsort(torch.tensor(order)))
        self.dcn: _PartedDCN | None = None
        if _can_be_parted(network):
            user_width = sum(widths[name] for name in self.of_user)
            self.dcn = _PartedDCN(network, heads, torch.tensor(order), user_width)

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """See the class."""
        means = {name: mean for name, mean in self.means.items() if isinstance(mean, ListMean)}
        user = self.embedding.embedded(columns, self.of_user, means, self.user_curves)  # [B, U]
        item = self.embedding.embedded(columns, self.of_item, means, self.item_curves)  # [B, K, V]
        if self.dcn is not None:
            return torch.as_tensor(self.dcn(user, item).flatten(0, 1))
        rows = _joined(user, item)[:, :, self.back].flatten(0, 1)
        return torch.as_tensor(self.heads(self.network(rows)))


def _curves(embedding: FeatureEmbedding, names: Sequence[str]) -> BlockedCurves | None:
    which = [embedding.numbers.index(name) for name in names if name in embedding.numbers]
    return BlockedCurves(embedding.curves, which) if embedding.curves is not None and which else None


def _can_be_parted(network: nn.Module) -> TypeGuard[Parallel]:
    """Whether it is DCN-v2 with matrices, square or of low rank, beside an MLP that normalises nothing by its batch."""
    return (
        isinstance(network, Parallel)
        and isinstance(network.cross, Cross)
        and all(isinstance(layer, Matrix | LowRank) for layer in network.cross.layers)
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


class _FirstCross(nn.Module):
    """W x + b of the first cross layer: u [B, U], i [B, K, V] -> [B, K, U+V]."""

    def __init__(self, layer: _Layer, user_width: int) -> None:
        super().__init__()
        inward, outward, bias = layer
        self.outward: nn.Module = nn.Identity() if inward is None else _linear(outward, bias)
        first = (outward, bias) if inward is None else (inward, torch.zeros(len(inward)))
        self.parted = _PartedLinear(*first, user_width)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        return torch.as_tensor(self.outward(self.parted(user, item)))


class _LastCross(nn.Module):
    """What the heads say of the last cross layer: u [B, U], i [B, K, V], x [B, K, U+V] -> [B, K, H]."""

    def __init__(self, layer: _Layer, heads: Tensor, user_width: int) -> None:
        super().__init__()
        inward, outward, bias = layer
        self.inward = None if inward is None else nn.Buffer(inward.T.contiguous())
        self.user_weight, self.user_bias = nn.Buffer(outward[:user_width]), nn.Buffer(bias[:user_width])
        self.item_weight, self.item_bias = nn.Buffer(outward[user_width:].T.contiguous()), nn.Buffer(bias[user_width:])
        self.heads, self.user_heads = nn.Buffer(heads), nn.Buffer(heads[:, :user_width])
        self.item_heads = nn.Buffer(heads[:, user_width:].T.contiguous())

    def forward(self, user: Tensor, item: Tensor, crossed: Tensor) -> Tensor:
        """See the class."""
        weighed = self.user_heads * user[:, None, :]  # [B, H, U]
        asked = weighed @ self.user_weight  # [B, H, R]
        if self.inward is None:
            seen, asked = crossed, asked + self.heads  # one product in place of two
        else:
            seen = crossed @ self.inward  # [B, K, R]
        of_user = seen @ asked.transpose(1, 2) + (weighed @ self.user_bias)[:, None, :]
        told = of_user + (item * (seen @ self.item_weight + self.item_bias)) @ self.item_heads
        return told if self.inward is None else told + crossed @ self.heads.T


class _PartedDCN(nn.Module):
    """DCN-v2 and its heads over (u, i), the columns in that order: [B, U], [B, K, V] -> [B, K, H]."""

    def __init__(self, network: Parallel, heads: nn.Linear, order: Tensor, user_width: int) -> None:
        super().__init__()
        width = len(order)
        assert isinstance(network.cross, Cross)
        *crosses, last = _layers(network.cross, order)
        first, self.rest = network.deep[0], network.deep[1:]
        assert isinstance(first, nn.Linear)
        told = heads.weight.detach()
        self.crosses = nn.ModuleList(_FirstCross(one, user_width) for one in crosses[:1])
        self.between = nn.ModuleList(_whole(one) for one in crosses[1:])
        self.last = _LastCross(last, told[:, :width][:, order], user_width)
        self.first = _PartedLinear(first.weight.detach()[:, order], first.bias.detach(), user_width)
        self.deep_heads = nn.Buffer(told[:, width:].T.contiguous())
        self.bias = nn.Buffer(heads.bias.detach())

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        row = crossed = _joined(user, item)
        for cross in self.crosses:
            crossed = row * cross(user, item) + row
        for cross in self.between:
            crossed = row * cross(crossed) + crossed
        deep = self.rest(self.first(user, item))
        return torch.as_tensor(self.last(user, item, crossed) + deep @ self.deep_heads + self.bias)


def _joined(user: Tensor, item: Tensor) -> Tensor:
    """[B, K, U+V]."""
    return torch.cat([user[:, None, :].expand(-1, item.shape[1], -1), item], dim=2)


_Layer = tuple[Tensor | None, Tensor, Tensor]
"""A cross layer: inward [R, W] (None: a square matrix, R = W), outward [W, R], bias [W]."""


def _layers(cross: Cross, order: Tensor) -> list[_Layer]:
    """The cross layers for columns in that order."""
    told: list[_Layer] = []
    for layer in cross.layers:
        *inward, outward = [one for one in layer.modules() if isinstance(one, nn.Linear)]
        weight, bias = outward.weight.detach()[order], outward.bias.detach()[order]
        if inward:
            told.append((inward[0].weight.detach()[:, order], weight, bias))
        else:
            told.append((None, weight[:, order], bias))
    return told


def _whole(layer: _Layer) -> nn.Module:
    """W x + b of a cross layer: [B, K, W] -> [B, K, W]."""
    inward, outward, bias = layer
    last = _linear(outward, bias)
    return last if inward is None else nn.Sequential(_linear(inward, torch.zeros(len(inward))), last)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], len(weight))
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear
