"""Which lists tell how often what the ranker says comes true."""

import numpy as np

from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.learning.calibrating import calibrated
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.ranking.ranker import Examples


def _lists(users: list[int], clicks: np.ndarray) -> Slates:
    flat = clicks.astype(np.float32).ravel()
    nothing = np.full(len(flat), np.nan, np.float32)
    examples = Examples({}, flat, nothing, np.ones(len(flat), np.float32), clicks.shape[1])
    return Slates(examples, np.array(users))


def test_the_level_is_that_of_each_users_first_list() -> None:
    generator = np.random.default_rng(0)
    first, later = generator.random((500, 20)) < 0.3, generator.random((1500, 20)) < 0.01
    users = [*range(500), *range(500), *range(500), *range(500)]
    lists = _lists(users, np.concatenate([first, later]))
    said = np.full(40_000, -4.0, np.float32)
    found = calibrated([lists], [said], [said])
    assert abs(found.probabilities(said[:1])[0] - first.mean()) < 0.01


def test_places_without_a_label_do_not_count_and_parts_are_taken_together() -> None:
    parts = [_lists([1, 2], np.array([[1, np.nan], [0, np.nan]])), _lists([3], np.array([[1, np.nan]]))]
    said = [np.array([1.0, 99.0, -1.0, 99.0]), np.array([1.0, 99.0])]
    assert calibrated(parts, said, said) == Calibration.of(np.array([1, 0, 1]), np.array([1.0, -1.0, 1.0]))


def test_what_the_served_ranker_says_higher_is_taken_down_again() -> None:
    clicks = np.random.default_rng(0).random((500, 20)) < 0.3
    own = np.where(clicks, 1.0, -1.0).astype(np.float32).ravel()
    found = calibrated([_lists(list(range(500)), clicks)], [own], [own + 2.0])
    assert found == Calibration.of(clicks.ravel().astype(np.float32), own + 2.0)


def test_no_lists_leave_it_as_it_is() -> None:
    assert calibrated([], [], []) == Calibration()
