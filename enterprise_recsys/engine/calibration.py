"""What the ranker says becomes a probability that comes true as often as it says; the order stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Doubles, Floats

LEAST = 1e-3
"""Least slope on either side: the map rises everywhere, so no order changes."""
_PRIOR = 1.0
"""Events in favour of leaving logits as they are; it decides only where there is next to nothing to learn from."""


@dataclass(frozen=True)
class Calibration:
    """logit -> probability: 1 / (1 + exp(-(shift + high * log(1 + e^z) - low * log(1 + e^-z)))).

    With low = high = 1 and shift = 0 this is the sigmoid itself; with low = high it is Platt's map. The two slopes let
    rare and frequent events be stretched apart: far below z = 0 the map has slope `low`, far above it `high`.

    Attributes:
        low, high: slopes, at least LEAST.
        shift: of the logit, in nats.

    Source: Kull, Silva Filho and Flach, AISTATS 2017 ("beta calibration"), PMLR 54:623-631; written with logits.
    """

    low: float = 1.0
    high: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (self.low >= LEAST and self.high >= LEAST and np.isfinite([self.low, self.high, self.shift]).all()):
            raise DataError(
                f"a calibration rises: low and high are at least {LEAST}, got low={self.low}, high={self.high}, "
                f"shift={self.shift}."
            )

    def logits(self, logits: Floats | Doubles) -> Doubles:
        """Calibrated logits [R] of logits [R]."""
        told = np.asarray(logits, dtype=np.float64)
        mapped: Doubles = self.shift + self.high * np.logaddexp(0.0, told) - self.low * np.logaddexp(0.0, -told)
        return mapped

    def probabilities(self, logits: Floats | Doubles) -> Floats:
        """Probabilities [R] of logits [R]."""
        return sigmoid(self.logits(logits)).astype(np.float32)

    @classmethod
    def of(cls, labels: Floats | Doubles, logits: Floats | Doubles) -> Calibration:
        """The map under which the labels are likeliest (least log loss), by Newton's method.

        Labels of one kind only, or none at all, leave the logits as they are.

        Args:
            labels: [R] 0 or 1 of events that whoever gave the logits has not learnt from.
            logits: [R].
        """
        taken = np.asarray(labels, dtype=np.float64)
        if len(taken) == 0 or taken.min() == taken.max():
            return cls()
        told = np.asarray(logits, dtype=np.float64)
        design = np.stack([-np.logaddexp(0.0, -told), np.logaddexp(0.0, told), np.ones(len(told))])
        # Both slopes free; if one would fall, it is held at the least and the rest is fitted again.
        free = np.array([True, True, True])
        weights = np.array([1.0, 1.0, 0.0])
        for _ in range(3):
            weights = _newton(design, taken, weights, free)
            falling = (weights < LEAST) & np.array([True, True, False])
            if not falling.any():
                break
            weights[falling] = LEAST
            free &= ~falling
        return cls(*weights.tolist())


def sigmoid(logits: Doubles) -> Doubles:
    """1 / (1 + e^-z), without overflow."""
    small = np.exp(-np.abs(logits))
    values: Doubles = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return values


def _newton(design: Doubles, labels: Doubles, start: Doubles, free: np.ndarray) -> Doubles:
    """Weights [3] of least log loss plus the pull towards 1, 1, 0; only the free ones move."""
    weights, towards = start.copy(), np.array([1.0, 1.0, 0.0])

    def loss(at: Doubles) -> float:
        logits = at @ design
        pull = _PRIOR / 2.0 * np.square(at - towards).sum()
        return float((np.logaddexp(0.0, logits) - labels * logits).sum() + pull)

    best = loss(weights)
    for _ in range(100):
        chances = sigmoid(weights @ design)
        slope = design @ (chances - labels) + _PRIOR * (weights - towards)
        bend = (design * (chances * (1.0 - chances))) @ design.T + _PRIOR * np.eye(3)
        step = np.zeros(3)
        step[free] = np.linalg.solve(bend[np.ix_(free, free)], slope[free])
        size = 1.0
        while loss(weights - size * step) > best and size > 1e-6:
            size /= 2.0
        weights = weights - size * step
        found = loss(weights)
        if best - found < 1e-9 * max(abs(best), 1.0):
            break
        best = found
    return weights
