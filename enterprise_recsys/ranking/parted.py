"""Parted: the ranker as it is served, with what does not depend on the candidate worked out once a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from enterprise_recsys.layers import BlockedCurves, FeatureEmbedding, ListMean
from enterprise_recsys.ranking.networks import Cross, LowRank, Matrix, Parallel, PlainMLP


class Parted(nn.Module):
    """Embeddings, network and heads over users' columns [B, ...] and candidates' [B, K, ...] -> [B*K, H].

    A linear layer W x over x = (u, i) is W_u u + W_i i, and the first term is the same for all candidates of a
    request; `_PartedLowRank` and `_PartedMatrix` say what that leaves of cross layers. It is the same function with
    its sums in another order. With layers of low rank, no candidate is multiplied with anything as wide as u.

    Args:
        embedding, network, heads: trained; later changes of their weights are not seen.
        items: the columns that differ from candidate to candidate; all others are the request's.
    """

    def __init__(
        self, embedding: FeatureEmbedding, network: Parallel | PlainMLP, heads: nn.Linear, items: Sequence[str]
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.of_user = [name for name in embedding.names if name not in items]
        self.of_item = [name for name in embedding.names if name in items]
        self.means = nn.ModuleDict(embedding.quick_means())
        self.user_curves, self.item_curves = (_curves(embedding, names) for names in (self.of_user, self.of_item))
        of_user, of_item = (_places(embedding, names) for names in (self.of_user, self.of_item))
        self.network = _parted(network, heads, torch.tensor(of_user + of_item), len(of_user))

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """See the class."""
        means = {name: mean for name, mean in self.means.items() if isinstance(mean, ListMean)}
        user = self.embedding.embedded(columns, self.of_user, means, self.user_curves)  # [B, U]
        item = self.embedding.embedded(columns, self.of_item, means, self.item_curves)  # [B, K, V]
        return torch.as_tensor(self.network(user, item))


def _curves(embedding: FeatureEmbedding, names: Sequence[str]) -> BlockedCurves | None:
    which = [embedding.numbers.index(name) for name in names if name in embedding.numbers]
    return BlockedCurves(embedding.curves, which) if embedding.curves is not None and which else None


def _places(embedding: FeatureEmbedding, names: Sequence[str]) -> list[int]:
    """Where in the whole row the columns of these stand that `embedded` gives with `BlockedCurves`."""
    widths = [embedding.width_of(name) for name in embedding.names]
    starts = dict(zip(embedding.names, [0, *accumulate(widths)], strict=False))
    numbers = [starts[name] for name in names if name in embedding.numbers]
    behind = 0 if embedding.curves is None else embedding.curves.width
    whole = [name for name in names if name not in embedding.numbers]
    return [
        *(starts[name] + place for name in whole for place in range(embedding.width_of(name))),
        *numbers,
        *(start + 1 + place for start in numbers for place in range(behind)),
    ]


def _parted(network: Parallel | PlainMLP, heads: nn.Linear, order: Tensor, user_width: int) -> nn.Module:
    """Network and heads over (u, i), the columns in that order: [B, U], [B, K, V] -> [B*K, H]."""
    told = heads.weight.detach()
    if isinstance(network, PlainMLP):
        return _PartedMLP(network.deep, told, heads.bias.detach(), order, user_width)
    width = len(order)
    deep = _PartedMLP(network.deep, told[:, width:], heads.bias.detach(), order, user_width)
    is_low_rank = any(isinstance(layer, LowRank) for layer in network.cross.layers)
    kind = _PartedLowRank if is_low_rank else _PartedMatrix
    cross = kind(network.cross, told[:, :width][:, order], order, user_width)
    return _Sum(cross, deep)


class _Sum(nn.Module):
    """Two parts of what the heads say."""

    def __init__(self, cross: nn.Module, deep: nn.Module) -> None:
        super().__init__()
        self.cross, self.deep = cross, deep

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """[B, U], [B, K, V] -> [B*K, H]."""
        return torch.as_tensor(self.cross(user, item).flatten(0, 1) + self.deep(user, item))


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


class _PartedMLP(nn.Module):
    """An MLP and the heads' part for it: [B, U], [B, K, V] -> [B*K, H]."""

    def __init__(self, deep: nn.Sequential, heads: Tensor, bias: Tensor, order: Tensor, user_width: int) -> None:
        super().__init__()
        first, self.rest = deep[0], deep[1:]
        assert isinstance(first, nn.Linear)
        self.first = _PartedLinear(first.weight.detach()[:, order], first.bias.detach(), user_width)
        self.heads, self.bias = nn.Buffer(heads.T.contiguous()), nn.Buffer(bias)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        return torch.as_tensor(self.rest(self.first(user, item).flatten(0, 1)) @ self.heads + self.bias)


class _PartedLowRank(nn.Module):
    """Cross layers of low rank and the heads' part for them: u [B, U], i [B, K, V] -> [B, K, H].

    With x0 = (u, i), a layer is x + x0 * (O p + b), where p = I x. So the user's part of any x is

        u + u * (O_u p + b_u) + ... = f + (u * O_u) p + ...,

    with one p [R] of each layer before; and what a matrix M makes of it is M f + (M (u * O_u)) p + ..., where
    M (u * O_u) is R wide and the same for all candidates of a request. x_u itself is never worked out.
    """

    def __init__(self, cross: Cross, heads: Tensor, order: Tensor, user_width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_LowRankLayer(layer, order, user_width) for layer in cross.layers)
        self.user_heads, self.item_heads = nn.Buffer(heads[:, :user_width]), nn.Buffer(heads[:, user_width:])

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        fixed, crossed = user, item
        earlier: list[tuple[_LowRankLayer, Tensor]] = []
        for layer in self.layers.children():
            assert isinstance(layer, _LowRankLayer)
            factors = _made(layer.user_inward, layer.item_inward, fixed, crossed, earlier, user)
            crossed = crossed + item * (factors @ layer.item_outward + layer.item_bias)
            fixed = fixed + user * layer.user_bias
            earlier.append((layer, factors))
        return _made(self.user_heads, self.item_heads, fixed, crossed, earlier, user)


class _LowRankLayer(nn.Module):
    """The factors of `LowRank`, parted: inward [R, U] and [R, V], outward [U, R] and [R, V]."""

    def __init__(self, layer: nn.Module, order: Tensor, user_width: int) -> None:
        super().__init__()
        assert isinstance(layer, LowRank)
        inward, outward = (one for one in layer if isinstance(one, nn.Linear))
        reads, writes, bias = inward.weight.detach()[:, order], outward.weight.detach()[order], outward.bias.detach()
        self.user_inward, self.item_inward = nn.Buffer(reads[:, :user_width]), nn.Buffer(reads[:, user_width:])
        self.user_outward, self.item_outward = nn.Buffer(writes[:user_width]), nn.Buffer(writes[user_width:].T)
        self.user_bias, self.item_bias = nn.Buffer(bias[order][:user_width]), nn.Buffer(bias[order][user_width:])


def _made(
    of_user: Tensor,
    of_item: Tensor,
    fixed: Tensor,
    crossed: Tensor,
    earlier: Sequence[tuple[_LowRankLayer, Tensor]],
    user: Tensor,
) -> Tensor:
    """What a matrix, [N, U] and [N, V], makes of x: [B, K, N]; see `_PartedLowRank`."""
    made = crossed @ of_item.T + (fixed @ of_user.T)[:, None, :]
    for layer, factors in earlier:
        seen = (of_user * user[:, None, :]) @ layer.user_outward  # [B, N, R]
        made = made + factors @ seen.transpose(1, 2)
    return made


class _PartedMatrix(nn.Module):
    """Square cross layers and the heads' part for them: u [B, U], i [B, K, V] -> [B, K, H].

    The first layer is parted as any linear layer. The last is seen by the heads h alone, which need no more of it than

        h (x0 * (W x + b)) = ((h_u * u) W_u) x + (h_u * u) b_u + h_i (i * (W_i x + b_i)),

    where (u, i) = x0 and the rows of h, W and b are parted in the same way.
    """

    def __init__(self, cross: Cross, heads: Tensor, order: Tensor, user_width: int) -> None:
        super().__init__()
        *layers, last = [_ordered(layer, order) for layer in cross.layers]
        self.first = nn.ModuleList(_PartedLinear(layer.weight, layer.bias, user_width) for layer in layers[:1])
        self.between = nn.ModuleList(layers[1:])
        weight, bias = last.weight.detach(), last.bias.detach()
        self.user_weight, self.user_bias = nn.Buffer(weight[:user_width]), nn.Buffer(bias[:user_width])
        self.item_weight, self.item_bias = nn.Buffer(weight[user_width:].T.contiguous()), nn.Buffer(bias[user_width:])
        self.heads, self.user_heads = nn.Buffer(heads), nn.Buffer(heads[:, :user_width])
        self.item_heads = nn.Buffer(heads[:, user_width:].T.contiguous())

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """See the class."""
        row = crossed = torch.cat([user[:, None, :].expand(-1, item.shape[1], -1), item], dim=2)
        for layer in self.first:
            crossed = row * layer(user, item) + row
        for layer in self.between:
            crossed = row * layer(crossed) + crossed
        weighed = self.user_heads * user[:, None, :]  # [B, H, U]
        asked = weighed @ self.user_weight + self.heads  # [B, H, W]
        of_user = crossed @ asked.transpose(1, 2) + (weighed @ self.user_bias)[:, None, :]
        return of_user + (item * (crossed @ self.item_weight + self.item_bias)) @ self.item_heads


def _ordered(layer: nn.Module, order: Tensor) -> nn.Linear:
    """A square layer for columns in that order."""
    assert isinstance(layer, Matrix)
    linear = nn.Linear(len(order), len(order))
    linear.weight = nn.Parameter(layer.weight.detach()[order][:, order])
    linear.bias = nn.Parameter(layer.bias.detach()[order])
    return linear
