"""LOSSES of ranking: pure functions of predictions and labels; a missing label (NaN) is masked, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Goal:
    """What a head learns: by which of LOSSES, with which weight beside other goals, and the scale of its labels."""

    loss: str
    weight: float = 1.0
    mean: float = 0.0
    std: float = 1.0


def binary_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean binary cross-entropy [] in nats over the labelled rows; logits, labels (0, 1 or NaN), weights [R]."""
    known = ~torch.isnan(labels)
    each = nn.functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return _mean(each, known, weights)


def squared_error(predictions: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error [] over the labelled rows; predictions, labels (NaN = none), weights [R], in one unit."""
    known = ~torch.isnan(labels)
    return _mean((predictions - labels.nan_to_num()) ** 2, known, weights)


def listwise(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy [] between the labels' shares and the softmax of each list; in nats per list.

    loss of a list = -sum_i y_i / sum(y) * log softmax(logits)_i, mean over the lists that hold a success.

    Args:
        logits: [Q, K] of the items of each list.
        labels: [Q, K] 1, 0, or NaN (no label: the item is out of its list).
        weights: [Q, K]; a list counts with the largest weight of its items.

    Source: ListNet, Cao et al., ICML 2007, doi:10.1145/1273496.1273513, with the top-one probability of the labels
    taken as their share.
    """
    known = ~torch.isnan(labels)
    taken = labels.nan_to_num()
    total = taken.sum(dim=1)
    chances = torch.log_softmax(logits.masked_fill(~known, -1e9), dim=1)
    each = -(taken * chances).sum(dim=1) / total.clamp(min=1e-9)
    counted = (total > 0).to(each.dtype) * weights.amax(dim=1)
    return (each * counted).sum() / counted.sum().clamp(min=1e-9)


def _mean(each: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    counted = known.to(each.dtype) * weights
    return (each * counted).sum() / counted.sum().clamp(min=1e-9)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "ctr": binary_cross_entropy,
    "rating": squared_error,
    "list": listwise,
}
