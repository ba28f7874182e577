"""FoldIn: a user is found from what they took, by the very likelihood that the items are learnt by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from enterprise_recsys.config import ModelConfig

CROWD = 4096
"""Items up to which the likelihood is over the whole catalogue; beyond, about so many drawn ones stand for it."""
_STEPS, _PACE = 2, 1.5
"""Steps from what is known of everybody, and their length.

On a part of the training data of movielens1m_m1, NDCG@20 is .208 with 2 steps, .207 with 5, and .185 with 1.
"""
_PRIOR = 1.0
"""Events that what is known of everybody weighs as much as."""


@dataclass(frozen=True)
class Crowd:
    """Items that stand for the catalogue.

    Attributes:
        vectors: [M, D] unit vectors.
        log_weights: [M] log of how many each stands for; None: each for itself alone.
    """

    vectors: Tensor
    log_weights: Tensor | None


class FoldIn(nn.Module):
    """The items that a user took, and what others are like that take no part -> unit vectors [B, D].

    With unit vectors of items e and a user's q, an item is taken with chance p = softmax(q·e / temperature). The
    gradient of the likelihood of n taken items is, but for a factor, the sum of (e - mean of all items under p). From
    what is known before, a few steps go up along it:

        q <- unit(q + pace · (sum of e - n · mean under p) / (n + prior))

    So there is no id of a user to be learnt, events that came after training count as those before it, and a user
    without events is answered by where the steps begin.

    Source: folding a user in is as old as matrix factorisation (Hu et al., ICDM 2008, doi:10.1109/ICDM.2008.22, eq. 4);
    for the softmax over unit vectors see Wu et al., TOIS 2024, doi:10.1145/3637061.
    """

    crowd_rows: Tensor
    crowd_weights: Tensor

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.width_out = width
        self.start = nn.Parameter(torch.randn(width) / width**0.5)
        assert config.temperature is not None
        self._temperature = config.temperature
        self.register_buffer("crowd_rows", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("crowd_weights", torch.zeros(0))

    def draw_crowd(self, shares: Tensor, generator: torch.Generator) -> None:
        """Choose once and for all who stands for a large catalogue; shares [I] of the training events, row 0 first."""
        items = len(shares) - 1
        if items <= CROWD:
            return
        # Popular ones are many of what the mean consists of; half go to all alike, lest a rare kind has no voice.
        chance = (CROWD * (0.5 * shares + 0.5 / items)).clamp(max=1.0)
        chance[0] = 0.0
        self.crowd_rows = torch.nonzero(torch.rand(len(shares), generator=generator) < chance)[:, 0]
        self.crowd_weights = -chance[self.crowd_rows].log()

    def crowd(self, table: Tensor) -> Crowd:
        """Who stands for a catalogue of unit vectors [I, D], row 0 of which is nothing."""
        if not len(self.crowd_rows):
            return Crowd(table[1:], None)
        return Crowd(table[self.crowd_rows], self.crowd_weights)

    def begin(self, told: Tensor | None, size: int) -> Tensor:
        """Where B users are thought to be before anything is known that they took [B, D]; told [B, D] by features."""
        start = self.start.expand(size, -1)
        return functional.normalize(start if told is None else start + told, dim=1)

    def climb(self, begin: Tensor, sums: Tensor, counts: Tensor, crowd: Crowd) -> Tensor:
        """The steps from unit vectors [B, D], by the sums [B, D] of the vectors of what was taken, counts [B, 1]."""
        queries = begin
        for _ in range(_STEPS):
            scores = queries @ crowd.vectors.T / self._temperature
            shares = torch.softmax(scores if crowd.log_weights is None else scores + crowd.log_weights, dim=1)
            rise = (sums - counts * (shares @ crowd.vectors)) / (counts + _PRIOR)
            queries = functional.normalize(queries + _PACE * rise, dim=1)
        return queries

    def forward(self, begin: Tensor, vectors: Tensor, rows: Tensor, crowd: Crowd) -> Tensor:
        """Unit vectors [B, D] from histories of item vectors [B, L, D] with their rows [B, L], 0 = none."""
        mask = (rows > 0).to(vectors.dtype).unsqueeze(-1)
        return self.climb(begin, (vectors * mask).sum(dim=1), mask.sum(dim=1), crowd)
