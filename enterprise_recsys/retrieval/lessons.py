"""What one step of teaching the towers consists of: its loss, the events learnt from, and who they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.histories import Histories
from enterprise_recsys.records import Columns, Dataset, Ints
from enterprise_recsys.retrieval.negatives import Popularity
from enterprise_recsys.retrieval.towers import TwoTower


@dataclass(frozen=True)
class Learnt:
    """One step.

    Attributes:
        loss: [] the weighted mean over the events.
        events: [N] places of the learnt events in the log.
        queries: [N, D] user vectors before each, by which its item was looked for.
    """

    loss: Tensor
    events: Ints
    queries: Tensor


Step = tuple[int, Callable[[], Learnt]]
"""How many events a step learns, and what works it out."""


class Lessons(Protocol):
    """How the events of a log are gone through."""

    @property
    def size(self) -> int:
        """Events of an epoch, about."""

    def steps(self) -> Iterator[Step]:
        """One epoch's steps, in a random order."""


@dataclass(frozen=True)
class Material:
    """What lessons are made of.

    Attributes:
        model: what is taught.
        config: the dials.
        dataset: the encoded log.
        examples: places of the events that count as a success.
        histories: of the log's users.
        users, items: static columns as tensors.
        popularity: of the items among the examples.
    """

    model: TwoTower
    config: ModelConfig
    dataset: Dataset
    examples: Ints
    histories: Histories
    users: dict[str, Tensor]
    items: dict[str, Tensor]
    popularity: Popularity

    @property
    def temperature(self) -> float:
        """What scores are divided by; see `Variant`."""
        assert self.config.temperature is not None
        return self.config.temperature

    def vectors(self, rows: Tensor) -> Tensor:
        """[R, D] the vectors of item rows [R], with a gradient."""
        return self.model.items({name: column[rows] for name, column in self.items.items()})


def step_size(events: int, most: int, *, steps: int) -> int:
    """Events of a step: `most`, and fewer where an epoch would have less than about so many steps, but no less than 64.

    >>> step_size(1_000_000, 1024, steps=64), step_size(10_000, 1024, steps=64), step_size(300, 1024, steps=64)
    (1024, 156, 64)
    """
    return min(most, max(events // steps, 64))


def by_user(dataset: Dataset) -> tuple[Ints, Ints]:
    """Places of the events of known users and items, a user's together and in their order [E]; user u's begin and end.

    The second is [U+1]: user u owns the grouped places starts[u] to starts[u+1].
    """
    events = dataset.events
    known = np.flatnonzero((events.users > 0) & (events.items > 0))
    order = known[np.argsort(events.users[known], kind="stable")]
    return order, np.searchsorted(events.users[order], np.arange(dataset.n_users + 1))


def tensors(columns: Columns) -> dict[str, Tensor]:
    """Columns as tensors, which share their memory on the processor."""
    return {name: torch.as_tensor(np.ascontiguousarray(column)) for name, column in columns.items()}
