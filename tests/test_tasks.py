"""Several tasks from the config to the answer: in a made log people click one kind of item and buy another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from enterprise_recsys import ConfigError, ModelConfig
from enterprise_recsys.artifact import opened
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.engine.runtime import Scorer
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Interactions
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL

ITEMS, USERS, DAYS = 60, 150, 40
DIALS = {
    **SMALL,
    "epochs": 2,
    "ranker_epochs": 12,
    "ranker_id_dropout": 0.5,
    "positive_event_types": ["click"],
    "ranking_dims": [16],
    "ranking_dim": 4,
    "refit": False,
}
BUY, WATCH = {"event_types": ["buy"]}, {"column": "seconds"}


def made_log() -> Interactions:
    """Of the items the first 40 are for show: six clicks of seven, watched for 10 seconds, and hardly ever bought.

    The other 20 are goods: watched for 100 seconds, and four in five clicks end in a purchase.
    """
    generator = np.random.default_rng(0)
    rows: list[tuple[str, str, int, str, float | None]] = []
    for user in range(USERS):
        days = np.sort(generator.choice(DAYS, 8, replace=False))
        of_show, of_goods = iter(generator.permutation(40)), iter(40 + generator.permutation(20))
        taken = [next(of_goods if is_good else of_show) for is_good in generator.random(24) < 1 / 7]
        for day, items in zip(days, np.reshape(taken, (8, 3)), strict=True):
            for turn, item in enumerate(items):
                at = 10**9 + int(day) * 86_400 + int(generator.integers(60_000)) + turn * 120
                is_good = item >= 40
                watched = (100.0 if is_good else 10.0) * generator.uniform(0.8, 1.2)
                rows.append((f"u{user}", f"i{item}", at, "click", watched if turn else None))
                if generator.random() < (0.8 if is_good else 0.02):
                    rows.append((f"u{user}", f"i{item}", at + 60, "buy", None))
    schema = ["user_id", "item_id", "timestamp", "event_type", "seconds"]
    kinds = ["show" if item < 40 else "good" for item in range(ITEMS)]
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(ITEMS)], "kind": kinds})
    return to_interactions(pl.DataFrame(rows, schema=schema, orient="row"), items=items)


def part(log: Interactions, first: int, last: int) -> Interactions:
    """Some days of a log, whole."""
    day = (pl.col("timestamp").dt.epoch("s") - 10**9) // 86_400
    return log.with_events(log.events.filter((day >= first) & (day < last)))


@pytest.fixture(scope="module")
def log() -> Interactions:
    return made_log()


@pytest.fixture(scope="module")
def blended(log: Interactions) -> ProductionTrainer:
    config = ModelConfig(**DIALS, tasks={"buy": {**BUY, "blend": 2.0}, "watch": {**WATCH, "blend": 0.1}})
    return ProductionTrainer(config, progress=False).fit(part(log, 0, 25), part(log, 25, 33))


@pytest.fixture(scope="module")
def saved(blended: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    blended.save(folder)
    return folder


@pytest.fixture(scope="module")
def beside(blended: ProductionTrainer, saved: Path) -> ProductionTrainer:
    """The same model with tasks that only stand beside the click: a blend of 0, which changes nothing in learning."""
    trainer, engine = ProductionTrainer(blended.config, progress=False), blended.recommender.engine
    tasks = {name: replace(one, blend=0.0) for name, one in engine.scorer.tasks.items()}
    path = opened(saved / "model", kind="model")[0] / "scorer.onnx"
    scorer = Scorer(path, threads=1, calibration=engine.scorer.calibration, tasks=tasks)
    trainer._recommender = Recommender(replace(engine, scorer=scorer), blended.recommender.log)
    return trainer


def figures(trainer: ProductionTrainer, log: Interactions) -> Evaluation:
    return trainer.evaluate(part(log, 33, DAYS), baselines=False)


def goods(trainer: ProductionTrainer) -> float:
    """Share of the items that are bought among the first ten of everybody's list."""
    kinds = [item["kind"] for user in range(USERS) for item in trainer.recommend(f"u{user}", 10, fields=["kind"])]
    return float(np.mean([kind == "good" for kind in kinds]))


def test_a_blend_brings_up_what_is_bought(beside: ProductionTrainer, blended: ProductionTrainer) -> None:
    assert goods(beside) < 0.3 and goods(blended) > 0.9


def test_what_is_said_of_each_task_comes_true(
    beside: ProductionTrainer, blended: ProductionTrainer, log: Interactions
) -> None:
    alone, together = figures(beside, log), figures(blended, log)
    # Which goods a user buys is drawn by lot: who knows all that can be known has about .8.
    share = alone["ranker/buy/TakenShare"]
    assert alone["ranker/buy/AUC"] > 0.7
    assert alone["ranker/buy/LogLoss"] < -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert alone["ranker/watch/RMSE"] < 0.5 * alone["ranker/watch/RMSE_of_mean"]
    # Buys are ordered better with the blend than by the click, and without a blend by the click itself.
    assert together["ranker/buy/NDCG@10"] > together["ranker/buy/NDCG@10_by_click"] + 0.1
    assert alone["ranker/buy/NDCG@10"] == alone["ranker/buy/NDCG@10_by_click"]
    # A blend changes the order and nothing that is said.
    told = [key for key in alone if key.startswith("ranker/") and "NDCG" not in key]
    assert [alone[key] for key in told] == [together[key] for key in told]
    assert "ranker/buy/AUC" in str(alone)


def test_with_a_blend_of_nothing_the_list_is_that_of_the_click(beside: ProductionTrainer) -> None:
    items = beside.recommend("u3", 20, fields=["tasks"])
    assert [item["score"] for item in items] == pytest.approx([item["tasks"]["click"] for item in items], abs=1e-6)
    clicks = [item["tasks"]["click"] for item in items]
    assert clicks == sorted(clicks, reverse=True) and list(items[0]["tasks"]) == ["click", "buy", "watch"]


def test_the_score_is_what_the_formula_makes_of_what_is_told(blended: ProductionTrainer) -> None:
    scorer = blended.recommender.engine.scorer
    watch = scorer.tasks["watch"]
    for item in blended.recommend("u3", 10, fields=["tasks"]):
        told = item["tasks"]
        deviations = (np.log1p(told["watch"]) - watch.mean) / watch.std
        log_score = (np.log(told["click"]) + 2.0 * np.log(told["buy"]) + 0.1 * deviations) / 3.1
        assert item["score"] == pytest.approx(np.exp(log_score), rel=1e-3)
        assert 0.0 <= told["buy"] <= 1.0 and 0.0 < told["watch"] < 200.0


def test_an_explanation_adds_up_to_what_orders_the_list(blended: ProductionTrainer) -> None:
    for item in blended.recommend("u3", 3, reasons=True):
        told = item["explanation"]
        assert told["base"] + sum(told["features"].values()) == pytest.approx(np.log(item["score"]), abs=1e-4)


def test_a_saved_model_answers_the_same(blended: ProductionTrainer, saved: Path) -> None:
    again = ProductionTrainer.load(saved)
    assert list(again.recommend("u7", 10, fields=["tasks"])) == list(blended.recommend("u7", 10, fields=["tasks"]))
    assert opened(saved / "model", kind="model")[1].meta["tasks"] == ["buy", "watch"]
    assert again.recommender.engine.scorer.tasks == blended.recommender.engine.scorer.tasks


def test_what_is_learnt_of_an_event_is_not_asked_for_with_a_request(blended: ProductionTrainer) -> None:
    assert "seconds" not in blended.recommender.engine.scorer.inputs
    assert blended.recommend("u3", 3, context={"seconds": 1e6}).ignored == ["seconds"]


def test_who_is_answered_by_popular_items_is_told_no_chances(blended: ProductionTrainer) -> None:
    assert all("tasks" not in item for item in blended.recommend("nobody", 3, fields=["tasks"]))
    assert all("tasks" not in item for item in blended.recommender.popular_items(3, fields=["tasks"]))
    ranked = blended.recommender.rank("u3", ["i1", "i59"], fields=["tasks", "kind"])
    assert all(set(item["tasks"]) == {"click", "buy", "watch"} and item["kind"] for item in ranked)


def test_a_model_without_tasks_has_no_such_field(trainer: ProductionTrainer, blended: ProductionTrainer) -> None:
    with pytest.raises(ConfigError, match="field 'tasks' is unknown; the catalogue has"):
        trainer.recommend("42", 3, fields=["tasks"])
    with pytest.raises(ConfigError, match="field 'task' is unknown; the catalogue has: .*; and there is 'tasks'"):
        blended.recommend("u3", 3, fields=["task"])


@pytest.fixture
def client(saved: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(is_open=True, artifact=saved))) as one:
        yield one


def test_the_service_tells_of_each_task_when_asked_and_lets_nobody_change_the_blend(client: TestClient) -> None:
    asked = {"user_id": "u3", "k": 3, "fields": ["tasks"]}
    items = client.post("/v1/recommend", json=asked).json()["items"]
    assert len(items) == 3 and all(set(item["tasks"]) == {"click", "buy", "watch"} for item in items)
    assert "tasks" not in client.post("/v1/recommend", json={"user_id": "u3", "k": 3}).json()["items"][0]
    simple = client.get("/recommend/u3?k=1&fields=tasks").json()["recommendations"]
    assert simple[0]["tasks"] == pytest.approx(items[0]["tasks"], rel=1e-5)
    assert client.post("/v1/recommend", json={**asked, "blend": {"buy": 9}}).status_code == 422


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ({"click": BUY}, "the name 'click' is wrong; .* not one of click, rating, ctr"),
        ({"rating": BUY}, "the name 'rating' is wrong"),
        ({"to buy": BUY}, "the name 'to buy' is wrong; it should be a word of letters, digits and _"),
        ({"buy": {}}, r"tasks.buy has event_types=\[\] and column=None; it should have one of the two"),
        ({"buy": {**BUY, **WATCH}}, r"event_types=\['buy'\] and column='seconds'; it should have one of the two"),
        ({"buy": {**BUY, "weight": -1}}, "ModelConfig.tasks.buy.weight = -1 is wrong: it should be greater than or"),
        ({"buy": {**BUY, "blend": -1}}, "ModelConfig.tasks.buy.blend = -1 is wrong: it should be greater than or"),
        ({"buy": {"event_type": ["buy"]}}, "ModelConfig.tasks.buy.event_type = .* is wrong"),
    ],
)
def test_a_wrong_task_is_refused_with_what_would_be_right(tasks: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ModelConfig(tasks=tasks)


def test_joint_training_refuses_tasks() -> None:
    with pytest.raises(ConfigError, match="tasks are set and training is 'joint', which learns none; .* 'staged'"):
        ModelConfig(training="joint", tasks={"buy": BUY})
