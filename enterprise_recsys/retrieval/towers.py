"""TwoTower: columns of users and of items become vectors in one space; they meet only in a dot product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.features import Feature
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.layers import FeatureEmbedding, mlp
from enterprise_recsys.records import HISTORY_AGE, ITEM_ID, USER_ID
from enterprise_recsys.retrieval.fold_in import FoldIn
from enterprise_recsys.retrieval.gaps import Gaps
from enterprise_recsys.retrieval.history import HISTORIES, Sequential
from enterprise_recsys.retrieval.pooling import Mean
from enterprise_recsys.rowwise import Table


def embedding_of(
    features: list[Feature], ids: Mapping[str, int], config: ModelConfig, *, id_dropout: float, id_scale: float = 0.05
) -> FeatureEmbedding:
    """The embedding of a tower's columns: the id at `embedding_dim`, other features at `feature_dim`."""
    return FeatureEmbedding(
        {**ids, **{one.name: one.size for one in features if one.kind == "category"}},
        {one.name: one.size for one in features if one.kind in ("multi_value", "text")},
        [one.name for one in features if one.kind == "number"],
        config.feature_dim,
        vectors={one.name: one.width for one in features if one.kind in ("vector", "time")},
        widths=dict.fromkeys(ids, config.embedding_dim),
        dropped=list(ids),
        id_dropout=id_dropout,
        id_scale=id_scale,
    )


_SCALE = 0.02
"""Deviation of the first id embeddings: scores start near 0, all items alike, as in SASRec."""
_WHISPER = 0.05
"""What features of users say begins so much smaller, and may only add to what a history says.

By validation on ml100k-global-time NDCG@10 is .330 in place of .319 with 'fold_in' and .359 in place of .346 with
'transformer' (two seeds each). For the features of items, which new ones are found by, it was .318 and .348.
"""


class Sum(nn.Module):
    """What an id's embedding says plus what a tower makes of the features: columns [R, ...] -> [R, D]."""

    def __init__(
        self,
        features: list[Feature],
        ids: Mapping[str, int],
        dims: Sequence[int],
        config: ModelConfig,
        *,
        id_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding_of(features, ids, config, id_dropout=id_dropout, id_scale=_SCALE)
        self._id_width = config.embedding_dim if ids else 0
        self.align = nn.Identity() if dims[-1] == config.embedding_dim else nn.Linear(self._id_width, dims[-1], False)
        told = self.embedding.width_out - self._id_width
        self.tower = mlp(told, dims, dropout=config.dropout, last_active=False) if features else None
        if self.tower is not None and not ids:
            with torch.no_grad():
                for part in self.tower[-1].parameters():
                    part.mul_(_WHISPER)

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """See the class; an id, where there is one, is the first column of the embedding."""
        joined = self.embedding(columns)
        parts = [self.align(joined[:, : self._id_width])] if self._id_width else []
        parts += [self.tower(joined[:, self._id_width :])] if self.tower is not None else []
        out: Tensor = sum(parts[1:], start=parts[0])
        return out


class TwoTower(nn.Module):
    """A user side and an item side, which meet only in a dot product.

    With the history parts 'mean' and 'attention' each side is one tower over all its columns: the user's id, features
    and a mean of the past items' id embeddings; the item's id and features. Both give unit vectors: a score is a
    cosine.

    With any other an item is its id's embedding plus what a tower makes of its features; what a history says is made of
    these very vectors, and there is no user id to learn by heart.
    - 'fold_in': items and users are unit vectors; features of the user tell where the search for them begins.
    - 'transformer' and 'gru': features of the user are added to what it says. Items differ in length too, which is how
      much they are taken by everybody; `meet` and `lift` make unit vectors of both in one more dimension.
    """

    def __init__(self, processor: DataProcessor, config: ModelConfig) -> None:
        super().__init__()
        told, things, width = processor.of("user"), processor.of("item"), config.item_tower_dims[-1]
        self._width, self._length = width, config.ordered_length
        build = pick(HISTORIES, config.history, what="history")
        items = {ITEM_ID: len(processor.items)}
        is_joined = isinstance(build, type) and issubclass(build, Mean)
        self.history = build(config.embedding_dim if is_joined else width, config)
        self.is_joined, self.is_lifted = is_joined, isinstance(self.history, Sequential)
        self.gaps: Gaps | None = None
        if self.is_joined:
            users = {USER_ID: len(processor.users)}
            self.user_embedding = embedding_of(told, users, config, id_dropout=config.id_dropout)
            self.item_embedding = embedding_of(things, items, config, id_dropout=config.id_dropout)
            joined = self.user_embedding.width_out + config.embedding_dim
            self.user_tower = mlp(joined, config.user_tower_dims, dropout=config.dropout, last_active=False)
            joined = self.item_embedding.width_out
            self.item_tower = mlp(joined, config.item_tower_dims, dropout=config.dropout, last_active=False)
            return
        self.user_sum = Sum(told, {}, config.user_tower_dims, config) if told else None
        if self.is_lifted:
            self.final = nn.LayerNorm(width)
            self.gaps = Gaps(width) if config.history_times else None
            self.register_buffer("longest", torch.ones(()))
        # Without features an item whose id is dropped is any item: it would teach nothing.
        dropped = config.id_dropout if things else 0.0
        self.item_sum = Sum(things, items, config.item_tower_dims, config, id_dropout=dropped)

    @property
    def width_out(self) -> int:
        """Entries of the unit vectors that `meet` and `lift` give."""
        return self._width + self.is_lifted

    @property
    def is_timed(self) -> bool:
        """Whether it counts when past items were taken: `users` looks at the column `history_age_s` [B, L]."""
        return self.gaps is not None

    @property
    def user_names(self) -> list[str]:
        """The columns of users that are looked at."""
        if self.is_joined:
            return self.user_embedding.names
        return self.user_sum.embedding.names if self.user_sum is not None else []

    @property
    def item_names(self) -> list[str]:
        """The columns of items that are looked at."""
        return (self.item_embedding if self.is_joined else self.item_sum.embedding).names

    def users(self, columns: Mapping[str, Tensor], history: Tensor, table: Tensor | None) -> Tensor:
        """User columns [B, ...] and history rows [B, L] -> vectors [B, D].

        Args:
            columns: of the users; where `is_timed` also the seconds from each past item to the request.
            history: rows of items, the newest last, 0 = none, on the left; all but 'fold_in' see the newest
                `sequence_length` of them.
            table: [I, W] what stands for each item in a history; see `item_table`. None, with a mean: that which is
                being learnt.
        """
        if isinstance(self.history, FoldIn):
            assert table is not None
            vectors = functional.embedding(history, table)
            found: Tensor = self.history(
                self.begin(columns, history.shape[0]), vectors, history, self.history.crowd(table)
            )
            return found
        history = history[:, -self._length :]
        vectors = self._ids(history) if table is None else functional.embedding(history, table)
        if self.gaps is not None:
            vectors = vectors + self.gaps.of_ages(columns[HISTORY_AGE][:, -self._length :])
        past = self.history(vectors, history)
        if self.is_joined:
            return unit(self.user_tower(torch.cat([self.user_embedding(columns), past], dim=1)))
        return self.finish(past, columns)

    def begin(self, columns: Mapping[str, Tensor], size: int) -> Tensor:
        """Unit vectors [B, D] of B users of whom columns are known and no events, with 'fold_in'."""
        assert isinstance(self.history, FoldIn)
        return self.history.begin(None if self.user_sum is None else self.user_sum(columns), size)

    def finish(self, past: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
        """What a `Sequential` part says [B, D] and the user columns [B, ...] -> user vectors [B, D]."""
        out: Tensor = self.final(past if self.user_sum is None else past + self.user_sum(columns))
        return out

    def items(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Item columns [R, ...] -> vectors [R, D]."""
        if self.is_joined:
            return unit(self.item_tower(self.item_embedding(columns)))
        out: Tensor = self.item_sum(columns)
        return out if self.is_lifted else unit(out)

    def note(self, vectors: Tensor) -> None:
        """Remember how long the longest of the item vectors [I, D] is."""
        if self.is_lifted:
            self.longest = vectors.detach().norm(dim=1).max()

    def meet(self, queries: Tensor) -> Tensor:
        """User vectors [B, D] -> unit vectors, with a last entry of 0 where items are lifted."""
        return functional.pad(unit(queries), (0, 1)) if self.is_lifted else unit(queries)

    def lift(self, vectors: Tensor) -> Tensor:
        """Item vectors [R, D] -> unit vectors, whose cosines with `meet` order items as the dot products do.

        All are divided by the longest length, and a last entry fills each up to length 1. An item that came later and
        is longer than any that was learnt counts as long as the longest.

        Source: Bachrach et al., RecSys 2014, doi:10.1145/2645710.2645741.
        """
        if not self.is_lifted:
            return vectors
        short = vectors / torch.maximum(self.longest, vectors.norm(dim=1, keepdim=True))
        rest = (1.0 - (short * short).sum(dim=1, keepdim=True)).clamp(min=0.0)
        return torch.cat([short, rest.sqrt()], dim=1)

    def item_table(self, vectors: Tensor) -> Tensor:
        """What stands for each item in a history: for a mean the id embedding [I, W], else the item's vector [I, D]."""
        if not self.is_joined:
            return vectors
        return self._ids.weight

    @property
    def _ids(self) -> Table:
        """The items' id embedding, with a mean."""
        table = self.item_embedding.tables[ITEM_ID]
        assert isinstance(table, Table)
        return table


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] of length 1."""
    return functional.normalize(vectors, dim=-1)
