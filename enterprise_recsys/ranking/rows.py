"""A network of NETWORKS taught on single rows, with a label for each of one or more goals: no lists, no sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.steps import patience_of
from enterprise_recsys.devices import bfloat16_pays, device_of, on
from enterprise_recsys.layers import FeatureEmbedding
from enterprise_recsys.loop import Fit, Plan, run
from enterprise_recsys.ranking.losses import LOSSES, Goal
from enterprise_recsys.ranking.networks import NETWORKS, headed
from enterprise_recsys.ranking.ranker import shape_of
from enterprise_recsys.records import Columns, Doubles, Ints

_CHUNK = 16_384


@dataclass(frozen=True)
class Inputs:
    """What a row holds: see `layers.FeatureEmbedding`; `dropped` are ids that are hidden now and then in training."""

    categories: Mapping[str, int]
    lists: Mapping[str, int]
    numbers: Sequence[str]
    dropped: Sequence[str] = ()


class Table(Protocol):
    """Rows that are read a few at a time, since what is drawn for one (a past) may differ each time."""

    def __len__(self) -> int:
        """How many rows."""

    def columns(self, places: Ints) -> Columns:
        """The columns of some rows."""


class RowNetwork(nn.Module):
    """Embeddings, the network and a linear head for each of G goals: columns [R, ...] -> [R, G].

    While it learns, the network multiplies in bfloat16 where the processor has it; predictions are in float32.
    """

    def __init__(self, inputs: Inputs, config: ModelConfig, n_goals: int) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(
            inputs.categories,
            inputs.lists,
            inputs.numbers,
            config.ranking_dim,
            dropped=inputs.dropped,
            id_dropout=config.id_dropout,
            id_scale=0.01,
        )
        network = pick(NETWORKS, config.ranking_network, what="ranking_network")
        self.network = network(self.embedding.width_out, shape_of(config))
        self.heads = nn.Linear(int(self.network.width_out), n_goals)
        self.is_half = bfloat16_pays(device_of(config.device))

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """See the class."""
        row = self.embedding(columns)
        return headed(self.network, self.heads, row, is_half=self.is_half and self.training)


class RowRanker:
    """Learns from a row what each goal asks: a click by cross-entropy, a rating by squared error, or both.

    Args:
        inputs: what the rows hold.
        config: the dials of the ranker; `epochs`, `patience` and `batch_size` are those of the rows.
        goals: name -> what is learnt, a head each on a shared network; the loss is the sum by their weights.
    """

    def __init__(self, inputs: Inputs, config: ModelConfig, goals: Mapping[str, Goal]) -> None:
        self.config, self.goals = config, dict(goals)
        torch.manual_seed(config.seed)
        self.device = device_of(config.device)
        self.model = RowNetwork(inputs, config, len(goals)).to(self.device)

    def fit(
        self, table: Table, labels: Mapping[str, Doubles], *, validate: Callable[[], float] | None, epochs: int
    ) -> Fit:
        """Learn; the best epoch is kept, or the last one without `validate`.

        Args:
            table: the rows.
            labels: goal -> [R] its labels in their own unit; NaN: not known, and not learnt from.
            validate: higher is better.
            epochs: at most.
        """
        config = self.config
        plan = Plan(
            "rows",
            epochs,
            patience_of(config),
            config.learning_rate,
            config.weight_decay,
            embedding_l2=config.ranking_l2,
            averaging=config.ranker_average,
        )
        torch.manual_seed(config.seed + 1)
        scaled = [(labels[name] - goal.mean) / goal.std for name, goal in self.goals.items()]
        with on(self.device):
            targets = torch.as_tensor(np.stack(scaled, axis=1).astype(np.float32))
        return run(self.model, lambda: self._steps(table, targets), len(table), plan, validate=validate)

    def _steps(self, table: Table, targets: Tensor) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        order = torch.randperm(len(table))
        for begin in range(0, len(order), self.config.batch_size):
            places = order[begin : begin + self.config.batch_size]
            columns = _tensors(table.columns(places.numpy(force=True)))
            wanted, ones = targets[places], torch.ones(len(places))
            yield len(places), lambda c=columns, w=wanted, o=ones: self._loss(self.model(c), w, o)  # type: ignore[misc]

    def _loss(self, said: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
        """The goals' losses by their weights; said, wanted [R, G], weights [R]."""
        losses = [
            goal.weight * LOSSES[goal.loss](said[:, place], wanted[:, place], weights)
            for place, goal in enumerate(self.goals.values())
        ]
        return torch.stack(losses).sum()

    def predict(self, table: Table) -> dict[str, Doubles]:
        """Goal -> logits [R], or ratings [R] in their own unit."""
        self.model.eval()
        said = [np.empty((0, len(self.goals)), np.float32)]
        with torch.no_grad(), on(self.device):
            for begin in range(0, len(table), _CHUNK):
                places = np.arange(begin, min(begin + _CHUNK, len(table)))
                said.append(self.model(_tensors(table.columns(places))).numpy(force=True))
        told = np.concatenate(said).astype(np.float64)
        return {name: told[:, place] * goal.std + goal.mean for place, (name, goal) in enumerate(self.goals.items())}


def _tensors(columns: Columns) -> dict[str, Tensor]:
    return {name: torch.as_tensor(np.ascontiguousarray(column)) for name, column in columns.items()}
