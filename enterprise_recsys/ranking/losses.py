"""LOSSES of ranking: pure functions of predictions and labels; a missing label (NaN) is masked, not guessed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def binary_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean binary cross-entropy [] in nats over the labelled rows; logits, labels (0, 1 or NaN), weights [R]."""
    known = ~torch.isnan(labels)
    each = nn.functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return _mean(each, known, weights)


def squared_error(predictions: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error [] over the labelled rows; predictions, labels (NaN = none), weights [R], in one unit."""
    known = ~torch.isnan(labels)
    return _mean((predictions - labels.nan_to_num()) ** 2, known, weights)


def _mean(each: Tensor, known: Tensor, weights: Tensor) -> Tensor:
    counted = known.to(each.dtype) * weights
    return (each * counted).sum() / counted.sum().clamp(min=1e-9)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"ctr": binary_cross_entropy, "rating": squared_error}
