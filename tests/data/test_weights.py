"""Event types have the weights that the user names, each of them and no other."""

from __future__ import annotations

import polars as pl
import pytest

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.weights import parsed
from enterprise_recsys.errors import ConfigError, DataError


def weights(event_weights: dict[str, float], **columns: object) -> list[float]:
    frame = pl.DataFrame({"user_id": ["a", "b", "c"], "item_id": ["x", "y", "z"], "timestamp": [1, 2, 3]} | columns)
    return to_interactions(frame, name="log", event_weights=event_weights).events["weight"].to_list()


TYPES = ["view", "buy", "view"]


def test_an_event_weighs_what_its_type_weighs() -> None:
    assert weights({"view": 1, "buy": 5}, event=TYPES) == [1.0, 5.0, 1.0]


def test_the_logs_own_weight_is_multiplied() -> None:
    assert weights({"view": 0, "buy": 5}, event_type=TYPES, weight=[1, 2, 3]) == [0.0, 10.0, 0.0]


@pytest.mark.parametrize(
    ("given", "types", "message"),
    [
        ({"view": 1.0}, TYPES, "no weight for 1 of 'buy'. Give each type its weight; 0 counts for nothing"),
        ({"view": 1.0, "buy": 1.0, "by": 2.0}, TYPES, "no event of the type 'by', found: view, buy"),
        ({"view": -1.0, "buy": 1.0}, TYPES, "gives 'view' the weight -1.0; right is 0 or more"),
        ({"view": float("nan"), "buy": 1.0}, TYPES, "gives 'view' the weight nan"),
    ],
)
def test_weights_that_do_not_fit_are_refused(given: dict[str, float], types: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        weights(given, event_type=types)


def test_weights_without_types_are_refused() -> None:
    with pytest.raises(DataError, match="log has no column 'event_type'; found: user_id, item_id, timestamp. Name it"):
        weights({"buy": 1.0})


@pytest.mark.parametrize("word", ["buy", "=5", "buy=much", ""])
def test_a_word_that_is_no_weight_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="should be type=number, for instance buy=5"):
        parsed([word])
