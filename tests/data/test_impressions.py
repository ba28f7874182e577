"""Impressions are set apart from what users did, and found again by user and time."""

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError, DataError, ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.having import are_impressions, means_having
from enterprise_recsys.data.impressions import PLACES, Impressions, check_impressions, without_impressions
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.records import Interactions

CONFIG = ModelConfig(impression_event_types=["impression"])
MINUTE = 60_000_000


def _log(**columns: list[object]) -> Interactions:
    rows = len(columns["user_id"])
    frame = {"timestamp": list(range(1_000_000, 1_000_000 + rows)), "item_id": ["a"] * rows, **columns}
    return to_interactions(pl.DataFrame(frame))


def test_impressions_are_taken_out_of_a_log() -> None:
    log = _log(user_id=["1", "2", "1"], event_type=["impression", "click", None], position=[3, 3, None])
    others, shown = without_impressions(CONFIG, log)
    assert others.events["event_type"].to_list() == ["click", None]
    assert "position" not in others.events.columns, "no request knows at which place it will be clicked"
    assert shown is not None and shown.select("user_id", "position").rows() == [("1", 3)]
    check_impressions(CONFIG, log)


def test_a_log_need_not_hold_what_is_called_an_impression_by_default() -> None:
    log = _log(user_id=["1"], event_type=["click"])
    assert without_impressions(ModelConfig(), log) == (log, None)
    check_impressions(ModelConfig(), log)
    check_impressions(ModelConfig(), _log(user_id=["1"]))


def test_without_the_dial_nothing_is_taken_out() -> None:
    log = _log(user_id=["1"], event_type=["impression"])
    assert without_impressions(ModelConfig(impression_event_types=None), log) == (log, None)
    assert without_impressions(CONFIG, bare := _log(user_id=["1"])) == (bare, None)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"user_id": ["1"]}, r"has no column 'event_type'; add it, or leave impression_event_types out"),
        ({"user_id": ["1"], "event_type": ["click"]}, r"names 'shown', which no event .* they are of: click"),
    ],
)
def test_a_log_that_cannot_hold_impressions_is_refused(columns: dict[str, list[object]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_impressions(ModelConfig(impression_event_types=["shown"]), _log(**columns))


def test_a_log_of_impressions_alone_and_a_place_before_the_first_are_refused() -> None:
    with pytest.raises(DataError, match=r"all 2 events of .* are impressions"):
        without_impressions(CONFIG, _log(user_id=["1", "2"], event_type=["impression"] * 2))
    with pytest.raises(DataError, match=r"position 0; the first place of a list is 1"):
        without_impressions(CONFIG, _log(user_id=["1", "2"], event_type=["impression", "click"], position=[0, 1]))


def test_a_type_is_a_success_or_an_impression() -> None:
    with pytest.raises(ConfigError, match="'view' is in positive_event_types and in impression_event_types"):
        ModelConfig(positive_event_types="buy,view", impression_event_types="view")


@pytest.mark.parametrize(("positive", "had"), [(None, [True, False, True]), (["click"], [True, False, False])])
def test_what_somebody_was_shown_they_have_not_had(positive: list[str] | None, had: list[bool]) -> None:
    config = ModelConfig(positive_event_types=positive, impression_event_types=["impression"])
    assert means_having(config, ["click", "impression", None]).tolist() == had
    assert are_impressions(config, ["click", "impression", None]).tolist() == [False, True, False]


def _shown(rows: list[tuple[str, str, int, int | None]]) -> Impressions:
    users, items = Vocabulary.of(pl.Series(["u", "v"])), Vocabulary.of(pl.Series(["a", "b", "c"]))
    columns = ["user_id", "item_id", "minute", "position"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        timestamp=(pl.col("minute") * MINUTE).cast(pl.Datetime("us", "UTC"))
    )
    return Impressions(frame, users, items)


def test_what_was_shown_half_an_hour_around_a_visits_opening_belongs_to_it() -> None:
    rows = [("u", "c", 131, 1), ("u", "b", 130, 2), ("u", "a", 99, 9), ("u", "a", 70, 2), ("u", "b", 69, 1)]
    found = _shown([*rows, ("v", "c", 100, 4)]).at(np.array([1, 2, 1]), np.array([100, 100, 500]) * MINUTE)
    assert list(zip(found.owners.tolist(), found.items.tolist(), found.places.tolist(), strict=True)) == [
        (0, 1, 2),  # a: its first time, at minute 70
        (0, 2, 2),
        (1, 3, 4),
    ]


def test_places_are_told_apart_up_to_a_point_and_strangers_left_out() -> None:
    rows = [("u", "a", 5, None), ("u", "b", 5, 1000), ("x", "a", 5, 1), ("u", "x", 5, 1)]
    found = _shown(rows).at(np.array([1]), np.array([5 * MINUTE]))
    assert found.items.tolist() == [1, 2] and found.places.tolist() == [0, PLACES]


def test_no_impressions_at_all_are_no_fault() -> None:
    found = _shown([("x", "a", 1, 1)]).at(np.array([1, 2]), np.array([0, 5]))
    assert len(found.owners) == len(found.items) == len(found.places) == 0
