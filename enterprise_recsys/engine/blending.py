"""Tasks beside the click, as they are served: a chance or a value of each, and the one score that orders the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.records import Doubles, Floats


@dataclass(frozen=True)
class Chance:
    """A task of yes or no.

    Attributes:
        blend: share in the order, at least 0.
        calibration: from the network's logits to probabilities.
    """

    blend: float
    calibration: Calibration

    def told(self, said: Floats) -> Floats:
        """Probabilities [R]."""
        return self.calibration.probabilities(said)

    def gain(self, said: Floats) -> Doubles:
        """[R] log p, at most 0."""
        return log_chance(self.calibration.logits(said))


@dataclass(frozen=True)
class Amount:
    """A task that learns a number, standardised.

    Attributes:
        blend: share in the order, at least 0.
        mean, std: of what was learnt.
        is_log: it was the log(1 + value).
    """

    blend: float
    mean: float
    std: float
    is_log: bool

    def learnt(self, said: Floats) -> Doubles:
        """[R] in the unit that was learnt: the value, or log(1 + value)."""
        values: Doubles = said.astype(np.float64) * self.std + self.mean
        return values

    def told(self, said: Floats) -> Floats:
        """[R] in the log's own unit."""
        values = self.learnt(said)
        return (np.maximum(np.expm1(values), 0.0) if self.is_log else values).astype(np.float32)

    def gain(self, said: Floats) -> Doubles:
        """Deviations from the mean [R]."""
        return said.astype(np.float64)


Served = Chance | Amount


def log_chance(logits: Doubles) -> Doubles:
    """[R] log sigmoid(z), without overflow."""
    chance: Doubles = -np.logaddexp(0.0, -logits)
    return chance


def log_blend(clicks: Doubles, said: Sequence[Floats], tasks: Sequence[Served]) -> Doubles:
    """The log of the score [R] that orders a list.

    log score = (log p_click + sum_i blend_i log p_i + sum_j blend_j z_j) / (1 + sum_i blend_i + sum_j blend_j)

    over tasks i of yes or no, and j that learn a number, z its standardised value. So without the latter the score is
    a weighted geometric mean of probabilities, of 0 to 1, and the order that of p_click * prod_i p_i^blend_i; with
    every blend 0 it is p_click.

    Args:
        clicks: [R] calibrated logits.
        said: of each task what the network says [R].
        tasks: in that order.
    """
    total, shares = log_chance(clicks), 1.0
    for one, own in zip(tasks, said, strict=True):
        if one.blend > 0:
            total, shares = total + one.blend * one.gain(own), shares + one.blend
    mean: Doubles = total / shares
    return mean


def to_json(tasks: Mapping[str, Served]) -> dict[str, dict[str, object]]:
    """As plain values."""
    return {name: asdict(one) for name, one in tasks.items()}


def from_json(fields: Mapping[str, Mapping[str, object]]) -> dict[str, Served]:
    """The inverse of `to_json`."""
    return {name: _served(one) for name, one in fields.items()}


def _served(one: Mapping[str, object]) -> Served:
    if "calibration" in one:
        return Chance(one["blend"], Calibration(**one["calibration"]))  # type: ignore[arg-type]
    return Amount(**one)  # type: ignore[arg-type]
