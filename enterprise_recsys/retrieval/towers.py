"""TwoTower: columns of users and of items become vectors in one space; they meet only in a dot product."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.features import Feature
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.layers import FeatureEmbedding, mlp
from enterprise_recsys.records import ITEM_ID, USER_ID
from enterprise_recsys.retrieval.history import HISTORIES


def embedding_of(features: list[Feature], ids: Mapping[str, int], config: ModelConfig) -> FeatureEmbedding:
    """The embedding of a tower's columns: the id at `embedding_dim`, other features at `feature_dim`."""
    return FeatureEmbedding(
        {**ids, **{one.name: one.size for one in features if one.kind == "category"}},
        {one.name: one.size for one in features if one.kind in ("multi_value", "text")},
        [one.name for one in features if one.kind == "number"],
        config.feature_dim,
        vectors={one.name: one.width for one in features if one.kind in ("vector", "time")},
        widths=dict.fromkeys(ids, config.embedding_dim),
        dropped=list(ids),
        id_dropout=config.id_dropout,
    )


class TwoTower(nn.Module):
    """A user tower over id, features and history, and an item tower over id and features; unit vectors out."""

    def __init__(self, processor: DataProcessor, config: ModelConfig) -> None:
        super().__init__()
        self.user_embedding = embedding_of(processor.of("user"), {USER_ID: len(processor.users)}, config)
        self.item_embedding = embedding_of(processor.of("item"), {ITEM_ID: len(processor.items)}, config)
        self.history = pick(HISTORIES, config.history, what="history")(config.embedding_dim)
        width = self.user_embedding.width_out + config.embedding_dim
        self.user_tower = mlp(width, config.user_tower_dims, dropout=config.dropout, last_active=False)
        self.item_tower = mlp(
            self.item_embedding.width_out, config.item_tower_dims, dropout=config.dropout, last_active=False
        )

    def users(self, columns: Mapping[str, Tensor], history: Tensor) -> Tensor:
        """User columns [B, ...] and history rows [B, L] -> unit vectors [B, D]."""
        past = self.history(self.item_embedding.tables[ITEM_ID](history), history)
        joined = torch.cat([self.user_embedding(columns), past], dim=1)
        return nn.functional.normalize(self.user_tower(joined), dim=1)

    def items(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Item columns [R, ...] -> unit vectors [R, D]."""
        return nn.functional.normalize(self.item_tower(self.item_embedding(columns)), dim=1)
