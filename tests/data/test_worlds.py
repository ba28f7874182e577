"""A made world is believable, repeatable, and its truth is the best there is."""

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError
from enterprise_recsys.data.worlds import World, make_world
from enterprise_recsys.records import TIME_TYPE


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    first, again, other = (make_world(60, 40, days=20, seed=seed) for seed in (1, 1, 2))
    assert first.interactions.events.equals(again.interactions.events)
    assert first.interactions.items.equals(again.interactions.items)
    assert not first.interactions.events.equals(other.interactions.events)


def test_the_log_is_canonical_and_nobody_takes_an_item_twice_or_early(world: World) -> None:
    events = world.interactions.events
    assert events.schema["user_id"] == pl.String and events.schema["timestamp"] == TIME_TYPE
    assert events["timestamp"].is_sorted() and events["rating"].null_count() > 0
    assert events["rating"].drop_nulls().is_between(1, 5).all()
    assert events.select("user_id", "item_id").is_unique().all()
    released = dict(zip(world.interactions.items["item_id"], world.released, strict=True))
    assert all(
        released[item] <= time / 1e6
        for item, time in zip(events["item_id"], events["timestamp"].to_physical(), strict=True)
    )


def test_few_items_take_most_events() -> None:
    counts = make_world().interactions.events["item_id"].value_counts(sort=True)["count"]
    assert counts.head(160).sum() > 0.5 * counts.sum()


def test_tastes_drift_and_features_tell_something(world: World) -> None:
    start, end = (second * 1_000_000 for second in world.span)
    first = world.preferences(["1", "2"], start=start, end=start)
    last = world.preferences(["1", "2"], start=end, end=end)
    assert np.allclose(first.sum(axis=1), 1, atol=1e-4) and np.abs(first - last).sum() > 0.2
    joined = world.interactions.events.join(world.interactions.items, on="item_id").join(
        world.interactions.users, on="user_id"
    )
    table = joined.pivot(
        on="item_category", index="user_segment", values="item_id", aggregate_function="len"
    ).fill_null(0)
    counts = table.drop("user_segment").to_numpy().astype(float)
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() > 5 * counts.size  # chi-squared, far beyond chance


def test_the_best_lists_expect_more_hits_than_any_other(world: World) -> None:
    users = [str(user) for user in range(1, 101)]
    start, end = (second * 1_000_000 for second in world.span)
    chances = world.preferences(users, start=start, end=end)
    best = world.best_lists(users, 10, start=start, end=end, seen=[{"i1"}] * 100)
    rows = np.array([[int(item[1:]) - 1 for item in items] for items in best])
    chances[:, 0] = 0
    popular = np.repeat(np.argsort(-chances.sum(0))[None, :10], 100, axis=0)
    assert rows.shape == (100, 10) and not (rows == 0).any()
    gain = np.take_along_axis(chances, rows, 1).sum(1)
    assert (gain >= np.take_along_axis(chances, popular, 1).sum(1) - 1e-6).all()
    assert gain.mean() > 1.3 * np.take_along_axis(chances, popular, 1).sum(1).mean()


def test_a_large_catalogue_is_made_from_pools() -> None:
    events = make_world(3000, 20_000, events_per_user=5).interactions.events
    assert events.select("user_id", "item_id").is_unique().all() and events["item_id"].n_unique() > 2000


def test_a_world_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match="items=3 is too small .* at least 20"):
        make_world(10, 3)
