"""TwoTower: columns of users and of items become vectors in one space; they meet only in a dot product."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.features import Feature
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.layers import FeatureEmbedding, mlp
from enterprise_recsys.records import ITEM_ID, USER_ID
from enterprise_recsys.retrieval.history import HISTORIES
from enterprise_recsys.retrieval.transformer import Transformer


def embedding_of(
    features: list[Feature], ids: Mapping[str, int], config: ModelConfig, *, id_dropout: float
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
    )


class TwoTower(nn.Module):
    """A user side and an item side; unit vectors out.

    With a history that is a mean, each side is a tower over all its columns: the user's id, features and the mean of
    the past items' id embeddings; the item's id and features.

    With a Transformer the history is what the user is, so that there is no user id to learn by heart. An item is its
    id's embedding plus what a tower makes of its features; a user is the newest state plus what a tower makes of
    theirs. Past items enter by the very vectors that they are found by.
    """

    def __init__(self, processor: DataProcessor, config: ModelConfig) -> None:
        super().__init__()
        told, items, width = processor.of("user"), processor.of("item"), config.item_tower_dims[-1]
        build = pick(HISTORIES, config.history, what="history")
        self.is_sequential = build is Transformer
        # Without features an item whose id is dropped is any item: it would teach nothing.
        dropped = config.id_dropout if items or not self.is_sequential else 0.0
        self.item_embedding = embedding_of(items, {ITEM_ID: len(processor.items)}, config, id_dropout=dropped)
        ids = {} if self.is_sequential else {USER_ID: len(processor.users)}
        self.user_embedding = embedding_of(told, ids, config, id_dropout=config.id_dropout)
        self.history = build(width if self.is_sequential else config.embedding_dim, config)
        if not self.is_sequential:
            joined = self.user_embedding.width_out + config.embedding_dim
            self.user_tower = mlp(joined, config.user_tower_dims, dropout=config.dropout, last_active=False)
            joined = self.item_embedding.width_out
            self.item_tower = mlp(joined, config.item_tower_dims, dropout=config.dropout, last_active=False)
            return
        self._id_width = config.embedding_dim
        self.align = nn.Identity() if width == self._id_width else nn.Linear(self._id_width, width, bias=False)
        if told:
            joined = self.user_embedding.width_out
            self.user_tower = mlp(joined, config.user_tower_dims, dropout=config.dropout, last_active=False)
        if items:
            joined = self.item_embedding.width_out - self._id_width
            self.item_tower = mlp(joined, config.item_tower_dims, dropout=config.dropout, last_active=False)

    def users(self, columns: Mapping[str, Tensor], history: Tensor, table: Tensor) -> Tensor:
        """User columns [B, ...] and history rows [B, L] -> unit vectors [B, D].

        Args:
            columns: of the users.
            history: rows of items, the newest last, 0 = none.
            table: [I, W] what stands for each item in a history; see `item_table`.
        """
        past = self.history(functional.embedding(history, table), history)
        if self.is_sequential:
            return functional.normalize(past + self.traits(columns), dim=-1) if self.knows_users else unit(past)
        return unit(self.user_tower(torch.cat([self.user_embedding(columns), past], dim=1)))

    @property
    def knows_users(self) -> bool:
        """Whether the user side has columns at all."""
        return bool(self.user_embedding.names)

    def traits(self, columns: Mapping[str, Tensor]) -> Tensor:
        """What features alone say of users: [B, ...] -> [B, D], to be added to the state of a sequence."""
        out: Tensor = self.user_tower(self.user_embedding(columns))
        return out

    def items(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Item columns [R, ...] -> unit vectors [R, D]."""
        joined = self.item_embedding(columns)
        if not self.is_sequential:
            return unit(self.item_tower(joined))
        # The id comes first among the columns: see `embedding_of`.
        vectors = self.align(joined[:, : self._id_width])
        if joined.shape[1] > self._id_width:
            vectors = vectors + self.item_tower(joined[:, self._id_width :])
        return unit(vectors)

    def item_table(self, vectors: Tensor) -> Tensor:
        """What stands for each item in a history: the id embedding [I, W] for a mean, else the item's vector [I, D]."""
        weight: Tensor = self.item_embedding.tables[ITEM_ID].weight  # type: ignore[assignment]
        return vectors if self.is_sequential else weight


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] of length 1."""
    return functional.normalize(vectors, dim=-1)
