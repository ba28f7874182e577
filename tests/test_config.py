"""Every dial is checked where it enters."""

import pytest

from enterprise_recsys import ConfigError, ModelConfig
from enterprise_recsys.trainer import ProductionTrainer


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"embeding_dim": 3}, "did you mean 'embedding_dim'"),
        ({"epochs": 0}, "ModelConfig.epochs = 0 is wrong"),
        ({"training": "both"}, "'staged' or 'joint'"),
        ({"learning_rate": "fast"}, "ModelConfig.learning_rate = 'fast' is wrong"),
        ({"user_tower_dims": [8]}, "both towers must end in the same width"),
        ({"ranking_dims": [0]}, "at least 1"),
    ],
)
def test_a_wrong_dial_is_refused_with_what_would_be_right(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ModelConfig(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"negative_sampling_strategy": "mixd"},
        {"retrieval_loss": "x"},
        {"history": "x"},
        {"ranking_network": "x"},
        {"index": "x"},
    ],
)
def test_an_unknown_part_is_refused_before_any_data_is_read(fields: dict[str, str]) -> None:
    name, value = next(iter(fields.items()))
    with pytest.raises(ConfigError, match=f"{name}='{value}' is unknown; (did you mean .*[Kk]nown|known): "):
        ProductionTrainer(ModelConfig(**fields))


def test_event_types_may_be_words_with_commas_and_at_least_one() -> None:
    assert ModelConfig(positive_event_types="buy, rent it,").positive_event_types == ("buy", "rent it")
    assert ModelConfig(positive_event_types=["buy"]).positive_event_types == ("buy",)
    assert ModelConfig().lists_past is False and ModelConfig(positive_event_types="buy").lists_past is True
    for none in ([], ""):
        with pytest.raises(ConfigError, match="positive_event_types = .* is wrong: it .*at least 1 item"):
            ModelConfig(positive_event_types=none)
    with pytest.raises(ConfigError, match="positive_event_types = 5 is wrong: it should be a list"):
        ModelConfig(positive_event_types=5)
