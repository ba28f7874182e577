"""Transformer: what a user took, in its order, becomes one vector at every place, each knowing only what lay before."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.layers import QuickDropout

_SCALE = 0.02
"""Deviation of the first weights: the blocks start near the identity, as in BERT and SASRec."""


class Block(nn.Module):
    """Attention over the places before, then a layer at each place; both on normalised inputs, added to them.

    Args:
        width: D, a multiple of `heads`.
        heads: attention heads.
        dropout: on what is added, while training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_layer = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.keys, self.out = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = QuickDropout(dropout)

    def forward(self, places: Tensor, mask: Tensor | None, *, at: Tensor | None = None) -> Tensor:
        """Places [B, T, D] -> [B, T, D], or [B, 1, D] for one place of each alone.

        Args:
            places: the input.
            mask: [B, T, T] which place (row) may look at which (column); None: at itself and all before it.
            at: [B] the one place to work out; None: all.
        """
        normal = self.before_attention(places)
        asking = normal if at is None else _picked(normal, at)
        if mask is not None:
            mask = (mask if at is None else _picked(mask, at)).unsqueeze(1)
        keys, values = self._split(self.keys(normal), 2)
        (queries,) = self._split(self.query(asking), 1)
        found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=mask is None)
        places = places if at is None else _picked(places, at)
        places = places + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        inner = self.dropout(torch.relu(self.widen(self.before_layer(places))))
        out: Tensor = places + self.dropout(self.narrow(inner))
        return out

    def _split(self, joined: Tensor, parts: int) -> list[Tensor]:
        """[B, T, parts * D] -> as many of [B, H, T, D / H]."""
        batch, length, _ = joined.shape
        return list(joined.view(batch, length, parts, self.heads, -1).permute(2, 0, 3, 1, 4))


def _picked(values: Tensor, at: Tensor) -> Tensor:
    """[B, 1, W] of values [B, T, W] what stands at one place [B] of each."""
    return values.gather(1, at.view(-1, 1, 1).expand(-1, 1, values.shape[2]))


class Transformer(nn.Module):
    """A causal Transformer over the vectors of past items, with learnt places and a start before the first item.

    What comes out is not normalised yet.

    Source: SASRec, Kang and McAuley, ICDM 2018, doi:10.1109/ICDM.2018.00035; normalised before each part instead of
    after. The start, which is there for everybody, answers a user without a past.
    """

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.width_out = width
        self.start = nn.Parameter(torch.randn(width) * _SCALE)
        self.places = nn.Embedding(config.ordered_length + 1, width)
        self.blocks = nn.ModuleList(Block(width, config.heads, config.dropout) for _ in range(config.blocks))
        self.dropout = QuickDropout(config.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_SCALE)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def states(self, vectors: Tensor) -> Tensor:
        """Vectors of items [B, T, D], oldest first, holes on the right -> [B, T + 1, D].

        The state at place t knows the first t items alone: what it should come near to is item t.
        """
        joined = torch.cat([self.start.expand(len(vectors), 1, -1), self._stretched(vectors)], dim=1)
        places: Tensor = self.dropout(joined + self.places.weight[: joined.shape[1]])
        for block in self.blocks:
            places = block(places, None)
        return places

    def forward(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """The newest state [B, D] of histories [B, L, D], newest item last; rows [B, L] tell holes (0), anywhere."""
        ones = torch.ones_like(rows[:, :1], dtype=torch.bool)
        items = torch.cat([~ones, rows > 0], dim=1)
        order = items.long().cumsum(dim=1)
        # The start takes the hole just before the first item, and the last one where there is none.
        starts = (order == 0) & torch.cat([rows > 0, ones], dim=1)
        joined = torch.cat([torch.zeros_like(vectors[:, :1]), self._stretched(vectors)], dim=1)
        joined = torch.where(starts.unsqueeze(2), self.start, joined)
        places: Tensor = self.dropout(joined + self.places(order))
        turn = torch.arange(rows.shape[1] + 1)
        before, itself = turn.unsqueeze(1) >= turn, turn.unsqueeze(1) == turn
        # A hole may look at itself, lest its row be empty; nobody looks at a hole.
        mask = (before & (items | starts).unsqueeze(1)) | itself
        newest = ((items | starts) * turn).argmax(dim=1)
        for place, block in enumerate(self.blocks):
            places = block(places, mask, at=newest if place == len(self.blocks) - 1 else None)
        return places[:, 0]

    def _stretched(self, vectors: Tensor) -> Tensor:
        """Vectors large enough to be heard beside the learnt places."""
        return vectors * math.sqrt(self.width_out)
