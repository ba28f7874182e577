"""Leaks are refused, told or passed over as asked, and through the doors that people use."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import watching
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.data.watching import watch
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.loop import Progress
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Interactions
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL


def with_events(part: Interactions, further: pl.DataFrame) -> Interactions:
    return part.with_events(pl.concat([part.events, further]))


def twice(parts: Split) -> dict[str, Interactions]:
    return {"train": parts.train, "val": with_events(parts.val, parts.train.events.tail(2))}


# The three ways ------------------------------------------------------------------------------------------------------


def test_a_sure_leak_is_refused_told_or_passed_over(parts: Split, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError) as refused:
        watch(twice(parts))
    assert str(refused.value).startswith(
        "what is learnt from knows what is asked:\n- [target_in_history] train and val"
    )
    assert "2 events of val stand in train too" in str(refused.value)
    assert "say leaks='warn' (recsys: --leaks warn) to go on, or leaks='allow'" in str(refused.value)
    watch(twice(parts), leaks="allow")
    assert not caplog.records
    watch(twice(parts), leaks="warn")
    assert [one.levelname for one in caplog.records] == ["WARNING"] * len(caplog.records)
    assert "possible leak: [duplicate] train and val: 2 events of val" in caplog.text


def test_parts_drawn_by_lot_are_told_and_not_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    parts = SPLITS["random"](world.interactions)
    watch({"train": parts.train, "val": parts.val})
    assert [one.message.split(":")[1].split()[0] for one in caplog.records] == ["[overlap]"]
    caplog.clear()
    parts = SPLITS["global_time"](world.interactions)
    watch({"train": parts.train, "val": parts.val})
    assert not caplog.records


def test_very_large_logs_are_looked_at_without_their_columns(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    parts = SPLITS["global_time"](with_buzz(world))
    monkeypatch.setattr(watching, "MOST_EVENTS", 100)
    watch({"train": parts.train, "val": parts.val})
    assert "columns are not looked at for leaks beyond 100; check_split does it" in caplog.text
    with pytest.raises(DataError, match="duplicate"):
        watch(twice(parts))


def test_an_unknown_way_is_refused(parts: Split) -> None:
    with pytest.raises(ConfigError, match="leaks='warm' is unknown; did you mean 'warn'"):
        watch({"train": parts.train}, leaks="warm")


# The doors: one planted leak of each kind ----------------------------------------------------------------------------


def with_buzz(world: World) -> Interactions:
    """The world with a count of each item's events over the whole log among the items' features."""
    log = world.interactions
    assert log.items is not None
    counts = log.events.group_by("item_id").agg(pl.len().cast(pl.Float64).alias("item_buzz"))
    return Interactions(log.events, log.users, log.items.join(counts, on="item_id", how="left"))


def test_fit_refuses_a_count_with_the_future_in_it(parts: Split) -> None:
    # Counted over all that fit is handed and joined before the split.
    whole = pl.concat([parts.train.events, parts.val.events])
    counts = whole.group_by("item_id").agg(pl.len().cast(pl.Float64).alias("item_buzz"))
    with pytest.raises(
        DataError, match=r"\[future\] train: column 'item_buzz' is the count of each item_id over train \+"
    ):
        ProductionTrainer(ModelConfig(**SMALL), progress=False).fit(parts.train.events, parts.val.events, items=counts)


def test_evaluate_refuses_a_count_with_the_test_in_it(trainer: ProductionTrainer, world: World) -> None:
    parts = SPLITS["global_time"](with_buzz(world))
    learnt = trainer.recommender.log
    # Fit has not seen the test, and cannot find this one; evaluate can.
    knowing = ProductionTrainer(ModelConfig(**SMALL), progress=False)
    knowing._recommender = Recommender(trainer.recommender.engine, replace(learnt, items=parts.train.items))
    with pytest.raises(
        DataError, match=r"\[future\] .*'item_buzz' is the count of each item_id over what is learnt \+ test"
    ):
        knowing.evaluate(parts.test)


def test_fit_and_evaluate_refuse_a_target_in_the_history(trainer: ProductionTrainer, parts: Split) -> None:
    later = pl.col("timestamp") + timedelta(hours=1)
    knowing = with_events(parts.train, parts.val.events.head(3).with_columns(later))
    with pytest.raises(
        DataError, match=r"\[target_in_history\] train and val: 3 events of val have their user and item"
    ):
        ProductionTrainer(ModelConfig(**SMALL), progress=False).fit(knowing, parts.val)
    earlier = parts.val.events.tail(3).with_columns(pl.col("timestamp") - timedelta(hours=1))
    with pytest.raises(DataError, match=r"\[target_in_history\] what is learnt and test: 3 events of test"):
        trainer.evaluate(with_events(parts.test, earlier))


def test_fit_and_evaluate_refuse_an_event_on_both_sides(trainer: ProductionTrainer, parts: Split) -> None:
    given: Mapping[str, Interactions] = twice(parts)
    with pytest.raises(DataError, match=r"\[duplicate\] train and val: 2 events of val stand in train too"):
        ProductionTrainer(ModelConfig(**SMALL), progress=False).fit(given["train"], given["val"])
    with pytest.raises(DataError, match=r"\[duplicate\] what is learnt and test: 2 events of test stand in"):
        trainer.evaluate(with_events(parts.test, parts.val.events.tail(2)))


def test_evaluate_refuses_a_vocabulary_with_an_item_of_the_test(trainer: ProductionTrainer, parts: Split) -> None:
    engine, log = trainer.recommender.engine, trainer.recommender.log
    stranger = parts.test.events.head(1).with_columns(item_id=pl.lit("from-the-test"))
    processor = DataProcessor(trainer.config).fit(with_events(log, stranger))
    knowing = ProductionTrainer(trainer.config, progress=False)
    knowing._recommender = Recommender(replace(engine, processor=processor), log)
    with pytest.raises(DataError, match=r"\[vocabulary\] what is learnt: .* 1 values of item_id .* 'from-the-test'"):
        knowing.evaluate(parts.test)


class Begun(Exception):
    """The training has begun."""


def test_parts_that_overlap_are_learnt_from_and_measured(
    trainer: ProductionTrainer, world: World, parts: Split, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(progress: Progress) -> None:
        raise Begun

    caplog.set_level(logging.WARNING)
    drawn = SPLITS["random_per_user"](world.interactions)
    with pytest.raises(Begun):
        ProductionTrainer(ModelConfig(**SMALL), progress=stop).fit(drawn.train, drawn.val)
    assert caplog.text.count("possible leak: [overlap] train and val") == 1
    early = parts.test.with_events(parts.test.events.with_columns(pl.col("timestamp") - timedelta(days=20)))
    figures = trainer.evaluate(early, baselines=False)
    assert caplog.text.count("possible leak: [overlap] what is learnt and test") == 1
    assert trainer.evaluate(early, baselines=False, leaks="allow") == figures
    assert caplog.text.count("possible leak") == 2
