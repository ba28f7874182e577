"""A made world: a seeded, believable log whose true preferences are known; the offline default and the tests' truth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import TIME_TYPE, Bools, Doubles, Floats, Interactions, Ints

START = 1_767_225_600  # 2026-01-01 00:00 UTC, in seconds
_DAY = 86_400
_WIDTH = 8
_STRENGTH = 5.0
_POOL = 400
_CELLS = 50_000_000

_CATEGORIES = ("drama", "comedy", "science", "nature", "history", "music", "travel", "sport", "crime", "family")
_TAGS = (
    "slow",
    "fast",
    "dark",
    "warm",
    "classic",
    "new-wave",
    "true-story",
    "for-two",
    "night",
    "award",
    "short",
    "epic",
)
_FIRST = (
    "Quiet",
    "Hidden",
    "Northern",
    "Golden",
    "Last",
    "Paper",
    "Silver",
    "Distant",
    "Broken",
    "Early",
    "Wild",
    "Blue",
)
_SECOND = ("Harbour", "Garden", "Letters", "River", "Summer", "Stations", "Voices", "Mountain", "Kitchen", "Lanterns")
_SEGMENTS = ("student", "parent", "commuter", "retired", "night-owl", "weekend")
_COUNTRIES = ("DE", "FR", "IT", "ES", "PL", "SE")
_HOURS = np.array([2, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 6, 8, 10, 12, 13, 12, 8, 4], dtype=float)


@dataclass(frozen=True)
class World:
    """A log and what nobody has in real life: the preferences that made it.

    Attributes:
        interactions: the log, in order of time.
        early, late: [U, 8] each user's taste at the world's start and end; between, it moves in a straight line.
        vectors: [I, 8] what the items are.
        appeal: [I] log popularity.
        released: [I] seconds since 1970 from which an item can be taken.
        sessions: [S, 2] user and second of each session.
        span: first and last second of the world.
    """

    interactions: Interactions
    early: Doubles
    late: Doubles
    vectors: Doubles
    appeal: Doubles
    released: Ints
    sessions: Ints
    span: tuple[int, int]

    def logits(self, users: Ints, seconds: Ints, items: Ints | None = None) -> Doubles:
        """[B, I] (or [B, P] for given items [B, P]) log chances, up to a constant; -inf before an item's release."""
        share = ((seconds - self.span[0]) / (self.span[1] - self.span[0]))[:, None]
        taste = (1 - share) * self.early[users] + share * self.late[users]
        if items is None:
            values = self.appeal[None, :] + _STRENGTH * taste @ self.vectors.T
            released = self.released[None, :]
        else:
            values = self.appeal[items] + _STRENGTH * np.einsum("bd,bpd->bp", taste, self.vectors[items])
            released = self.released[items]
        return np.where(released <= seconds[:, None], values, -np.inf)

    def preferences(self, user_ids: Sequence[str], *, start: int, end: int) -> Floats:
        """[B, I] mean chance of each item (rows as in `interactions.items`) over the user's sessions in a period.

        Args:
            user_ids: of this world.
            start, end: microseconds, both included; a user without a session there is taken on an even grid of it.
        """
        users = np.array([int(user_id) - 1 for user_id in user_ids], dtype=np.int64)
        inside = (self.sessions[:, 1] >= start // 1_000_000) & (self.sessions[:, 1] <= end // 1_000_000)
        sessions = self.sessions[inside]
        sessions = sessions[np.argsort(sessions[:, 0], kind="stable")]
        first = np.searchsorted(sessions[:, 0], users)
        count = np.searchsorted(sessions[:, 0], users, side="right") - first
        grid = np.linspace(start // 1_000_000, end // 1_000_000, 4).astype(np.int64)
        out = np.zeros((len(users), len(self.appeal)), dtype=np.float32)
        for turn in range(max(int(count.max(initial=0)), len(grid))):
            length = np.where(count > 0, count, len(grid))
            active = np.flatnonzero(turn < length)
            place = np.minimum(first[active] + turn, max(len(sessions) - 1, 0))
            own = sessions[place, 1] if len(sessions) else np.zeros(len(active), dtype=np.int64)
            seconds = np.where(count[active] > 0, own, grid[min(turn, len(grid) - 1)])
            for begin in range(0, len(active), 512):
                part = active[begin : begin + 512]
                values = self.logits(users[part], seconds[begin : begin + 512])
                chances = np.exp(values - values.max(axis=1, keepdims=True))
                out[part] += chances / chances.sum(axis=1, keepdims=True) / length[part, None]
        return out

    def best_lists(
        self, user_ids: Sequence[str], k: int, *, start: int, end: int, seen: Sequence[Collection[str]]
    ) -> list[list[str]]:
        """The k most likely items of each user in a period without those seen: no method can expect more hits."""
        ids = np.array([f"i{row + 1}" for row in range(len(self.appeal))])
        chances = self.preferences(user_ids, start=start, end=end)
        for place, items in enumerate(seen):
            chances[place, [int(item[1:]) - 1 for item in items]] = -1.0
        order = np.argsort(-chances, axis=1, kind="stable")[:, :k]
        return [[str(ids[row]) for row in rows if chances[place, row] > 0] for place, rows in enumerate(order)]


def make_world(
    users: int = 1500, items: int = 800, *, days: int = 180, events_per_user: float = 40.0, seed: int = 0
) -> World:
    """Make a world in which tastes drift, popularity follows a power law and features tell something.

    In a session at time t a user takes items without repetition with the chances softmax(appeal + 5 · taste(t)·item)
    over what is released and not yet taken. In a large catalogue each session chooses from 400 items drawn by appeal.

    Args:
        users: at least 2.
        items: at least 20.
        days: at least 2.
        events_per_user: mean, at least 1; the true mean varies with the seed.
        seed: same seed, same world, to the bit.

    Raises:
        ConfigError: a number is too small.
    """
    for name, value, least in (
        ("users", users, 2),
        ("items", items, 20),
        ("days", days, 2),
        ("events_per_user", events_per_user, 1),
    ):
        if value < least:
            raise ConfigError(f"{name}={value!r} is too small for a made world: it should be at least {least}.")
    generator = np.random.default_rng(seed)
    item_table, vectors, released = _items(items, days, generator)
    user_table, early, late = _users(users, generator)
    appeal = -0.9 * np.log(generator.permutation(items) + 3.0)
    sessions = _sessions(users, days, events_per_user, generator)
    world = World(
        Interactions(pl.DataFrame()), early, late, vectors, appeal, released, sessions, (START, START + days * _DAY)
    )
    events = _events(world, generator)
    log = Interactions(events, user_table, item_table, f"made world ({users:,} users, {items:,} items, seed {seed})")
    return World(log, early, late, vectors, appeal, released, sessions, world.span)


def _unit(vectors: Doubles) -> Doubles:
    unit: Doubles = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _items(count: int, days: int, generator: np.random.Generator) -> tuple[pl.DataFrame, Doubles, Ints]:
    category = generator.integers(len(_CATEGORIES), size=count)
    tags = generator.random((count, len(_TAGS))).argsort(axis=1)[:, :3]
    brand = generator.integers(30, size=count)
    of_category = _unit(generator.normal(size=(len(_CATEGORIES), _WIDTH)))
    of_tag, of_brand = generator.normal(size=(len(_TAGS), _WIDTH)), generator.normal(size=(30, _WIDTH))
    vectors = _unit(
        of_category[category]
        + 0.12 * of_tag[tags].sum(axis=1)
        + 0.1 * of_brand[brand]
        + 0.15 * generator.normal(size=(count, _WIDTH))
    )
    day = np.where(
        generator.random(count) < 0.15, generator.uniform(0, days * 0.95, count), -generator.exponential(400, count)
    )
    price = np.round(np.exp(generator.normal(1.5 + 0.15 * category, 0.4)), 2)
    first, second = generator.integers(len(_FIRST), size=count), generator.integers(len(_SECOND), size=count)
    table = pl.DataFrame(
        {
            "item_id": [f"i{row + 1}" for row in range(count)],
            "item_title": [
                f"{_FIRST[a]} {_SECOND[b]} #{row + 1}" for row, (a, b) in enumerate(zip(first, second, strict=True))
            ],
            "item_category": [_CATEGORIES[one] for one in category],
            "item_tags": [[_TAGS[one] for one in row[: 1 + row[0] % 3]] for row in tags],
            "item_brand": [f"brand-{one}" for one in brand],
            "item_price": price,
            "item_released": np.floor(day),
        }
    )
    return table, vectors, (START + np.floor(day) * _DAY).astype(np.int64)


def _users(count: int, generator: np.random.Generator) -> tuple[pl.DataFrame, Doubles, Doubles]:
    segment = generator.integers(len(_SEGMENTS), size=count)
    of_segment = _unit(generator.normal(size=(len(_SEGMENTS), _WIDTH)))
    early = _unit(0.8 * of_segment[segment] + _unit(generator.normal(size=(count, _WIDTH))))
    late = _unit(early + 0.5 * _unit(generator.normal(size=(count, _WIDTH))))
    table = pl.DataFrame(
        {
            "user_id": [str(row + 1) for row in range(count)],
            "user_country": [_COUNTRIES[one] for one in generator.integers(len(_COUNTRIES), size=count)],
            "user_age": np.clip(np.round(generator.normal(22 + 9 * segment, 6)), 14, 90),
            "user_segment": [_SEGMENTS[one] for one in segment],
        }
    )
    return table, early, late


def _sessions(users: int, days: int, events_per_user: float, generator: np.random.Generator) -> Ints:
    """[S, 2] user and second, in the order of (user, time)."""
    mean = max(events_per_user / 4.0, 1.0)
    count = np.maximum(1, np.round(generator.lognormal(np.log(mean) - 0.32, 0.8, users))).astype(np.int64)
    joined = np.where(
        generator.random(users) < 0.7, generator.uniform(0, 0.3, users), generator.uniform(0.3, 0.97, users)
    )
    owner = np.repeat(np.arange(users), count)
    day = np.floor((joined[owner] + (1 - joined[owner]) * generator.random(len(owner))) * days)
    hour = generator.choice(24, size=len(owner), p=_HOURS / _HOURS.sum())
    second = START + day.astype(np.int64) * _DAY + hour * 3600 + generator.integers(2400, size=len(owner))
    return np.column_stack([owner, second])[np.lexsort((second, owner))]


def _events(world: World, generator: np.random.Generator) -> pl.DataFrame:
    sessions, items = world.sessions, len(world.appeal)
    n_users = len(world.early)
    turn = np.arange(len(sessions)) - np.searchsorted(sessions[:, 0], sessions[:, 0])
    sizes = np.minimum(generator.geometric(0.27, len(sessions)), 8)
    exact = n_users * items <= _CELLS
    taken: Bools = np.zeros((n_users if exact else 0, items), dtype=bool)
    parts: list[Ints] = []
    for step in range(int(turn.max()) + 1):
        # Each user's n-th session, all users together: what was taken before is known by then.
        for place in np.array_split(np.flatnonzero(turn == step), max(1, n_users // 2048)):
            if len(place):
                parts.append(_take(world, place, sizes[place], taken if exact else None, generator))
    session, item, order = np.concatenate(parts).T
    user = sessions[session, 0]
    if not exact:
        keep = np.sort(np.unique(user * items + item, return_index=True)[1])
        session, item, order, user = session[keep], item[keep], order[keep], user[keep]
    gaps = generator.integers(20, 400, size=(len(sessions), 8)).cumsum(axis=1)
    second = sessions[session, 1] + gaps[session, order]
    affinity = np.einsum("rd,rd->r", world.early[user], world.vectors[item])
    bias, quality = generator.normal(0, 0.4, n_users), generator.normal(0, 0.4, items)
    stars = 3.2 + bias[user] + quality[item] + 1.0 * affinity + generator.normal(0, 0.6, len(user))
    rated = generator.random(len(user)) < 0.7
    hour = second // 3600 % 24
    roll = generator.random(len(user))
    device = np.where(roll < 0.2, "desktop", np.where((hour >= 18) & (roll < 0.7), "tv", "phone"))
    frame = pl.DataFrame(
        {
            "user_id": (user + 1).astype(str),
            "item_id": np.char.add("i", (item + 1).astype(str)),
            "timestamp": pl.Series(second * 1_000_000).cast(TIME_TYPE),
            "rating": pl.Series(np.where(rated, np.clip(np.round(stars), 1, 5), np.nan)).fill_nan(None),
            "event_type": np.where(rated, "rate", "view"),
            "device": device,
        }
    )
    return frame.sort("timestamp", "user_id", "item_id")


def _take(world: World, place: Ints, sizes: Ints, taken: Bools | None, generator: np.random.Generator) -> Ints:
    """[R, 3] session, item and order of what some sessions [n] take: the largest of log chance + Gumbel noise."""
    users, seconds = world.sessions[place, 0], world.sessions[place, 1]
    pool = None
    if len(world.appeal) > 2 * _POOL and taken is None:
        weights = np.exp(world.appeal)
        drawn = np.searchsorted(weights.cumsum() / weights.sum(), generator.random((len(place), _POOL)))
        pool = np.minimum(drawn, len(weights) - 1)
        values = world.logits(users, seconds, pool) - world.appeal[pool]  # the pool is drawn by appeal already
    else:
        values = world.logits(users, seconds)
    if taken is not None:
        values[taken[users]] = -np.inf
    values = values + generator.gumbel(size=values.shape)
    best = np.argsort(-values, axis=1)[:, :8]
    chosen = best if pool is None else np.take_along_axis(pool, best, axis=1)
    keep = (np.arange(best.shape[1])[None, :] < sizes[:, None]) & np.isfinite(np.take_along_axis(values, best, axis=1))
    row, order = np.nonzero(keep)
    if taken is not None:
        taken[users[row], chosen[row, order]] = True
    return np.column_stack([place[row], chosen[row, order], order])
