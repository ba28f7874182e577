"""The ranker's order beside that of the true chances, in a made world."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys.data.splits import Split
from enterprise_recsys.data.worlds import World
from enterprise_recsys.demo import _chances
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.possible import against_truth
from enterprise_recsys.trainer import ProductionTrainer


def test_the_ranker_lies_between_chance_and_the_best_possible(
    trainer: ProductionTrainer, parts: Split, world: World
) -> None:
    recommender = trainer.recommender
    found = against_truth(recommender, parts.test, _chances(world, parts, recommender))
    assert 0.55 < found["ranker/UserAUC"] < found["ranker/UserAUC_possible"]
    # Less what is left to chance, the ranker has most of what there is to know.
    assert (found["ranker/UserAUC"] - 0.5) / (found["ranker/UserAUC_possible"] - 0.5) > 0.5


def test_who_knows_what_was_taken_has_an_auc_of_one_and_who_says_one_thing_a_half(
    trainer: ProductionTrainer, parts: Split
) -> None:
    recommender = trainer.recommender
    exam = Exam(recommender.engine.processor, recommender.log, parts.test)
    taken = np.zeros((len(exam.user_ids), exam.n_items))
    owners = np.repeat(np.arange(len(exam.user_ids)), exam.truth.counts)
    known = exam.truth.items < exam.n_items
    taken[owners[known], exam.truth.items[known]] = 1.0
    places = {name: place for place, name in enumerate(exam.user_ids)}

    def knows(user_ids):
        return taken[[places[one] for one in user_ids], 1:]

    assert against_truth(recommender, parts.test, knows)["ranker/UserAUC_possible"] == 1.0
    same = against_truth(recommender, parts.test, lambda user_ids: np.ones((len(user_ids), exam.n_items - 1)))
    assert same["ranker/UserAUC_possible"] == pytest.approx(0.5)
