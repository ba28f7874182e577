"""SAMPLERS: which items are drawn as negatives, and the log of how often each is expected among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from enterprise_recsys.rowwise import LARGE_ROWS


@dataclass(frozen=True)
class Negatives:
    """Negatives shared by a batch.

    Attributes:
        rows: [N] item rows.
        log_q: [N] log of the expected count of each row among the N, in nats.
    """

    rows: Tensor
    log_q: Tensor


@dataclass(frozen=True)
class Popularity:
    """What samplers know of the catalogue: p [I], the share of each row among the training events; p[0] = 0."""

    shares: Tensor

    @property
    def n_items(self) -> int:
        """Rows of the catalogue, row 0 included."""
        return len(self.shares)

    @cached_property
    def _sums(self) -> Tensor:
        # On the processor, as a GPU's running sums of fractions do not repeat to the bit.
        return self.shares.cpu().double().cumsum(0).to(self.shares.device)

    def taken(self, count: int) -> Tensor:
        """`count` rows, each drawn by its share; in a large catalogue without looking at all of it."""
        if self.n_items < LARGE_ROWS:
            return torch.multinomial(self.shares, count, replacement=True)
        drawn = torch.rand(count, dtype=torch.float64) * self._sums[-1]
        return torch.searchsorted(self._sums, drawn, right=True).clamp(max=self.n_items - 1)

    def even(self, count: int) -> Tensor:
        """`count` different rows, or all that there are, each equally likely.

        In a large catalogue without looking at all of it: one from each of `count` equal stretches. An item in which
        two of them meet may come twice, and then counts twice as it should.
        """
        catalogue = self.n_items - 1
        if count >= catalogue or self.n_items < LARGE_ROWS:
            return torch.randperm(catalogue)[:count] + 1
        drawn = torch.arange(count) + torch.rand(count, dtype=torch.float64)
        return (drawn * (catalogue / count)).long().clamp(max=catalogue - 1) + 1


def random(popularity: Popularity, *, count: int, hard_share: float) -> Negatives:
    """`count` rows, each equally likely; the whole catalogue where it is no larger (an exact softmax)."""
    rows = popularity.even(count)
    return Negatives(rows, torch.full((len(rows),), len(rows) / (popularity.n_items - 1)).log())


def hard(popularity: Popularity, *, count: int, hard_share: float) -> Negatives:
    """`count` rows drawn by popularity: what everybody takes and this user has not (the user's own are masked)."""
    rows = popularity.taken(count)
    return Negatives(rows, (count * popularity.shares[rows]).log())


def mixed(popularity: Popularity, *, count: int, hard_share: float) -> Negatives:
    """A share of hard negatives and the rest random; log q is that of the mixture.

    Source: Yang et al., Mixed Negative Sampling, WWW 2020 companion, doi:10.1145/3366424.3386195; there the popular
    half is the batch itself, here it is drawn.
    """
    popular = max(1, round(count * hard_share))
    drawn = hard(popularity, count=popular, hard_share=hard_share)
    even = random(popularity, count=max(1, count - popular), hard_share=hard_share)
    rows = torch.cat([drawn.rows, even.rows])
    expected = popular * popularity.shares[rows] + len(even.rows) / (popularity.n_items - 1)
    return Negatives(rows, expected.log())


SAMPLERS: dict[str, Callable[..., Negatives]] = {"random": random, "hard": hard, "mixed": mixed}
