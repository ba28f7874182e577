"""A made world is believable, repeatable, and its truth is the best there is."""

import re

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.worlds import START, World, make_world
from enterprise_recsys.errors import ConfigError, DataError, UnknownItemError
from enterprise_recsys.records import TIME_TYPE


@pytest.fixture(scope="module")
def made() -> World:
    return make_world()


def period(world: World) -> dict[str, int]:
    return {"start": world.span[0] * 1_000_000, "end": world.span[1] * 1_000_000}


def joined(world: World) -> pl.DataFrame:
    log = world.interactions
    assert log.users is not None and log.items is not None
    return log.events.join(log.users, on="user_id").join(log.items, on="item_id")


def excess_chi_squared(frame: pl.DataFrame, rows: str, columns: str) -> float:
    """Chi-squared over its degrees of freedom: 1 where the two columns tell nothing of each other."""
    table = frame.pivot(on=columns, index=rows, values="item_id", aggregate_function="len").fill_null(0)
    counts = table.drop(rows).to_numpy().astype(float)
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum() / (counts.shape[0] - 1) / (counts.shape[1] - 1))


# The log ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    first, again, other = (make_world(60, 40, days=20, seed=seed).interactions for seed in (1, 1, 2))
    assert first.events.equals(again.events)
    assert first.users is not None and first.items is not None and again.users is not None and again.items is not None
    assert first.users.equals(again.users) and first.items.equals(again.items)
    assert not first.events.equals(other.events)


def test_the_frames_are_canonical(made: World) -> None:
    log = made.interactions
    assert log.users is not None and log.items is not None
    assert dict(log.events.schema) == {
        "user_id": pl.String,
        "item_id": pl.String,
        "timestamp": TIME_TYPE,
        "rating": pl.Float64,
        "event_type": pl.String,
        "device": pl.String,
    }
    assert log.users["user_id"].to_list() == [str(one) for one in range(1, 1501)]
    assert log.items["item_id"].to_list() == [f"i{one}" for one in range(1, 801)]
    assert log.items["item_title"].is_unique().all()
    assert log.items.schema["item_tags"] == pl.List(pl.String)
    assert set(log.items["item_tags"].list.len().unique()) == {1, 2, 3, 4}
    assert log.items["item_tags"].list.unique().list.len().equals(log.items["item_tags"].list.len())


def test_events_stand_in_order_of_time_and_rated_ones_have_a_rating(made: World) -> None:
    events = made.interactions.events
    assert events["timestamp"].is_sorted()
    assert events["timestamp"].dt.epoch("s").is_between(START, made.span[1], closed="left").all()
    assert (events["rating"].is_null() == (events["event_type"] == "view")).all()
    assert events["rating"].is_null().mean() == pytest.approx(0.3, abs=0.01)
    assert set(events["rating"].drop_nulls().unique()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("items", [120, 3000], ids=["whole", "pool"])
def test_nobody_takes_an_item_twice_or_before_its_release(items: int) -> None:
    world = make_world(300, items, days=60, events_per_user=30)
    frame = joined(world)
    assert frame.select("user_id", "item_id").is_unique().all()
    day = (frame["timestamp"].dt.epoch("s") - START) / 86_400
    assert (day + frame["item_released"] >= 0).all()
    assert (frame["item_released"] < 0).any()


@pytest.mark.parametrize(("users", "items", "mean"), [(1500, 800, 40.0), (2000, 300, 2.0), (1500, 4000, 20.0)])
def test_users_have_as_many_events_as_asked_in_the_mean(users: int, items: int, mean: float) -> None:
    events = make_world(users, items, events_per_user=mean).interactions.events
    assert events["user_id"].n_unique() == users
    assert len(events) / users == pytest.approx(mean, rel=0.05)


def test_few_items_and_few_users_make_most_events(made: World) -> None:
    items, users = (made.interactions.events[name].value_counts(sort=True)["count"] for name in ("item_id", "user_id"))
    assert items.head(160).sum() > 0.5 * items.sum()
    assert users.head(300).sum() > 0.4 * users.sum()


def test_some_users_join_late(made: World) -> None:
    first = made.interactions.events.group_by("user_id").agg(pl.col("timestamp").min().dt.epoch("s"))["timestamp"]
    late = ((first - made.span[0]) / (made.span[1] - made.span[0]) > 0.8).mean()
    assert late == pytest.approx(0.125, abs=0.03)


def test_evenings_are_busy_and_nights_are_not(made: World) -> None:
    hour = made.interactions.events["timestamp"].dt.hour()
    assert hour.is_between(19, 21).mean() > 3 * hour.is_between(2, 5).mean()


# The truth -------------------------------------------------------------------------------------------------------


def test_features_tell_something(made: World) -> None:
    frame = joined(made)
    for rows, columns in (
        ("user_segment", "item_category"),
        ("user_country", "item_category"),
        ("user_segment", "item_brand"),
        ("device", "hour"),
    ):
        assert excess_chi_squared(frame.with_columns(hour=pl.col("timestamp").dt.hour()), rows, columns) > 5
    tags = frame.explode("item_tags")
    assert excess_chi_squared(tags, "user_segment", "item_tags") > 5


def test_ratings_follow_the_taste_of_their_moment(made: World) -> None:
    rated = made.interactions.events.drop_nulls("rating")
    user = rated["user_id"].cast(pl.Int64).to_numpy() - 1
    item = rated["item_id"].str.slice(1).cast(pl.Int64).to_numpy() - 1
    taste = made.tastes(user, rated["timestamp"].dt.epoch("s").to_numpy())
    now, early = ((one * made.vectors[item]).sum(1) for one in (taste, made.early[user]))
    assert np.corrcoef(now, rated["rating"])[0, 1] > np.corrcoef(early, rated["rating"])[0, 1] > 0.1


def test_tastes_drift(made: World) -> None:
    users = [str(one) for one in range(1, 101)]
    (start, end) = period(made).values()
    first, last = (made.preferences(users, start=one, end=one) for one in (start, end))
    released = made.released <= made.span[0]
    first, last = first[:, released], last[:, released] / last[:, released].sum(1, keepdims=True)
    assert 0.5 * np.abs(first - last).sum(1).mean() > 0.2  # a fifth of the choices went elsewhere


def test_preferences_are_the_mean_softmax_over_the_sessions_of_the_period() -> None:
    world = make_world(5, 20, days=10, events_per_user=10)
    inside = world.sessions[world.sessions[:, 0] == 2, 1]
    expected = np.zeros(20)
    for second in inside:
        share = (second - world.span[0]) / (world.span[1] - world.span[0])
        taste = (1 - share) * world.early[2] + share * world.late[2]
        weight = np.exp(world.appeal + 6.0 * world.vectors @ taste) * (world.released <= second)
        expected += weight / weight.sum() / len(inside)
    assert np.allclose(world.preferences(["3"], **period(world))[0], expected, atol=1e-6)


def test_a_user_without_a_session_in_the_period_is_taken_on_a_grid(made: World) -> None:
    before = made.sessions[made.sessions[:, 0] == 0, 1].min() * 1_000_000 - 1
    chances = made.preferences(["1"], start=before - 1000, end=before)
    assert chances.sum() == pytest.approx(1, abs=1e-4)


def test_a_pool_keeps_the_chances() -> None:
    world = make_world(4000, 2000, days=10, events_per_user=5, seed=3)
    ids = [str(one) for one in range(1, 4001)]
    chances = world.preferences(ids, **period(world)).mean(0)
    items = world.interactions.events["item_id"].str.slice(1).cast(pl.Int64).to_numpy() - 1
    taken = np.bincount(items, minlength=2000) / len(items)
    order = np.argsort(-chances)
    # Without repetition, the most likely items are taken a little less and the others a little more.
    for begin, end in ((0, 20), (20, 200), (200, 2000)):
        assert taken[order[begin:end]].sum() == pytest.approx(chances[order[begin:end]].sum(), rel=0.15)


# The best lists --------------------------------------------------------------------------------------------------


def test_the_best_lists_leave_out_what_was_seen_and_are_k_long(made: World) -> None:
    first = made.best_lists(["1", "42"], 10, **period(made), seen=[(), ()])
    assert [len(items) for items in first] == [10, 10]
    again = made.best_lists(["1", "42"], 10, **period(made), seen=[set(first[0][:3]), ()])
    assert again[0][:7] == first[0][3:] and again[1] == first[1] and len(again[0]) == 10


def test_a_list_is_shorter_where_nothing_is_left() -> None:
    world = make_world(5, 20, days=10, events_per_user=5)
    seen = {f"i{one}" for one in range(1, 19)}
    assert set(world.best_lists(["1"], 10, **period(world), seen=[seen])[0]) <= {"i19", "i20"}


def test_the_best_lists_get_more_true_choices_than_popular_early_or_noisy_ones(made: World) -> None:
    events = made.interactions.events
    test = events.tail(len(events) // 10)
    past = events.head(len(events) - len(test))
    start, end = int(test["timestamp"].dt.epoch("us").min()), int(test["timestamp"].dt.epoch("us").max())
    had = dict(past.group_by("user_id").agg("item_id").iter_rows())
    wanted = dict(test.group_by("user_id", maintain_order=True).agg("item_id").iter_rows())
    users = list(wanted)
    seen = [set(had.get(user, ())) for user in users]

    def hits(lists: list[list[str]]) -> float:
        return float(np.mean([len(set(items) & set(wanted[user])) for user, items in zip(users, lists, strict=True)]))

    def ranked(scores: np.ndarray) -> list[list[str]]:
        orders = [[f"i{row + 1}" for row in order] for order in np.argsort(-scores, axis=1)]
        return [[item for item in order if item not in own][:10] for order, own in zip(orders, seen, strict=True)]

    best = hits(made.best_lists(users, 10, start=start, end=end, seen=seen))
    chances = made.preferences(users, start=start, end=end)
    noise = np.random.default_rng(0).normal(0, 0.5, chances.shape)
    counts = np.bincount(past["item_id"].str.slice(1).cast(pl.Int64).to_numpy() - 1, minlength=800).astype(float)
    popular = hits(ranked(np.tile(counts, (len(users), 1))))
    assert best > hits(ranked(np.log(chances + 1e-12) + noise)) > popular
    assert best > hits(ranked(made.preferences(users, start=period(made)["start"], end=period(made)["start"])))
    assert 2.0 < best / popular < 5.0


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"users": 1}, "users=1 does not fit a made world: it should be a whole number >= 2."),
        ({"users": True}, "users=True does not fit a made world: it should be a whole number >= 2."),
        ({"users": 2.5}, "users=2.5 does not fit a made world: it should be a whole number >= 2."),
        ({"items": 19}, "items=19 does not fit a made world: it should be a whole number >= 20."),
        ({"days": 1}, "days=1 does not fit a made world: it should be a whole number >= 2."),
        ({"seed": -1}, "seed=-1 does not fit a made world: it should be a whole number >= 0."),
        ({"events_per_user": 0.5}, "events_per_user=0.5 does not fit: it should be from 1 to 800 (items)."),
        ({"events_per_user": 801}, "events_per_user=801 does not fit: it should be from 1 to 800 (items)."),
        ({"events_per_user": float("nan")}, "events_per_user=nan does not fit: it should be from 1 to 800 (items)."),
    ],
)
def test_a_number_out_of_its_range_is_refused(dials: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_world(**dials)


@pytest.mark.parametrize("user", ["0", "1501", "-1", "abc", "", "²"])
def test_a_user_of_another_world_is_refused(made: World, user: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"the user {user!r} is not of this world; known: '1' to '1500'.")):
        made.preferences(["1", user], **period(made))


def test_a_wrong_question_for_lists_is_refused(made: World) -> None:
    with pytest.raises(UnknownItemError, match="the seen item 'i0' is not of this world; known: i1 to i800."):
        made.best_lists(["1"], 10, **period(made), seen=[{"i0", "i1"}])
    with pytest.raises(DataError, match="seen has 1 entries for 2 users; give one for each user."):
        made.best_lists(["1", "2"], 10, **period(made), seen=[()])
    with pytest.raises(ConfigError, match="k=0 is too small for a list: it should be at least 1."):
        made.best_lists(["1"], 0, **period(made), seen=[()])
    with pytest.raises(ConfigError, match="the period ends before it starts: start=2, end=1; give start <= end."):
        made.best_lists(["1"], 1, start=2, end=1, seen=[()])
