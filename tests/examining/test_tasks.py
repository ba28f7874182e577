"""What is measured of a task, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from enterprise_recsys.engine.blending import Amount, Chance, log_blend
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.examining.evidence import Shown
from enterprise_recsys.examining.tasks import task_figures

OWNERS = np.array([0, 0, 0, 2, 2, 2])
"""Users 0 and 2 were given items 1, 2, 3 each, of a catalogue of 9."""


def figures_of(bought: list[float], clicks: list[float], said: list[float], blend: float = 1.0) -> dict[str, float]:
    """Figures where events tell that user 0 and item 1, user 0 and item 3, user 2 and item 2 ended in a buy or not."""
    tasks = {"buy": Chance(blend, Calibration())}
    scorer = SimpleNamespace(
        tasks=tasks, lean_of=lambda outputs: log_blend(outputs[0], outputs[2:], list(tasks.values()))
    )
    exam = SimpleNamespace(
        owners=np.array([0, 0, 2]),
        n_items=10,
        events=SimpleNamespace(items=np.array([1, 3, 2]), tasks={"buy": np.array(bought)}),
    )
    outputs = (np.array(clicks), np.zeros(6), np.array(said))
    shown = Shown(OWNERS, OWNERS * 10 + np.tile([1, 2, 3], 2), np.zeros(6, dtype=bool), outputs)
    config = SimpleNamespace(tasks=tasks)
    recommender = SimpleNamespace(engine=SimpleNamespace(scorer=scorer, processor=SimpleNamespace(config=config)))
    return task_figures(recommender, exam, shown, np.random.default_rng(0))


def test_the_order_for_a_task_is_judged_by_the_score_and_by_the_click() -> None:
    # By the click the bought items stand third (user 0, item 3) and first (user 2, item 2); with the blend both first.
    found = figures_of([0.0, 1.0, 1.0], [3.0, 2.0, 1.0, 0.0, 1.0, -1.0], [-9.0, -9.0, 9.0, -9.0, 9.0, -9.0], 5.0)
    assert found["ranker/buy/NDCG@10_by_click"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["ranker/buy/NDCG@10"] == 1.0 and found["ranker/buy/AUC"] == 1.0
    assert found["ranker/buy/TakenShare"] == pytest.approx(2 / 6)
    assert found["ranker/buy/MeanPrediction"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_candidate_with_events_of_no_known_type_alone_is_left_out() -> None:
    found = figures_of([np.nan, 1.0, np.nan], [0.0] * 6, [0.0] * 6)
    assert found["ranker/buy/TakenShare"] == pytest.approx(1 / 4)
    assert found["ranker/buy/LogLoss"] == pytest.approx(np.log(2.0))


def test_a_test_log_that_says_nothing_of_a_task_judges_nothing() -> None:
    assert all(np.isnan(value) for value in figures_of([np.nan] * 3, [0.0] * 6, [0.0] * 6).values())


def test_a_number_is_told_in_the_unit_that_was_learnt() -> None:
    assert Amount(0.0, 2.0, 3.0, True).learnt(np.array([1.0])) == pytest.approx([5.0])
