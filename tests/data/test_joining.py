"""Which events of two logs are of the later one, whether or not their times lie among those of the earlier one."""

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.joining import is_mixed, joined, later_places, moved_after
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import World
from enterprise_recsys.records import Interactions
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL


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


def test_events_drawn_by_lot_are_told_from_those_of_a_cut_in_time_and_from_each_users_last() -> None:
    times = np.arange(400)
    rows = [(f"u{time % 7}", f"i{time % 31}", int(time)) for time in times]
    drawn = np.random.default_rng(0).random(400) < 0.25
    by_lot = [[row for row, is_late in zip(rows, drawn, strict=True) if is_late == wanted] for wanted in (False, True)]
    assert is_mixed(log(by_lot[0]), log(by_lot[1]))
    assert not is_mixed(log(rows[:300]), log(rows[300:]))
    assert not is_mixed(log(rows[:-7]), log(rows[-7:]))
    assert not is_mixed(log(rows[:300]), log([("new", "i1", 5)])), "who is new has no others"


def test_what_was_drawn_by_lot_becomes_a_visit_after_all_others_in_its_own_order() -> None:
    early, late = log([("u", "a", 1), ("u", "b", 9)]), log([("v", "c", 7), ("u", "d", 3), ("u", "e", 3)])
    moved = moved_after(early, late)
    assert moved.events.drop("timestamp").equals(late.events.drop("timestamp"))
    seconds = (moved.events["timestamp"].to_physical() - early.events["timestamp"].to_physical().max()) / 1e6
    assert seconds.to_list() == pytest.approx([3600.000001, 3600.000001, 3600.000002], abs=1e-7)
    assert not is_mixed(early, moved) and moved.events.schema == late.events.schema


def test_the_ranker_of_a_random_split_does_not_spoil_the_list(world: World) -> None:
    events = world.interactions.events
    lots = np.random.default_rng(0).random(len(events))
    train, val, test = (
        world.interactions.with_events(events.filter(pl.Series((lots >= low) & (lots < high))))
        for low, high in ((0.0, 0.6), (0.6, 0.8), (0.8, 1.0))
    )
    trainer = ProductionTrainer(ModelConfig(**SMALL), progress=False).fit(train, val, leaks="allow")
    found = trainer.evaluate(test, baselines=False, leaks="allow")
    assert found["two_stage/NDCG@10"] > 0.95 * found["retrieval/NDCG@10"] > 0
