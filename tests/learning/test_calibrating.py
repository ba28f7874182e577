"""Which lists tell how often what the ranker says comes true."""

import numpy as np

from enterprise_recsys.engine.blending import Amount, Chance
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.learning.calibrating import calibrated, tasks_as_served
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.ranking.losses import Goal
from enterprise_recsys.ranking.ranker import Examples
from enterprise_recsys.tasks import Task


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


def test_each_task_is_calibrated_by_its_own_labels_on_the_same_lists() -> None:
    generator = np.random.default_rng(0)
    clicks, bought = generator.random((500, 20)) < 0.3, (generator.random((500, 20)) < 0.05).astype(np.float32)
    bought[:, 0] = np.nan
    lists = _lists(list(range(500)), clicks)
    lists.examples.tasks["buy"] = bought.ravel()
    said = np.zeros(10_000, np.float32)
    tasks = {"watch": Task(column="seconds", blend=0.5), "buy": Task(event_types=("buy",), blend=2.0)}
    goals = {"watch": Goal("rating", 1.0, 3.0, 2.0), "buy": Goal("ctr")}
    found = tasks_as_served(tasks, goals, [lists], [(said,) * 4], [(said, said, said, said)])
    assert found["watch"] == Amount(0.5, 3.0, 2.0, True)
    assert isinstance(found["buy"], Chance) and found["buy"].blend == 2.0
    assert abs(found["buy"].told(said[:1])[0] - np.nanmean(bought)) < 0.002


def test_a_place_that_nothing_fills_moves_no_logit() -> None:
    clicks = np.array([[1, 0, np.nan], [0, 1, np.nan]])
    own = np.array([1.0, -1.0, 5.0, -1.0, 1.0, 5.0], np.float32)
    served = own + np.array([2, 2, -40, 2, 2, -40], np.float32)  # of the empty places it happens to say something else
    found = calibrated([_lists([1, 2], clicks)], [own], [served])
    assert found == Calibration.of(np.array([1, 0, 0, 1]), np.array([3.0, 1.0, 1.0, 3.0]))
    nothing = _lists([1], np.array([[np.nan, np.nan]]))
    assert calibrated([nothing], [own[:2]], [served[:2]]) == Calibration()
