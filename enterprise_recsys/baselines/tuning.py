"""One search for all baselines: the same number of tries, the same seed, judged on validation and never on test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError

Dials = Mapping[str, float]
"""Name of a dial -> value."""


@dataclass(frozen=True)
class Tried:
    """One setting and how it did on validation, higher is better; NaN could not be measured."""

    dials: Dials
    score: float


def search(
    score: Callable[[Dials], float],
    space: Mapping[str, Sequence[float]],
    *,
    trials: int,
    generator: np.random.Generator,
) -> list[Tried]:
    """Try settings, best first; of equal scores the one that was tried first.

    The defaults are always among the tries. If the whole grid has no more settings than there are tries left, it is
    tried as a whole, else that many of its settings are drawn without repetition.

    Args:
        score: dials -> figure on validation; {} asks for the defaults.
        space: dial -> values.
        trials: settings to try, 1 or more, the defaults included.
        generator: draws the settings.

    Raises:
        ConfigError: trials is under 1.

    Source: random search as in Bergstra and Bengio, JMLR 13, 2012; that baselines get the same search as the model is
    the lesson of Ferrari Dacrema et al., RecSys 2019, doi:10.1145/3298689.3347058.
    """
    if trials < 1:
        raise ConfigError(f"trials={trials} is out of range; it is a number of settings, 1 or more.")
    tried = [Tried(dials, score(dials)) for dials in [{}, *settings(space, trials - 1, generator)]]
    return sorted(tried, key=lambda one: -one.score if one.score == one.score else float("inf"))


def settings(
    space: Mapping[str, Sequence[float]], number: int, generator: np.random.Generator
) -> list[dict[str, float]]:
    """The whole grid in order if it has no more settings than asked for, else a draw from it without repetition.

    >>> settings({"a": (1, 2), "b": (3,)}, 5, np.random.default_rng(0))
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    >>> settings({}, 5, np.random.default_rng(0))
    []
    """
    if not space:
        return []
    grid = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    if len(grid) <= number:
        return grid
    return [grid[place] for place in generator.choice(len(grid), size=number, replace=False)]
