"""Validation chooses the history part: the one that goes by order where order tells, and its epochs."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.learning.retrieving import Trained, Way, chosen_retriever, of_variant, taught
from enterprise_recsys.retrieval.beside import Beside, Retrieval
from enterprise_recsys.retrieval.history import Variant, one_variant, variants
from enterprise_recsys.retrieval.retriever import Retriever
from enterprise_recsys.trainer import ProductionTrainer
from tests.retrieval.test_sequences import DIALS, markov


def chosen(history: str, judge: Callable[[Retrieval], float] | None = None, **dials: object) -> Trained:
    frame = markov(users=50, length=10)
    early, late = (to_interactions(frame.filter(part)) for part in (pl.col("timestamp") < 9, pl.col("timestamp") == 9))
    told = {
        **DIALS,
        "fold_in_factor": 1,
        "history_length": 10,
        "epochs": 4,
        "patience": 4,
        "batch_size": 64,
        "learning_rate": 1e-2,
        **dials,
    }
    processor = DataProcessor(ModelConfig(**told, history=history)).fit(joined(early, late))
    return chosen_retriever(processor.limited_to(early), early, late, None, None, judge=judge)


def test_where_order_tells_validation_prefers_the_transformer() -> None:
    best, alone = chosen("auto"), chosen("transformer")
    assert [one.history for one in best.way.variants] == ["transformer"]
    assert best.score == alone.score > 0.7 and best.way == alone.way, "it is taught as if there were no other"


@pytest.mark.parametrize(("both", "kept"), [(0.41, 2), (0.4015, 1)])
def test_two_parts_stay_side_by_side_where_that_is_clearly_better(both: float, kept: int) -> None:
    scores = {"fold_in": iter([0.4, 0.3]), "transformer": iter([0.35])}

    def judge(retriever: Retrieval) -> float:
        if isinstance(retriever, Beside):
            assert [part.config.temperature for part in retriever.parts] == [0.12, 1.0], "the better one of fold_in"
            return both
        assert isinstance(retriever, Retriever)
        return next(scores[retriever.config.history])

    best = chosen("auto", judge, epochs=1)
    assert best.score == (both if kept == 2 else 0.4) and best.way.epochs == (1,) * kept
    told = "fold_in at temperature 0.12 beside transformer" if kept == 2 else "fold_in at temperature 0.12"
    assert str(best.way) == told


@pytest.mark.parametrize(("history", "asked"), [("fold_in", 3), ("transformer", 7)])
def test_each_part_is_judged_until_its_own_patience_is_over(history: str, asked: int) -> None:
    scores = iter([0.4, *[0.3] * 9])
    best = chosen(history, lambda _: next(scores), temperature=0.12, epochs=10, patience=None)
    assert 10 - len(list(scores)) == asked and best.way.epochs == (1,)


@pytest.mark.parametrize(
    ("history", "told", "events", "factor"),
    [
        ("fold_in", None, 250_000, 2),
        ("fold_in", None, 250_001, 1),
        ("fold_in", 1, 10, 1),
        ("fold_in", 3, 10**6, 3),
        ("transformer", 3, 10, 1),
        ("mean", None, 10, 1),
    ],
)
def test_fold_in_is_wider_where_the_log_is_small_or_the_dial_says_so(
    history: str, told: int | None, events: int, factor: int
) -> None:
    config = ModelConfig(**{**DIALS, "history": history, "fold_in_factor": told})
    variant = variants(config, 5, events)[0]
    assert variant.factor == factor
    log = to_interactions(markov(users=50, length=10))
    processor = DataProcessor(config).fit(log)
    retriever = of_variant(processor, variant, processor.dataset(log))
    width = factor * config.item_tower_dims[-1]
    assert retriever.item_vectors().shape == (len(processor.items), width + (history == "transformer"))
    assert retriever.compared == width


def test_what_was_chosen_is_taught_again_part_by_part() -> None:
    log = to_interactions(markov(users=50, length=10))
    processor = DataProcessor(ModelConfig(**DIALS, history_length=10)).fit(log)
    dataset, reports = processor.dataset(log), []
    variants = (Variant("fold_in", 0.12), Variant("transformer", 1.0))
    both = taught(processor, Way(variants, (1, 2)), dataset, "retriever, all data", None, reports.append)
    assert isinstance(both, Beside) and [part.config.history for part in both.parts] == ["fold_in", "transformer"]
    assert {(one.stage, one.epochs) for one in reports} == {
        ("retriever, all data, fold_in at temperature 0.12", 1),
        ("retriever, all data, transformer", 2),
    }
    alone = taught(processor, Way(variants[1:], (2,)), dataset, "retriever, all data", None, None)
    assert isinstance(alone, Retriever) and (alone.item_vectors() == both.parts[1].item_vectors()).all()


def test_where_the_next_event_is_wanted_a_retriever_is_asked_for_it_at_any_moment() -> None:
    frame = markov(users=50, length=10)
    early, late = (to_interactions(frame.filter(part)) for part in (pl.col("timestamp") < 6, pl.col("timestamp") >= 6))
    best = {}
    for horizon in ("later", "next"):
        config = ModelConfig(
            **DIALS, history="transformer", horizon=horizon, epochs=4, patience=4, batch_size=64, learning_rate=1e-2
        )
        processor = DataProcessor(config).fit(joined(early, late))
        best[horizon] = chosen_retriever(processor.limited_to(early), early, late, None, None).score
    # Each item tells the next one, which is all that is asked for then; further on more is possible.
    assert best["next"] > best["later"] + 0.03


def test_what_the_dials_leave_open_is_left_to_validation_and_what_they_say_is_not() -> None:
    folds = ["fold_in at temperature 0.12", "fold_in at temperature 0.17"]
    assert [str(one) for one in variants(ModelConfig(), 1_000, 10)] == [*folds, "transformer"]
    assert [str(one) for one in variants(ModelConfig(), 10_000, 10)] == ["transformer", *folds]
    assert variants(ModelConfig(history="fold_in", temperature=0.3), 10, 10) == [Variant("fold_in", 0.3, 2)]
    assert one_variant(ModelConfig(), 10) == Variant("mean", 0.1)
    assert chosen("fold_in").way.variants[0].temperature in (0.12, 0.17)


def test_an_unknown_part_is_refused_before_any_data_is_read() -> None:
    with pytest.raises(ConfigError, match="history='transformr' is unknown; did you mean 'transformer'.*auto"):
        ProductionTrainer(ModelConfig(history="transformr"))
