"""The API of the README, on a small made world."""

import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError, DataError, ModelConfig, NotFittedError, UnknownItemError
from enterprise_recsys.data.frames import to_frame
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.data.worlds import World
from enterprise_recsys.learning.staging import choose
from enterprise_recsys.loop import Progress
from enterprise_recsys.records import ITEM_ID, USER_ID
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL


def test_the_two_stage_list_beats_popularity_in_a_made_world(trainer: ProductionTrainer, parts: Split) -> None:
    figures = trainer.evaluate(parts.test)
    assert figures["retrieval/NDCG@10"] > figures["popularity/NDCG@10"]
    assert {
        "two_stage/NDCG@10",
        "two_stage/NDCG@10/low",
        "item_knn/MRR@10",
        "two_stage/Coverage@10",
        "two_stage/Diversity@10",
        "two_stage/FeatureDiversity@10",
    } <= set(figures)
    shares = {key: value for key, value in figures.items() if key.endswith("@10") and "-" not in key}
    assert all(0.0 <= value <= 1.0 for key, value in shares.items() if not key.endswith("Novelty@10"))  # it is in bits
    json.dumps(figures)


def test_the_best_possible_lists_are_a_ceiling(trainer: ProductionTrainer, parts: Split, world: World) -> None:
    times = parts.test.events["timestamp"].to_physical()
    past = dict(pl.concat([parts.train.events, parts.val.events]).group_by("user_id").agg("item_id").iter_rows())

    def best(user_ids, k):
        return world.best_lists(
            user_ids, k, start=times.min(), end=times.max(), seen=[set(past.get(one, ())) for one in user_ids]
        )

    figures = trainer.evaluate(parts.test, extra={"best_possible": best})
    assert figures["best_possible/NDCG@10"] > max(figures["two_stage/NDCG@10"], figures["retrieval/NDCG@10"])


def test_a_list_is_ranked_new_to_the_user_and_of_the_length_asked_for(trainer: ProductionTrainer, parts: Split) -> None:
    answer = trainer.recommend(user_id="42", k=10, fields=["title"])
    assert [item["rank"] for item in answer] == list(range(1, 11))
    scores = [item["score"] for item in answer]
    assert scores == sorted(scores, reverse=True) and np.isfinite(scores).all()
    had = set(pl.concat([parts.train.events, parts.val.events]).filter(pl.col("user_id") == "42")["item_id"])
    assert not had & {item["item_id"] for item in answer}
    assert answer.fallback_level == 0 and all(item["title"] for item in answer)


def test_an_unknown_user_gets_popular_items_and_the_answer_says_so(trainer: ProductionTrainer) -> None:
    answer = trainer.recommend("nobody", 7)
    assert len(answer) == 7 and answer.fallback_level == 2


def test_an_unknown_user_with_a_history_gets_a_personal_list(trainer: ProductionTrainer) -> None:
    answer = trainer.recommend("nobody", 7, history=["i3", "i4", "no such item"])
    assert answer.fallback_level == 1
    assert not {"i3", "i4"} & {item["item_id"] for item in answer}


def test_k_beyond_the_catalogue_gives_all_that_is_left(trainer: ProductionTrainer) -> None:
    left = trainer.recommend("42", 10_000)
    everything = trainer.recommend("42", 10_000, exclude_seen=False)
    assert len(everything) == trainer.recommender.n_items > len(left)
    assert len({item["item_id"] for item in everything}) == len(everything)


@pytest.mark.parametrize("k", [0, -1, 2.5, True])
def test_a_wrong_k_is_refused(trainer: ProductionTrainer, k: object) -> None:
    with pytest.raises(ConfigError, match="should be a whole number of at least 1"):
        trainer.recommend("42", k)


def test_an_unknown_field_or_item_is_refused(trainer: ProductionTrainer) -> None:
    with pytest.raises(ConfigError, match="field 'title,price' is unknown; .*; name each by itself"):
        trainer.recommend("42", fields=["title,price"])
    with pytest.raises(ConfigError, match="field 'colour' is unknown; the catalogue has: .*item_title"):
        trainer.recommend("42", fields=["colour"])
    with pytest.raises(UnknownItemError, match="'i999999' is not in the catalogue"):
        trainer.similar_items("i999999")


def test_similar_items_do_not_hold_the_item_itself(trainer: ProductionTrainer) -> None:
    similar = trainer.similar_items("i3", 5)
    assert len(similar) == 5 and "i3" not in {item["item_id"] for item in similar}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_many_users_get_the_lists_that_each_gets_alone(trainer: ProductionTrainer, kind: str) -> None:
    frame = trainer.recommend_many(["1", "42", "nobody"], 5, frame=kind)
    assert list(frame.columns) == ["user_id", "item_id", "score", "rank"] and len(frame) == 15
    alone = [item["item_id"] for item in trainer.recommend("42", 5)]
    assert list(frame["item_id"])[5:10] == alone


def test_an_untrained_trainer_says_so() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        ProductionTrainer().recommend("42")


def test_save_then_load_gives_the_same_lists(trainer: ProductionTrainer, tmp_path) -> None:
    trainer.save(tmp_path / "model")
    again = ProductionTrainer.load(tmp_path / "model")
    users = [str(user) for user in range(1, 60)]
    assert (
        again.recommend_many(users, 10, frame="polars")["item_id"].to_list()
        == trainer.recommend_many(users, 10, frame="polars")["item_id"].to_list()
    )
    assert again.recommender.model_version == trainer.recommender.model_version


@pytest.mark.parametrize("training", ["staged", "joint"])
def test_the_same_seed_gives_the_same_bits(parts: Split, training: str) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1, "training": training})
    first, second = (ProductionTrainer(config, progress=False).fit(parts.train, parts.val) for _ in range(2))
    assert (first.recommender.engine.vectors == second.recommender.engine.vectors).all()
    assert list(first.recommend("42")) == list(second.recommend("42"))


def test_pandas_polars_and_processed_frames_teach_the_same_model(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1})
    processor = DataProcessor(config)
    processed = processor.fit(parts.train).transform(parts.train), processor.transform(parts.val, past=parts.train)
    lists = []
    for train, val in (
        (to_frame(parts.train, pandas=True), to_frame(parts.val, pandas=True)),
        (to_frame(parts.train, pandas=False), to_frame(parts.val, pandas=False)),
        tuple(frame.to_pandas() for frame in processed),
    ):
        lists.append(list(ProductionTrainer(config, progress=False).fit(train, val).recommend("42", 5)))
    assert lists[0] == lists[1] == lists[2]


def test_flat_frames_without_prefixes_teach_the_same_model_and_are_measured_alike(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1})
    named = [to_frame(part, pandas=False) for part in (parts.train, parts.val, parts.test)]
    features = [name for name in named[0].columns if name not in (USER_ID, ITEM_ID) and name[:5] in ("user_", "item_")]
    assert len(features) > 3
    flat = [frame.rename({name: name[5:] for name in features}) for frame in named]
    lists, figures = [], []
    for train, val, test in (named, flat):
        trainer = ProductionTrainer(config, progress=False).fit(train, val)
        lists.append(list(trainer.recommend("42", 5)))
        figures.append(dict(trainer.evaluate(test[:200], baselines=False)))
    assert lists[0] == lists[1] and figures[0] == figures[1]


def test_an_interrupted_fit_goes_on_to_the_same_bits(parts: Split, tmp_path) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 3, "ranker_epochs": 1})
    whole = ProductionTrainer(config, progress=False).fit(parts.train, parts.val)

    def stop(step: Progress) -> None:
        if step.stage == "retriever" and step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ProductionTrainer(config, progress=stop).fit(parts.train, parts.val, checkpoint=tmp_path)
    resumed = ProductionTrainer(config, progress=False).fit(parts.train, parts.val, checkpoint=tmp_path)
    assert (resumed.recommender.engine.vectors == whole.recommender.engine.vectors).all()
    assert list(resumed.recommend("42")) == list(whole.recommend("42"))


def test_the_engine_computes_what_the_towers_and_the_ranker_compute(parts: Split) -> None:
    from enterprise_recsys.data.joining import joined
    from enterprise_recsys.data.moments import Moments

    trainer = ProductionTrainer(
        ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1, "refit": False}), progress=False
    )
    both = joined(parts.train, parts.val)
    processor = DataProcessor(trainer.config).fit(both)
    moments = Moments(processor, both)
    _, learnt = choose(processor, parts.train, parts.val, moments, None, None)
    engine = trainer._export(learnt)
    rows = np.arange(1, 40)
    requests = moments.requests(
        rows, np.full(39, 2**60), {name: column[:39] for name, column in moments.events.context.items()}
    )
    torch_side = learnt.retriever.encode(requests.columns, requests.history)
    assert np.abs(engine.encoder.encode(requests.columns, requests.history) - torch_side).max() < 1e-5
    logits, ratings = engine.scorer.logits({name: column[:500] for name, column in learnt.sample.items()})
    expected = learnt.ranker.predict({name: column[:500] for name, column in learnt.sample.items()})
    assert np.abs(logits - expected[0]).max() < 1e-5 and np.abs(ratings - expected[1]).max() < 1e-4


def test_a_log_without_relevant_events_is_refused(parts: Split) -> None:
    with pytest.raises(DataError, match="none of the .* training events is relevant"):
        ProductionTrainer(ModelConfig(**SMALL, positive_rating=99.0), progress=False).fit(parts.train, parts.val)


def test_of_ratings_of_yes_and_no_only_the_yes_is_learnt_and_measured(parts: Split) -> None:
    liked = pl.when(pl.col("item_id").str.slice(-1).is_in(["1", "2", "3"])).then(0.0).otherwise(1.0).alias("rating")
    train, test = (part.with_events(part.events.with_columns(liked)) for part in (parts.train, parts.test))
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1, "refit": False})
    trainer = ProductionTrainer(config, progress=False).fit(train)
    assert trainer.recommender.engine.processor.config.positive_rating == 1.0
    yes = test.with_events(test.events.filter(pl.col("rating") == 1.0))
    found, alone = (trainer.evaluate(one, baselines=False)["retrieval/NDCG@10"] for one in (test, yes))
    assert found == alone > 0


def test_without_val_the_newest_part_of_train_takes_its_place(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1})
    assert len(ProductionTrainer(config, progress=False).fit(parts.train).recommend("42", 5)) == 5
    flat = parts.train.with_events(
        parts.train.events.with_columns(pl.lit(parts.train.events["timestamp"][0]).alias("timestamp"))
    )
    with pytest.raises(DataError, match="all events have the same time"):
        ProductionTrainer(config, progress=False).fit(flat)


def test_text_vectors_and_times_of_items_are_learnt_from_and_served(parts: Split, tmp_path: Path) -> None:
    ids = pl.concat([parts.train.events, parts.val.events])["item_id"].unique().sort()
    generator = np.random.default_rng(0)
    items = pl.DataFrame(
        {
            "item_id": ids,
            "item_title": [f"thing number {place}" for place in range(len(ids))],
            "item_picture": generator.normal(size=(len(ids), 5)).tolist(),
            "item_since": pl.Series(range(len(ids))).cast(pl.Date),
        }
    )
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1}, feature_kinds={"title": "text"})
    trainer = ProductionTrainer(config, progress=False).fit(parts.train.events, parts.val.events, items=items)
    kinds = {one.name: one.kind for one in trainer.recommender.engine.processor.of("item")}
    assert kinds == {"item_title": "text", "item_picture": "vector", "item_since": "time"}
    answer = trainer.recommend("1", k=3)
    trainer.save(tmp_path / "model")
    loaded = ProductionTrainer.load(tmp_path / "model")
    assert loaded.recommend("1", k=3) == answer
    assert loaded.recommender.engine.processor.schema == trainer.recommender.engine.processor.schema


def test_who_is_shown_the_progress_is_told_how_a_frame_is_read(
    parts: Split, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own
    frame = to_frame(parts.train, pandas=False).rename({"item_category": "category", USER_ID: "visitor_id"})
    config = ModelConfig(**{**SMALL, "epochs": 1, "ranker_epochs": 1})
    ProductionTrainer(config).fit(frame)
    told = capsys.readouterr().err
    assert "log: column 'visitor_id' is read as 'user_id'" in told
    assert "log: 'category' says the same at every event of an item and is read as 'item_category'" in told
    ProductionTrainer(config, progress=False).fit(frame)
    assert capsys.readouterr().err == "" and logging.getLogger("enterprise_recsys").handlers == []
