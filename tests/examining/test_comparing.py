"""Models and lists beside each other: a known difference is found, and none where there is none."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.splits import Split
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.examining.comparing import compare, opened, provenance_of_comparison
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.listed import ListFrame
from enterprise_recsys.records import Interactions
from enterprise_recsys.trainer import ProductionTrainer


def made_lists(parts: Split, share: float) -> ListFrame:
    """Lists that hold one thing that the user went on to take, in the first place, for a share of the users."""
    taken = parts.test.events.group_by("user_id", maintain_order=True).agg(pl.col("item_id"))
    had = {
        user: set(items)
        for user, items in pl.concat([parts.train.events, parts.val.events])
        .group_by("user_id")
        .agg("item_id")
        .iter_rows()
    }
    catalogue = sorted(set(parts.train.events["item_id"]))
    rows = []
    for place, (user, items) in enumerate(taken.iter_rows()):
        new = [item for item in items if item not in had.get(user, ())]
        hit = place % 10 < round(10 * share) and new
        best = [new[0]] if hit else []
        rest = [item for item in catalogue if item not in new and item not in had.get(user, ())]
        rows += [(user, item, rank) for rank, item in enumerate((best + rest)[:10], start=1)]
    return ListFrame(pl.DataFrame(rows, schema=["user_id", "item_id", "rank"], orient="row"))


def test_a_known_difference_between_lists_is_found_and_put_in_words(parts: Split) -> None:
    good, poor = made_lists(parts, 0.8), made_lists(parts, 0.3)
    figures = compare({"good": good, "poor": poor}, parts).evaluation
    assert figures["good/HR@10"] - figures["poor/HR@10"] == pytest.approx(figures["good-poor/HR@10"])
    assert figures["good-poor/HR@10"] == pytest.approx(0.5, abs=0.05)
    text = str(figures)
    assert "good is better than poor: NDCG@10 is" in text
    assert "By the other metrics (p corrected) good is better in HR@10" in text.replace("\n ", "")


def test_between_equal_lists_there_is_no_clear_difference(parts: Split) -> None:
    lists = made_lists(parts, 0.5)
    figures = compare({"one": lists, "other": lists}, parts).evaluation
    assert figures["one-other/NDCG@10"] == 0.0
    assert str(figures.findings()[0]).startswith("No clear difference between one")


def test_a_model_is_measured_as_it_is_by_evaluate(trainer: ProductionTrainer, parts: Split) -> None:
    alone = trainer.evaluate(parts.test, baselines=False)
    detail = compare({"model": trainer.recommender, "lists": made_lists(parts, 0.3)}, parts, depth=20)
    assert detail.evaluation["model/NDCG@10"] == pytest.approx(alone["two_stage/NDCG@10"])
    assert detail.evaluation["users"] == alone["users"]
    assert len(detail.curves["NDCG"]["model"]) == 20
    assert detail.curves["NDCG"]["model"][9] == pytest.approx(alone["two_stage/NDCG@10"])


def test_impressions_are_no_events_to_models_that_are_compared(
    trainer: ProductionTrainer, parts: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"model": trainer.recommender, "lists": made_lists(parts, 0.3)}
    wanted = compare(given, parts).evaluation
    processor = trainer.recommender.engine.processor
    monkeypatch.setattr(
        processor, "config", processor.config.model_copy(update={"impression_event_types": ("impression",)})
    )

    def shown(part: Interactions) -> Interactions:
        more = part.events.with_columns(event_type=pl.lit("impression"), item_id=pl.lit("i1"))
        return part.with_events(pl.concat([part.events, more], how="diagonal_relaxed"))

    found = compare(given, Split(shown(parts.train), shown(parts.val), shown(parts.test))).evaluation
    assert found == wanted


def test_users_without_a_list_count_as_misses_and_are_told_of(parts: Split) -> None:
    whole = made_lists(parts, 0.5)
    users = whole.user_ids[: len(whole.user_ids) // 2]
    rows = [(user, item, rank) for user in users for rank, item in enumerate(whole([user], 10)[0])]
    half = ListFrame(pl.DataFrame(rows, schema=["user_id", "item_id", "rank"], orient="row"))
    figures = compare({"whole": whole, "half": half}, parts).evaluation
    assert figures["whole/ListedUsers"] == 1.0 and 0.3 < figures["half/ListedUsers"] < 0.7
    assert any("half has lists for" in str(one) for one in figures.findings())


def test_what_cannot_be_compared_is_refused(trainer: ProductionTrainer, parts: Split) -> None:
    lists = made_lists(parts, 0.5)
    with pytest.raises(ConfigError, match="two systems or more, got one"):
        compare({"one": lists}, parts)
    strangers = ListFrame(pl.DataFrame({"user_id": ["x"], "item_id": ["i1"], "rank": [1]}))
    with pytest.raises(DataError, match="b and the log share no users: b has 'x' ..., the log '1.*Check that both"):
        compare({"a": lists, "b": strangers}, parts)
    foreign = ListFrame(pl.DataFrame({"user_id": lists.user_ids[:1], "item_id": ["y"], "rank": [1]}))
    with pytest.raises(DataError, match="b and the log share no items: b has 'y'"):
        compare({"a": lists, "b": foreign}, parts)
    earlier = Split(parts.train, parts.train, parts.val)
    with pytest.raises(DataError, match="model has learnt from events up to .* it has seen what it is asked"):
        compare({"model": trainer.recommender, "b": lists}, earlier)


def test_systems_are_named_by_their_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist; name a folder"):
        opened([tmp_path / "nowhere"])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my-lists.csv").write_text("user_id,item_id,rank\n1,i1,1\n")
    assert list(opened([tmp_path / "a" / "my-lists.csv"])) == ["my_lists"]
    assert list(opened([tmp_path / "a" / "my-lists.csv", tmp_path / "b" / "my-lists.csv"])) == [
        "a_my_lists",
        "b_my_lists",
    ]
    same = tmp_path / "a" / "my-lists.csv"
    assert list(opened([same, same])) == ["a_my_lists_1", "a_my_lists_2"]


def test_what_is_needed_to_compare_again_is_told(trainer: ProductionTrainer, parts: Split) -> None:
    given = {"model": trainer.recommender, "lists": made_lists(parts, 0.5)}
    told = provenance_of_comparison(given, parts, "recsys compare a b")
    assert told["command"] == "recsys compare a b" and len(str(told["split checksum"])) == 16
    assert told["configuration of model"]["embedding_dim"] == 16  # type: ignore[index]
    assert np.isin(["machine", "versions", "commit", "date"], list(told)).all()


def test_a_frame_of_lists_stands_beside_the_model(trainer: ProductionTrainer, parts: Split) -> None:
    exam = Exam(trainer.recommender.engine.processor, trainer.recommender.log, parts.test)
    frame = trainer.recommend_many(exam.user_ids.to_list(), 10, frame="polars")
    figures = trainer.evaluate(parts.test, extra={"again": frame}, baselines=False)
    assert figures["again/NDCG@10"] == pytest.approx(figures["two_stage/NDCG@10"], abs=0.02)
