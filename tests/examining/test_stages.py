"""What each stage loses, by hand, and with rankers that know everything, nothing, or only what retrieval knows."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.data.worlds import World
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.indexes import Index
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.stages import index_recall, losses_of, predictions_of
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Ranked
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL


class Stub:
    """A ranker whose probabilities are a plain function of the ranker's columns."""

    data = b""
    calibration = Calibration()

    def __init__(self, score) -> None:
        self._score = score

    def logits(self, columns):
        clicks = np.clip(self._score(columns).astype(np.float64), 1e-12, 1 - 1e-12)
        return np.log(clicks / (1 - clicks)), np.full(len(clicks), 3.0, np.float32)

    def score(self, columns):
        logits, ratings = self.logits(columns)
        return self.calibration.probabilities(logits), ratings


def with_ranker(trainer: ProductionTrainer, score) -> ProductionTrainer:
    other = ProductionTrainer(trainer.config, progress=False)
    engine = replace(trainer.recommender.engine, scorer=Stub(score))
    other._recommender = Recommender(engine, trainer.recommender.log)
    return other


def verdict(figures: Evaluation) -> tuple[str, str]:
    found = next(one for one in figures.findings() if one.topic == "second_stage")
    return found.verdict, found.text


def test_what_is_lost_on_the_way_is_as_worked_out_by_hand() -> None:
    # 9 items are known (rows 1 to 9); the second user also took an item that the catalogue does not hold (15).
    truth = Truth.of(np.array([0, 0, 1, 1]), np.array([1, 2, 3, 15]), n_users=2)
    candidates = np.array([[5, 1, 6, 7], [3, 4, 8, 9]])
    exam = SimpleNamespace(truth=truth, n_items=10, requests=lambda at: at)
    nothing = np.zeros((2, 4), np.float32)
    recommender = SimpleNamespace(
        engine=SimpleNamespace(depth=4),
        n_items=9,
        candidates=lambda at, k: Candidates(candidates[at], nothing, nothing, np.array([[0, 1, 1, 3], [-1] * 4])[at]),
    )
    second = 1 / np.log2(3)  # the discount of the second place
    listed = SimpleNamespace(of_users={"NDCG@2": np.array([second / (1 + second), 1 / (1 + second)])})
    found = losses_of(recommender, exam, listed, ks=[2])
    assert found["retrieval/CandidateRecall@4"].tolist() == [0.5, 0.5]
    # Of item 1 the neighbours were the source; the second user, of whom nothing is known, was given popular items.
    brought = {name: found[f"{name}/CandidateRecall@4"].tolist() for name in ("two_tower", "neighbours", "popular")}
    assert brought == {"two_tower": [0.0, 0.0], "neighbours": [0.5, 0.0], "popular": [0.0, 0.5]}
    assert found["trending/CandidateRecall@4"].tolist() == [0.0, 0.0]
    assert "repeats/CandidateRecall@4" not in found
    assert found["catalogue/NDCG@2"] == pytest.approx([1.0, 1 / (1 + second)])
    assert found["catalogue/Recall@2"].tolist() == [1.0, 0.5]
    assert found["ceiling/NDCG@2"] == pytest.approx([1 / (1 + second), 1 / (1 + second)])
    assert found["retrieval/NDCG_given_candidates@2"] == pytest.approx([second, 1.0])
    assert found["two_stage/NDCG_given_candidates@2"] == pytest.approx([second, 1.0])


def test_without_a_relevant_candidate_no_order_is_judged() -> None:
    truth = Truth.of(np.array([0]), np.array([1]), n_users=1)
    exam = SimpleNamespace(truth=truth, n_items=10, requests=lambda at: at)
    nothing, sources = np.zeros((1, 2), np.float32), np.zeros((1, 2), np.int64)
    recommender = SimpleNamespace(
        engine=SimpleNamespace(depth=2),
        n_items=9,
        candidates=lambda at, k: Candidates(np.array([[5, 6]]), nothing, nothing, sources),
    )
    found = losses_of(recommender, exam, SimpleNamespace(of_users={"NDCG@1": np.zeros(1)}), ks=[1])
    assert found["ceiling/NDCG@1"].tolist() == [0.0]
    assert np.isnan(found["two_stage/NDCG_given_candidates@1"]).all()


def test_a_second_stage_that_repeats_the_first_does_not_help_and_the_report_says_so(
    trainer: ProductionTrainer, parts: Split
) -> None:
    same = with_ranker(trainer, lambda columns: 1 / (1 + np.exp(-columns["retrieval_score"] / 10)))
    known = set(trainer.recommender.log.users["user_id"])
    test = parts.test.with_events(parts.test.events.filter(parts.test.events["user_id"].is_in(list(known))))
    figures = same.evaluate(test, baselines=False)
    assert figures["two_stage-retrieval/NDCG@10"] == 0.0
    told, text = verdict(figures)
    assert told == "unclear"
    assert text.startswith("The second stage does not help: NDCG@10 is")
    assert "if it does help, then by 0.0000 at the most" in text


def test_a_second_stage_that_knows_the_answer_helps_and_reaches_the_ceiling(
    trainer: ProductionTrainer, parts: Split
) -> None:
    recommender = trainer.recommender
    # Users and items that were not learnt have id 0 in the ranker's columns, and it could not know their answers.
    learnt = [pl.col(name).is_in(recommender.log.events[name].unique().to_list()) for name in ("user_id", "item_id")]
    test = parts.test.with_events(parts.test.events.filter(*learnt))
    exam = Exam(recommender.engine.processor, recommender.log, test)
    owners = np.repeat(np.arange(len(exam.user_ids)), exam.truth.counts)
    answers = set(zip(recommender.engine.processor.users.rows(exam.user_ids)[owners], exam.truth.items, strict=True))

    def knows(columns):
        users = np.repeat(columns["user_id"], len(columns["item_id"]) // len(columns["user_id"]))
        pairs = zip(users.tolist(), columns["item_id"].tolist(), strict=True)
        return np.array([float(pair in answers) for pair in pairs])

    figures = with_ranker(trainer, knows).evaluate(test, baselines=False)
    assert figures["two_stage/NDCG@10"] == pytest.approx(figures["ceiling/NDCG@10"])
    assert figures["two_stage/NDCG_given_candidates@10"] == figures["ranker/AUC"] == 1.0
    assert verdict(figures)[0] == "better"
    assert verdict(figures)[1].startswith("The second stage helps: NDCG@10 is")


def test_a_second_stage_that_turns_the_order_round_harms(trainer: ProductionTrainer, parts: Split) -> None:
    figures = with_ranker(trainer, lambda columns: 1 / (1 + np.exp(columns["retrieval_score"] / 10))).evaluate(
        parts.test, baselines=False
    )
    assert verdict(figures)[0] == "worse"
    assert verdict(figures)[1].startswith("The second stage does not help, it harms: NDCG@10 is")


def test_no_list_is_better_than_its_ceiling(trainer: ProductionTrainer, parts: Split) -> None:
    figures = trainer.evaluate(parts.test, k=[5, 10])
    for k in (5, 10):
        levels = [figures[f"{name}/NDCG@{k}"] for name in ("two_stage", "ceiling", "catalogue")]
        assert levels == sorted(levels) and levels[-1] <= 1.0
        assert figures[f"two_stage/NDCG_given_candidates@{k}"] <= 1.0
    assert 0 < figures[f"retrieval/CandidateRecall@{trainer.recommender.engine.depth}"] <= 1.0
    assert f"ceiling/NDCG@{k}/low" in figures
    assert figures["index/Recall@50"] == 1.0


def test_an_index_that_finds_half_has_half_the_recall(trainer: ProductionTrainer, parts: Split) -> None:
    recommender = trainer.recommender

    class Half:
        def search(self, queries, k, offsets, left_out):
            whole = recommender.engine.index.search(queries, k, offsets, left_out)
            return Ranked(np.where(np.arange(k) % 2 == 0, whole.rows, 0), whole.scores)

    half = Recommender(replace(recommender.engine, index=Half()), recommender.log)
    exam = Exam(recommender.engine.processor, recommender.log, parts.test)
    assert index_recall(half, exam, seed=0) == {"index/Recall@50": pytest.approx(0.5, abs=0.02)}
    assert isinstance(recommender.engine.index, Index)
    assert index_recall(recommender, exam, seed=0) == {"index/Recall@50": 1.0}


def test_predictions_are_judged_by_what_was_taken_and_rated(trainer: ProductionTrainer, parts: Split) -> None:
    constant = with_ranker(trainer, lambda columns: np.full(len(columns["item_id"]), 0.25)).recommender
    exam = Exam(constant.engine.processor, constant.log, parts.test)
    figures, reliable = predictions_of(constant, exam, seed=0)
    bins = reliable.told
    assert reliable.before == bins and figures["ranker/ECE"] == figures["ranker/ECE_uncalibrated"]
    taken = figures["ranker/TakenShare"]
    assert figures["ranker/AUC"] == 0.5 and figures["ranker/MeanPrediction"] == 0.25
    assert figures["ranker/LogLoss"] == pytest.approx(-taken * np.log(0.25) - (1 - taken) * np.log(0.75))
    assert [(one.predicted, one.count) for one in bins] == [(0.25, figures["ranker/predictions"])]
    assert bins[0].observed == pytest.approx(taken)
    # The stub says 3 to every rating: its error is that of the ratings themselves.
    items = constant.engine.processor.items.ids.to_list()
    known = parts.test.events.filter(pl.col("item_id").is_in(items) & pl.col("rating").is_not_null())
    assert figures["ranker/ratings"] == len(known)
    assert figures["ranker/RMSE"] == pytest.approx(np.sqrt(np.mean((known["rating"].to_numpy() - 3.0) ** 2)))
    mean = trainer.recommender.log.events["rating"].mean()
    assert figures["ranker/RMSE_of_mean"] == pytest.approx(np.sqrt(np.mean((known["rating"].to_numpy() - mean) ** 2)))


def test_users_fall_into_new_ones_and_three_groups_by_activity(trainer: ProductionTrainer, parts: Split) -> None:
    recommender = trainer.recommender
    exam = Exam(recommender.engine.processor, recommender.log, parts.test)
    activity = ("low_activity", "middle_activity", "high_activity")
    assert list(exam.slices) == ["new_users", *activity]
    assert (np.sum(list(exam.slices.values()), axis=0) == 1).all()
    past = dict(recommender.log.events.group_by("user_id").len().iter_rows())
    lengths = np.array([past.get(user, 0) for user in exam.user_ids])
    assert (lengths[exam.slices["new_users"]] == 0).all()
    light, medium, heavy = (lengths[exam.slices[name]] for name in activity)
    assert light.max() < medium.min() <= medium.max() < heavy.min()


def test_any_feature_of_users_and_items_becomes_groups(trainer: ProductionTrainer, parts: Split, world: World) -> None:
    figures = trainer.evaluate(parts.test, baselines=False, slices=["user_segment", "user_age", "item_category"])
    users = world.interactions.users
    assert users is not None
    recommender = trainer.recommender
    exam = Exam(recommender.engine.processor, recommender.log, parts.test)
    asked = exam.user_ids.gather(np.flatnonzero(exam.truth.counts)).implode()
    counts = dict(users.filter(pl.col("user_id").is_in(asked)).group_by("user_segment").len().iter_rows())
    told = {
        key.removeprefix("users_user_segment_"): n for key, n in figures.items() if key.startswith("users_user_seg")
    }
    assert told == {name: counts[name] for name in told} and len(told) > 2
    means = [figures[f"two_stage/user_segment_{name}/NDCG@10"] * counts[name] for name in told]
    assert sum(means) / sum(told.values()) == pytest.approx(figures["two_stage/NDCG@10"])
    assert "two_stage-retrieval/user_age_low/NDCG@10/p" in figures  # numbers in three parts, with intervals and tests
    assert any(key.startswith("two_stage/item_category_") for key in figures)
    with pytest.raises(ConfigError, match="the feature 'user_shoe' is in neither table; known: user_id, user_country"):
        trainer.evaluate(parts.test, slices=["user_shoe"])


def world_of_groups(generator: np.random.Generator) -> pl.DataFrame:
    """Users of 8 groups take the 30 things of their own group, each with the same chance and once, at any time.

    Who knows the group knows all: among its things that a user has not had there is nothing to choose by. Popularity,
    mean ratings, hours and the length of a history are noise, so a second stage has nothing to add.
    """
    rows = []
    for user in range(640):
        own = user % 8 * 30 + generator.permutation(30)[:20]
        seconds = np.sort(generator.uniform(0, 90 * 86_400, 20)) + 1_767_225_600
        rows += [(f"u{user}", f"i{item}", int(second * 1e6)) for item, second in zip(own, seconds, strict=True)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


@pytest.mark.slow
def test_in_a_world_without_anything_to_add_the_report_says_that_the_second_stage_does_not_help() -> None:
    log = to_interactions(world_of_groups(np.random.default_rng(0)))
    parts = SPLITS["global_time"](log)
    config = ModelConfig(**{**SMALL, "epochs": 15, "ranker_epochs": 3})
    figures = ProductionTrainer(config, progress=False).fit(parts.train, parts.val).evaluate(parts.test)
    # The first stage knows the groups: its lists are what chance makes of the 10 to 14 things that are left in each.
    assert figures["retrieval/NDCG@10"] > 5 * figures["popularity/NDCG@10"]
    assert verdict(figures)[0] != "better"
    assert verdict(figures)[1].startswith("The second stage does not help")
