"""Which events of two logs are of the later one, whether or not their times lie among those of the earlier one."""

import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.joining import joined, later_places
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.records import Interactions


def log(rows: list[tuple[str, str, int]]) -> Interactions:
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return to_interactions(frame.with_columns(pl.col("timestamp") + 10**9))


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ([("u", "a", 1), ("v", "a", 2)], [("u", "z1", 3), ("v", "z2", 4)]),
        # Each user's last event was set aside: most of `early` comes after the first of `late`.
        ([("u", "a", 1), ("v", "a", 30), ("w", "a", 25), ("w", "b", 40)], [("u", "z1", 2), ("w", "z2", 50)]),
        ([("v", "a", 5), ("u", "a", 5)], [("u", "z1", 5), ("v", "z2", 1)]),
    ],
)
def test_the_later_events_are_found_among_all_in_the_order_of_time(early, late) -> None:
    first, second = log(early), log(late)
    processor = DataProcessor(ModelConfig()).fit(both := joined(first, second))
    found = later_places(first, second)
    assert found.tolist() == sorted(found)
    assert {processor.items.id(row) for row in processor.events(both).items[found]} == {"z1", "z2"} and len(found) == 2
