"""The search finds the best setting that it tries, tries the same again with the same seed, and no more than it may."""

import numpy as np
import pytest

from enterprise_recsys.baselines.tuning import search, settings
from enterprise_recsys.errors import ConfigError

SPACE = {"a": (1.0, 2.0, 3.0), "b": (10.0, 20.0)}


def test_the_whole_grid_is_tried_where_it_fits() -> None:
    found = search(
        lambda dials: dials.get("a", 0) + dials.get("b", 0), SPACE, trials=7, generator=np.random.default_rng(0)
    )
    assert found[0].dials == {"a": 3.0, "b": 20.0} and found[0].score == 23.0
    assert len(found) == 7 and found[-1].dials == {}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_the_defaults_win_a_draw_and_what_cannot_be_measured_comes_last() -> None:
    found = search(
        lambda dials: np.nan if dials.get("a") == 1.0 else 1.0, SPACE, trials=7, generator=np.random.default_rng(0)
    )
    assert found[0].dials == {} and [np.isnan(one.score) for one in found] == [False] * 5 + [True] * 2


def test_a_draw_is_without_repetition_and_the_same_for_the_same_seed() -> None:
    first, second, third = (settings(SPACE, 4, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == second != third
    assert len({tuple(one.items()) for one in first}) == 4


def test_one_trial_is_the_defaults_alone() -> None:
    asked: list[object] = []
    search(lambda dials: float(asked.append(dials) or 0), SPACE, trials=1, generator=np.random.default_rng(0))
    assert asked == [{}]
    with pytest.raises(ConfigError, match="trials=0 is out of range"):
        search(lambda dials: 0.0, SPACE, trials=0, generator=np.random.default_rng(0))
