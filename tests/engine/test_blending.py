"""One score out of several predictions, by hand."""

import json

import numpy as np
import pytest

from enterprise_recsys.engine.blending import Amount, Chance, from_json, log_blend, to_json
from enterprise_recsys.engine.calibration import Calibration


def _logit(chances: list[float]) -> np.ndarray:
    return np.log(np.array(chances) / (1 - np.array(chances)))


def test_the_score_is_the_weighted_geometric_mean_of_the_probabilities() -> None:
    clicks, bought = _logit([0.5, 0.2]), _logit([0.1, 0.4])
    found = np.exp(log_blend(clicks, [bought], [Chance(2.0, Calibration())]))
    assert found == pytest.approx([(0.5 * 0.1**2) ** (1 / 3), (0.2 * 0.4**2) ** (1 / 3)])


def test_a_number_counts_by_its_deviations_from_the_mean() -> None:
    clicks = _logit([0.5, 0.5])
    found = log_blend(clicks, [np.array([1.0, -1.0])], [Amount(0.5, 100.0, 10.0, False)])
    assert found == pytest.approx([(np.log(0.5) + 0.5) / 1.5, (np.log(0.5) - 0.5) / 1.5])


def test_without_a_blend_the_score_is_the_probability_of_a_click() -> None:
    clicks = _logit([0.5, 0.2])
    tasks = [Chance(0.0, Calibration()), Amount(0.0, 1.0, 1.0, True)]
    assert np.exp(log_blend(clicks, [clicks * -3, clicks], tasks)) == pytest.approx([0.5, 0.2])


def test_a_chance_counts_as_it_is_calibrated() -> None:
    shifted = Calibration(shift=-1.0)
    found = log_blend(_logit([0.5]), [_logit([0.5])], [Chance(1.0, shifted)])
    assert found == pytest.approx([np.log(0.5 / (1 + np.e)) / 2])
    assert Chance(1.0, shifted).told(_logit([0.5])) == pytest.approx([1 / (1 + np.e)])


def test_far_out_logits_neither_overflow_nor_tie() -> None:
    found = log_blend(np.array([-900.0, -901.0]), [np.array([900.0, 900.0])], [Chance(1.0, Calibration())])
    assert np.isfinite(found).all() and found[0] > found[1]


def test_a_number_is_told_in_the_unit_of_the_log() -> None:
    said = np.array([0.5, -9.0], np.float32)
    assert Amount(1.0, 2.0, 2.0, True).told(said) == pytest.approx([np.expm1(3.0), 0.0])
    assert Amount(1.0, 2.0, 2.0, False).told(said) == pytest.approx([3.0, -16.0])


def test_tasks_survive_json() -> None:
    tasks = {"buy": Chance(1.5, Calibration(0.5, 2.0, -1.0)), "watch": Amount(0.0, 3.0, 2.0, True)}
    assert from_json(json.loads(json.dumps(to_json(tasks)))) == tasks
