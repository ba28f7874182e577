"""LOSSES of retrieval: pure functions of scores, one value per query."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def softmax(positive: Tensor, negative: Tensor, log_q: Tensor) -> Tensor:
    """Cross-entropy of the true item against the sampled ones, corrected for how they were sampled.

    loss = -log( exp(s_0) / (exp(s_0) + sum_j exp(s_j - log q_j)) )

    Args:
        positive: [B] cosine / temperature of the true item.
        negative: [B, N] of the sampled items; -inf = a sample that is in truth a hit.
        log_q: [N] log of the expected count of each sample, in nats.

    Returns:
        [B] loss in nats (per query, so that the caller can weigh events).

    Source: Yi et al., RecSys 2019, doi:10.1145/3298689.3346996. Unlike there, the true item is not corrected: it is
    in the sum with certainty (arXiv 2507.09331).
    """
    scores = torch.cat([positive.unsqueeze(1), negative - log_q.unsqueeze(0)], dim=1)  # [B, 1+N]
    return torch.logsumexp(scores, dim=1) - positive


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"softmax": softmax}
