"""Each kind of leak, planted, is found and said; a clean world passes."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.guards import GUARDS, check_split, refuse_leaks
from enterprise_recsys.data.leaks import Finding
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.sources import read
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Interactions

Frames = dict[str, pl.DataFrame]
REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data") / "ml-1m"


@pytest.fixture(scope="module")
def processed(world: World) -> Frames:
    return DataProcessor().prepare(world.interactions)


@pytest.fixture(scope="module")
def processor(parts: Split) -> DataProcessor:
    return DataProcessor().fit(parts.train)


def logs(parts: Split) -> dict[str, Interactions]:
    return {"train": parts.train, "val": parts.val, "test": parts.test}


def kinds(findings: list[Finding]) -> set[tuple[str, str, str]]:
    return {(one.kind, one.where, one.what) for one in findings}


# Clean ---------------------------------------------------------------------------------------------------------------


def test_a_clean_world_passes(parts: Split, processed: Frames, processor: DataProcessor) -> None:
    assert check_split(parts, processor=processor) == []
    assert check_split(processed, processor=processor) == []
    refuse_leaks(parts, processor=processor)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="MovieLens 1M is not in RECSYS_DATA")
def test_movielens_1m_is_clean_and_what_is_planted_in_it_is_found() -> None:
    log = read("ml-1m")
    parts = SPLITS["global_time"](log)
    processor = DataProcessor().fit(parts.train)
    assert check_split(parts, processor=processor) == []
    frames = DataProcessor().prepare(log)
    assert check_split(frames, guards=["future"]) == []
    mean = log.events.group_by("item_id").agg(pl.col("rating").mean().alias("context_mean"))
    planted = {
        name: part.events.join(mean, on="item_id", how="left", maintain_order="left")
        for name, part in logs(parts).items()
    }
    planted["train"] = planted["train"].with_columns(context_mood=pl.col("rating") * 2 - 1)
    planted["test"] = pl.concat([planted["test"], planted["train"].tail(1).drop("context_mood")])
    found = kinds(check_split(planted))
    assert {("future", name, "context_mean") for name in ("train", "val", "test")} <= found
    assert ("giveaway", "train", "context_mood") in found
    assert "overlap" in {kind for kind, _, _ in found}


@pytest.mark.parametrize("split", ["leave_last", "random"])
def test_splits_that_do_not_promise_an_order_in_time_are_clean_of_the_rest(world: World, split: str) -> None:
    assert check_split(SPLITS[split](world.interactions), by_time=False) == []


def test_a_log_without_ratings_and_pandas_frames_pass(parts: Split) -> None:
    bare = {name: log.events.drop("rating").to_pandas() for name, log in logs(parts).items()}
    assert check_split(bare) == []


def test_features_that_say_much_but_not_all_pass(parts: Split) -> None:
    generator = np.random.default_rng(0)
    frames = {}
    for name, log in logs(parts).items():
        noisy = log.events["rating"].to_numpy() + generator.normal(0, 1.0, len(log.events))
        frames[name] = log.events.with_columns(context_mood=pl.Series(noisy), context_one=pl.lit(1))
    assert check_split(frames) == []


# (a) The future ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["user_count", "user_mean_rating", "item_popularity", "item_mean_rating"])
def test_a_statistic_that_knows_more_than_the_past_is_found(processed: Frames, column: str) -> None:
    key = column.split("_")[0] + "_id"
    statistic = pl.len() if column in ("user_count", "item_popularity") else pl.col("rating").mean()
    everything = pl.concat(list(processed.values())).group_by(key).agg(statistic.alias(column))
    spoilt = {name: frame.drop(column).join(everything, on=key, how="left") for name, frame in processed.items()}
    found = check_split(spoilt, guards=["future"])
    assert kinds(found) == {("future", name, column) for name in processed}
    assert f"column '{column}' is not what the past gives" in found[0].message
    assert "the events before it give" in found[0].message and "row 1 (user " in found[0].message


def test_one_wrong_row_is_enough_and_is_named(processed: Frames) -> None:
    test = processed["test"].with_columns(
        user_count=pl.when(pl.int_range(pl.len()) == 41).then(pl.col("user_count") + 1).otherwise("user_count")
    )
    (found,) = check_split({**processed, "test": test}, guards=["future"])
    assert (found.where, found.what, found.count) == ("test", "user_count", 1)
    assert "row 42 (user " in found.message


@pytest.mark.parametrize(
    ("statistic", "words"),
    [
        (pl.col("rating").mean().over("item_id"), "mean rating of each item_id"),
        (pl.len().over("user_id").cast(pl.Float64), "count of each user_id"),
        (pl.col("rating").std(ddof=0).over("user_id"), "deviation of ratings of each user_id"),
        (
            (pl.col("rating").sum().over("item_id") - pl.col("rating"))
            / (pl.col("rating").count().over("item_id") - 1),
            "mean rating of other events of each item_id",
        ),
    ],
)
def test_a_group_statistic_under_any_name_is_found(world: World, statistic: pl.Expr, words: str) -> None:
    log = world.interactions.with_events(world.interactions.events.with_columns(context_x=statistic))
    found = check_split(SPLITS["global_time"](log), guards=["future"])
    assert {one.where for one in found} == {"train", "val", "test"} and {one.what for one in found} == {"context_x"}
    assert f"'context_x' is the {words} over train + val + test" in found[0].message
    assert "take the events strictly before each row" in found[0].message


def test_a_statistic_of_one_part_alone_is_found_and_of_its_past_is_not(parts: Split) -> None:
    means = {
        name: log.events.group_by("item_id").agg(context_x=pl.col("rating").mean()) for name, log in logs(parts).items()
    }
    own = {name: log.events.join(means[name], on="item_id", how="left") for name, log in logs(parts).items()}
    found = check_split(own, guards=["future"])
    assert {one.where for one in found} == {"train", "val", "test"}
    from_train = {name: log.events.join(means["train"], on="item_id", how="left") for name, log in logs(parts).items()}
    # In val and test it is the past; in train it holds the row's own rating.
    assert {one.where for one in check_split(from_train, guards=["future"])} == {"train"}


def test_a_static_column_with_the_whole_log_in_it_is_found(world: World) -> None:
    log = world.interactions
    assert log.items is not None
    counts = log.events.group_by("item_id").agg(pl.len().cast(pl.Float64).alias("item_buzz"))
    spoilt = Interactions(log.events, log.users, log.items.join(counts, on="item_id", how="left"))
    found = check_split(SPLITS["global_time"](spoilt), guards=["future"])
    assert {one.what for one in found} == {"item_buzz"}


# (b) and (c) The same event in two parts -----------------------------------------------------------------------------


def test_a_target_in_the_history_is_found(parts: Split) -> None:
    early = parts.test.events.head(3).with_columns(pl.col("timestamp") + timedelta(hours=1))
    spoilt = {**logs(parts), "train": parts.train.with_events(pl.concat([parts.train.events, early]))}
    (found,) = check_split(spoilt, guards=["target_in_history"])
    assert (found.where, found.count) == ("train and test", 3)
    user, item = parts.test.events.select("user_id", "item_id").row(0)
    assert "3 events of test have their user and item in train at that moment or later" in found.message
    assert f"user {user!r}, item {item!r}" in found.message or found.count == 3


def test_a_repeat_of_an_older_item_is_no_leak(parts: Split) -> None:
    again = parts.train.events.head(1).with_columns(timestamp=parts.test.events["timestamp"].max())
    spoilt = {**logs(parts), "test": parts.test.with_events(pl.concat([parts.test.events, again]))}
    assert check_split(spoilt) == []


def test_an_event_in_two_parts_is_found(parts: Split) -> None:
    twice = {**logs(parts), "val": parts.val.with_events(pl.concat([parts.val.events, parts.test.events.tail(2)]))}
    (found,) = check_split(twice, guards=["duplicate"])
    assert (found.where, found.count) == ("val and test", 2)
    assert "2 events of test stand in val too, such as user_id " in found.message


def test_an_event_without_a_rating_in_two_parts_is_found(parts: Split) -> None:
    bare = parts.test.events.tail(2).with_columns(rating=pl.lit(None, dtype=parts.test.events.schema["rating"]))
    twice = {
        "val": parts.val.with_events(pl.concat([parts.val.events, bare])),
        "test": parts.test.with_events(pl.concat([parts.test.events, bare])),
    }
    (found,) = check_split(twice, guards=["duplicate"])
    assert found.count == 2


def test_an_event_id_in_two_parts_is_found_though_the_rest_differs(parts: Split) -> None:
    numbered = {
        name: log.events.with_columns(event_id=pl.format("{}-{}", pl.lit(name), pl.int_range(pl.len())))
        for name, log in logs(parts).items()
    }
    assert check_split(numbered) == []
    first = pl.when(pl.int_range(pl.len()) == 0)
    numbered["test"] = numbered["test"].with_columns(
        event_id=first.then(pl.lit("train-7")).otherwise(pl.col("event_id"))
    )
    (found,) = check_split(numbered)
    assert (found.kind, found.where, found.what, found.count) == ("duplicate", "train and test", "event_id", 1)
    assert "such as event_id train-7" in found.message


# (d) The vocabulary --------------------------------------------------------------------------------------------------


def test_a_processor_that_was_fitted_on_the_whole_log_is_found(world: World, parts: Split) -> None:
    everything = DataProcessor().fit(world.interactions)
    found = check_split(parts, processor=everything)
    assert {one.kind for one in found} == {"vocabulary", "statistics"} and {one.where for one in found} == {"train"}
    assert {"user_id", "item_popularity", "item_mean_rating"} <= {one.what for one in found}
    told = {one.what: one.message for one in found}
    assert "has learnt" in told["user_id"] and "that are not in train" in told["user_id"]
    assert "has mean " in told["item_popularity"] and "train gives mean " in told["item_popularity"]


def test_one_item_of_the_test_among_the_learnt_is_named(parts: Split, processor: DataProcessor) -> None:
    stranger = parts.test.events.head(1).with_columns(item_id=pl.lit("from-the-test"))
    spoilt = DataProcessor().fit(parts.train.with_events(pl.concat([parts.train.events, stranger])))
    found = check_split(parts, processor=spoilt)
    assert any(one.what == "item_id" and "such as 'from-the-test'" in one.message for one in found)
    # Items of the catalogue that nobody took are no leak.
    assert any(row == 0 for row in processor.learnt_items[1:]) or len(processor.items) > 1
    assert check_split(parts, processor=processor) == []


def test_after_a_refit_the_processor_may_know_both_parts(parts: Split) -> None:
    known = parts.train.with_events(pl.concat([parts.train.events, parts.val.events]))
    refitted = DataProcessor().fit(known)
    assert check_split(parts, processor=refitted, fitted_on=("train", "val")) == []
    assert check_split(parts, processor=refitted) != []


# (e) The label by another name ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pl.col("rating"), "is a copy of the rating"),
        (pl.col("rating") * -20 + 3, "alone tells the label (AUC 0.0000)"),
        (pl.col("rating") >= 4, "alone tells the label (AUC 1.0000)"),
        (pl.when(pl.col("rating") >= 4).then(pl.lit("liked")).otherwise(pl.lit("not")), "alone tells the label"),
        (pl.when(pl.col("rating") >= 4).then(pl.lit(1.5)), "by being missing tells the label (AUC 0.0000)"),
    ],
)
def test_a_feature_that_gives_the_label_away_is_found(world: World, column: pl.Expr, words: str) -> None:
    log = world.interactions.with_events(world.interactions.events.with_columns(context_x=column))
    found = check_split(SPLITS["global_time"](log), positive_rating=4.0)
    assert {(one.kind, one.what) for one in found} == {("giveaway", "context_x")}
    assert words in found[0].message and "leave it out of the features" in found[0].message


# (f) Time ------------------------------------------------------------------------------------------------------------


def test_parts_that_overlap_in_time_are_found(parts: Split) -> None:
    late = parts.train.events.tail(1).with_columns(timestamp=parts.val.events["timestamp"].min())
    spoilt = {**logs(parts), "train": parts.train.with_events(pl.concat([parts.train.events, late]))}
    (found,) = check_split(spoilt, guards=["overlap"])
    assert (found.where, found.count) == ("train and val", 1)
    assert "1 events of train are not before val begins" in found.message
    assert check_split(spoilt, by_time=False) == []


# The doors -----------------------------------------------------------------------------------------------------------


def test_a_leak_is_refused_with_all_that_was_found(world: World, parts: Split) -> None:
    with pytest.raises(
        DataError, match=r"(?s)the split leaks in \d+ places:\n- \[overlap\] train and val: .*\n- \[over"
    ):
        refuse_leaks(SPLITS["random"](world.interactions))
    twice = {"train": parts.train, "test": parts.train}
    with pytest.raises(DataError, match=r"\[duplicate\] train and test"):
        refuse_leaks(twice, guards=["duplicate"])


def test_unknown_names_are_refused(parts: Split, processor: DataProcessor) -> None:
    with pytest.raises(ConfigError, match="guard='futur' is unknown; did you mean 'future'"):
        check_split(parts, guards=["futur"])
    with pytest.raises(
        DataError, match="fitted_on names 'training', which is no part; the parts are: train, val, test"
    ):
        check_split(parts, processor=processor, fitted_on=("training",))


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_keeps_the_contract(name: str, parts: Split, processor: DataProcessor) -> None:
    guard: Callable[[object], object] = GUARDS[name]  # type: ignore[assignment]
    assert guard.__doc__
    assert check_split(parts, processor=processor, guards=[name]) == []
    assert check_split({"train": parts.train}, guards=[name]) == []
