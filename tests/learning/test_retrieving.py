"""Validation chooses the history part: the one that goes by order where order tells, and its epochs."""

from __future__ import annotations

import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.learning.retrieving import Trained, chosen_retriever
from enterprise_recsys.retrieval.history import Variant, one_variant, variants
from enterprise_recsys.trainer import ProductionTrainer
from tests.retrieval.test_sequences import DIALS, markov


def chosen(history: str) -> Trained:
    frame = markov(users=50, length=10)
    early, late = (to_interactions(frame.filter(part)) for part in (pl.col("timestamp") < 9, pl.col("timestamp") == 9))
    config = ModelConfig(
        **DIALS, history=history, history_length=10, epochs=4, patience=4, batch_size=64, learning_rate=1e-2
    )
    processor = DataProcessor(config).fit(joined(early, late))
    return chosen_retriever(processor.limited_to(early), early, late, None, None)


def test_where_order_tells_validation_prefers_the_transformer() -> None:
    best, alone = chosen("auto"), chosen("transformer")
    assert best.retriever.config.history == "transformer"
    assert best.fit.scores == alone.fit.scores, "it is taught as if there were no other"
    assert max(best.fit.scores) > 0.7


def test_where_the_next_event_is_wanted_a_retriever_is_asked_for_it_at_any_moment() -> None:
    frame = markov(users=50, length=10)
    early, late = (to_interactions(frame.filter(part)) for part in (pl.col("timestamp") < 6, pl.col("timestamp") >= 6))
    best = {}
    for horizon in ("later", "next"):
        config = ModelConfig(
            **DIALS, history="transformer", horizon=horizon, epochs=4, patience=4, batch_size=64, learning_rate=1e-2
        )
        processor = DataProcessor(config).fit(joined(early, late))
        best[horizon] = max(chosen_retriever(processor.limited_to(early), early, late, None, None).fit.scores)
    # Each item tells the next one, which is all that is asked for then; further on more is possible.
    assert best["next"] > best["later"] + 0.03


def test_what_the_dials_leave_open_is_left_to_validation_and_what_they_say_is_not() -> None:
    folds = ["fold_in at temperature 0.12", "fold_in at temperature 0.17"]
    assert [str(one) for one in variants(ModelConfig(), items=1_000)] == [*folds, "transformer"]
    assert [str(one) for one in variants(ModelConfig(), items=10_000)] == ["transformer", *folds]
    assert variants(ModelConfig(history="fold_in", temperature=0.3), 10) == [Variant("fold_in", 0.3)]
    assert one_variant(ModelConfig()) == Variant("mean", 0.1)
    assert chosen("fold_in").variant.temperature in (0.12, 0.17)


def test_an_unknown_part_is_refused_before_any_data_is_read() -> None:
    with pytest.raises(ConfigError, match="history='transformr' is unknown; did you mean 'transformer'.*auto"):
        ProductionTrainer(ModelConfig(history="transformr"))
