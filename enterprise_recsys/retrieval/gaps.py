"""Gaps: how long it was from each past item to what came next, which tells a sitting from a return after weeks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BOUNDS = tuple(bound for power in range(31) for bound in ((1 << power), 3 << power >> 1))[2:]
"""Seconds at which a gap counts as a longer one: 2, 3, 4, 6, 8, 12 ... to about 50 years; halves of octaves."""


class Gaps(nn.Module):
    """A learnt vector for each length of a gap, about by its logarithm; at first it says nothing.

    The last gap reaches to the request, so that what is asked for after a month may differ from the next click.

    Source: the logarithmic buckets of HSTU's time bias, Zhai et al., ICML 2024, arXiv:2402.17152; added to the items
    here, as attention weighs them, in place of a bias for each pair of places.
    """

    bounds: Tensor
    known: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("bounds", torch.tensor((1, *_BOUNDS)), persistent=False)
        self.register_buffer("known", torch.tensor([0, len(self.bounds)]))
        self.table = nn.Embedding(len(self.bounds) + 1, width)
        nn.init.zeros_(self.table.weight)

    def keep_to(self, seconds: Tensor) -> None:
        """Know between which gaps [N] those of the log lie: shorter and longer ones will count as these."""
        if len(seconds):
            self.known.copy_(torch.stack([self._place(seconds.min()), self._place(seconds.max())]))

    def forward(self, seconds: Tensor) -> Tensor:
        """Whole seconds [...], at least 0 -> [..., W]."""
        out: Tensor = self.table(torch.clamp(self._place(seconds), self.known[0], self.known[1]))
        return out

    def _place(self, seconds: Tensor) -> Tensor:
        # Compared as whole numbers: a logarithm falls to either side of a bound by who works it out.
        return (seconds.unsqueeze(-1) >= self.bounds).sum(dim=-1)

    def of_ages(self, ages: Tensor) -> Tensor:
        """The same [B, L, W] of past items, the newest last, by the seconds [B, L] from each to the request."""
        after = torch.cat([ages[:, 1:], torch.zeros_like(ages[:, :1])], dim=1)
        out: Tensor = self((ages - after).clamp(min=0))
        return out
