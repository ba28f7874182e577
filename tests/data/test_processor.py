"""A log becomes numbers, and a processed frame knows only the past."""

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import DataError, ModelConfig, NotFittedError
from enterprise_recsys.data import prepared
from enterprise_recsys.data.features import Feature, fitted, time_columns
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.histories import Histories
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.schema import inferred
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.data.worlds import World

LOG = pl.DataFrame(
    {
        "user_id": [1, 2, 1, 1],
        "item_id": ["a", "a", "b", "c"],
        "timestamp": [100, 200, 200, 300],
        "rating": [5.0, 3.0, None, 1.0],
        "device": ["tv", "tv", "phone", None],
    }
)


def test_a_processed_frame_worked_out_by_hand() -> None:
    out = DataProcessor().fit(LOG).transform(to_interactions(LOG))
    assert out["user_count"].to_list() == [0, 0, 1, 2]
    assert out["user_mean_rating"].to_list() == [None, None, 5.0, 5.0]
    assert out["item_popularity"].to_list() == [0, 1, 0, 0]
    assert out["item_mean_rating"].to_list() == [None, 5.0, None, None]
    assert out["hour"].to_list() == [0] * 4 and out["day_of_week"].to_list() == [4] * 4  # 1970-01-01: a Thursday
    assert out["is_weekend"].to_list() == [False] * 4
    assert abs(out["user_count_scaled"].mean()) < 1e-6 and abs(out["user_count_scaled"].std(ddof=0) - 1) < 1e-6


def test_the_past_may_be_handed_in() -> None:
    processor, later = DataProcessor().fit(LOG), LOG.with_columns(pl.col("timestamp") + 1000)
    out = processor.transform(to_interactions(later), past=to_interactions(LOG))
    assert out["user_count"].to_list() == [3, 1, 4, 5]


def test_ids_are_strings_and_unseen_ones_are_row_0() -> None:
    events = DataProcessor().fit(LOG).events(to_interactions(LOG.with_columns(pl.lit("new").alias("item_id"))))
    assert events.users.tolist() == [1, 2, 1, 1] and events.items.tolist() == [0, 0, 0, 0]
    vocabulary = Vocabulary(["x", "y"])
    assert vocabulary.rows(pl.Series(["y", "z"])).tolist() == vocabulary.rows(["y", "z"]).tolist() == [2, 0]


def test_a_threshold_and_event_types_say_what_is_relevant() -> None:
    log = to_interactions(LOG)
    assert (
        DataProcessor(ModelConfig(positive_rating=4.0)).fit(log).events(log).relevant.tolist() == [True] + [False] * 3
    )
    with pytest.raises(DataError, match="no column 'event_type'"):
        DataProcessor(ModelConfig(positive_event_types=["buy"])).fit(log)


def test_an_unfitted_processor_says_so() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        DataProcessor().events(to_interactions(LOG))


def test_features_are_inferred_encoded_and_frozen() -> None:
    table = pl.DataFrame(
        {
            "item_kind": ["x", "y", None],
            "item_price": [1.0, 3.0, None],
            "item_tags": [["a", "b"], ["b"], None],
            "item_title": ["p", "q", "r"],
            "item_day": pl.Series(["2026-01-01", "2026-01-03", None]).str.to_date(),
        }
    )
    kinds = {
        feature.name: feature for feature in fitted("item", table, {column.name: inferred(column) for column in table})
    }
    assert [kinds[name].kind for name in ("item_kind", "item_price", "item_tags", "item_day")] == [
        "category",
        "number",
        "multi_value",
        "time",
    ]
    assert kinds["item_kind"].encode(pl.Series(["y", "new", None])).tolist() == [2, 0, 0]
    assert kinds["item_price"].encode(pl.Series([1.0, 2.0, None])).tolist() == [-1.0, 0.0, 0.0]
    assert kinds["item_tags"].encode(pl.Series([["b", "z"], None])).tolist() == [[2, 0], [0, 0]]
    assert kinds["item_day"].encode(table["item_day"])[:, 0].tolist() == [-1.0, 1.0, 0.0]
    for feature in kinds.values():
        assert Feature.from_json(feature.to_json()) == feature
        assert not feature.encode_one(object()).any()


def test_strings_that_differ_in_most_rows_are_text() -> None:
    table = pl.DataFrame({"item_title": [f"title {row}" for row in range(100)]})
    assert inferred(table["item_title"]) == "text"


def test_hours_and_days_of_known_moments() -> None:
    clock = time_columns(np.array([1_767_225_600_000_000 + 13 * 3_600_000_000]))  # 2026-01-01 13:00, a Thursday
    assert (clock["hour"][0], clock["day_of_week"][0], clock["is_weekend"][0]) == (14, 4, 1)


def test_a_history_is_what_lies_strictly_before() -> None:
    past = Histories(np.array([1, 2, 1, 1]), np.array([5, 6, 7, 8]), np.array([10, 10, 20, 20]), 3)
    ends = past.ends(np.array([1, 1, 1, 2]), np.array([10, 20, 21, 11]))
    assert past.last(np.array([1, 1, 1, 2]), ends, 2).tolist() == [[0, 0], [0, 5], [7, 8], [0, 6]]
    offsets, rows = past.before(np.array([1, 2]), ends[2:])
    assert offsets.tolist() == [0, 3, 4] and rows.tolist() == [5, 7, 8, 6]


def test_prepared_parts_are_written_and_read_back(world: World, tmp_path) -> None:
    import pickle

    frames = DataProcessor().prepare(world.interactions)
    prepared.write(frames, tmp_path / "folder")
    prepared.write(frames, tmp_path / "folder")  # a second run replaces the first
    assert len(prepared.read(tmp_path / "folder").train.events) == len(frames["train"])
    prepared.write(frames, tmp_path / "data.pkl")
    loaded = pickle.loads((tmp_path / "data.pkl").read_bytes())
    assert set(loaded) == {"train", "val", "test"} and type(loaded["train"]).__module__.startswith("pandas")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="is no prepared folder"):
        prepared.write(frames, tmp_path / "other")
