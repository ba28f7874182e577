"""A made world: a seeded, believable log whose true preferences are known; the offline default and the tests' truth."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError, DataError, UnknownItemError
from enterprise_recsys.records import TIME_TYPE, Bools, Doubles, Floats, Interactions, Ints

START = 1_767_225_600  # 2026-01-01 00:00 UTC, in seconds
_DAY = 86_400
_WIDTH = 8
_STRENGTH = 6.0
_EXACT = 1000  # catalogues up to this size are chosen from whole, larger ones from a pool
_POOL = 400
_CELLS = 2_000_000  # numbers held at once while choosing (float64: 16 MB)
_LONGEST = 8  # events a session has at most

_Pool = tuple[Doubles, Doubles]  # summed shares of the items, and log chance that the pool holds each

_CATEGORIES = ("drama", "comedy", "science", "nature", "history", "music", "travel", "sport", "crime", "family")
_TAGS = ("slow", "fast", "dark", "warm", "classic", "new-wave", "true", "for-two", "night", "award", "short", "epic")
_TITLES = [
    f"{first} {second}"
    for first in ("Quiet", "Hidden", "Northern", "Golden", "Last", "Paper", "Silver", "Distant", "Wild", "Blue")
    for second in ("Harbour", "Garden", "Letters", "River", "Summer", "Stations", "Voices", "Kitchen", "Lanterns")
]
_SEGMENTS = ("student", "parent", "commuter", "retired", "night-owl", "weekend")
_COUNTRIES = ("DE", "FR", "IT", "ES", "PL", "SE")
_HOURS = np.array([2, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 6, 8, 10, 12, 13, 12, 8, 4], float)


@dataclass(frozen=True, eq=False)
class World:
    """A log and what nobody has in real life: the preferences that made it.

    Attributes:
        interactions: the log, in order of time; item rows follow `interactions.items`.
        early, late: [U, 8] each user's taste at the world's start and end; between, it moves in a straight line.
        vectors: [I, 8] what the items are.
        appeal: [I] log popularity.
        released: [I] seconds since 1970 from which an item can be taken.
        sessions: [S, 2] user row and first second of each session, ordered by both.
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

    def tastes(self, users: Ints, seconds: Ints) -> Doubles:
        """[B, 8] what users (rows from 0) like at some moments."""
        share = ((seconds - self.span[0]) / (self.span[1] - self.span[0]))[:, None]
        taste: Doubles = self.early[users] + share * (self.late[users] - self.early[users])
        return taste

    def logits(self, users: Ints, seconds: Ints, items: Ints | None = None) -> Doubles:
        """[B, I], or [B, P] for items [B, P]: log chance of each item up to a constant; -inf before its release."""
        taste, rows = self.tastes(users, seconds), slice(None) if items is None else items
        fit: Doubles = taste @ self.vectors.T if items is None else np.einsum("bd,bpd->bp", taste, self.vectors[items])
        values: Doubles = self.appeal[rows] + _STRENGTH * fit
        values[self.released[rows] > seconds[:, None]] = -np.inf
        return values

    def preferences(self, user_ids: Sequence[str], *, start: int, end: int) -> Floats:
        """[B, I] mean chance of each item over the user's sessions in a period, before any item is ruled out.

        Args:
            user_ids: users of this world.
            start, end: microseconds since 1970, both included. A user without a session between them is taken on an
                even grid of four moments.

        Raises:
            DataError: a user is not of this world.
            ConfigError: the period ends before it starts.
        """
        if end < start:
            raise ConfigError(f"the period ends before it starts: start={start}, end={end}; give start <= end.")
        users = self._rows(user_ids)
        times = self.sessions[:, 1] * 1_000_000
        sessions = self.sessions[(times >= start) & (times <= end)]
        first, after = np.searchsorted(sessions[:, 0], users), np.searchsorted(sessions[:, 0], users, side="right")
        moments = np.append(sessions[:, 1], np.linspace(start // 1_000_000, end // 1_000_000, 4).astype(np.int64))
        first, count = np.where(after > first, first, len(sessions)), np.where(after > first, after - first, 4)
        chances = np.zeros((len(users), len(self.appeal)), dtype=np.float32)
        step = max(1, _CELLS // len(self.appeal))
        for turn in range(int(count.max(initial=0))):
            active = np.flatnonzero(count > turn)
            for part in np.split(active, range(step, len(active), step)):
                values = self.logits(users[part], moments[first[part] + turn])
                weights = np.exp(values - values.max(axis=1, keepdims=True))
                chances[part] += weights / weights.sum(axis=1, keepdims=True) / count[part, None]
        return chances

    def best_lists(
        self, user_ids: Sequence[str], k: int, *, start: int, end: int, seen: Sequence[Collection[str]]
    ) -> list[list[str]]:
        """The k most likely items of each user in a period without those seen: no method can expect more hits.

        Args:
            user_ids, start, end: as in `preferences`.
            k: 1 or more; a list is shorter where fewer unseen items are released.
            seen: for each user the item ids to leave out.

        Raises:
            DataError: a user is not of this world, or `seen` is not as long as `user_ids`.
            UnknownItemError: a seen item is not of this world.
            ConfigError: k is below 1, or the period ends before it starts.
        """
        if k < 1:
            raise ConfigError(f"k={k!r} is too small for a list: it should be at least 1.")
        if len(seen) != len(user_ids):
            raise DataError(f"seen has {len(seen)} entries for {len(user_ids)} users; give one for each user.")
        assert self.interactions.items is not None
        ids = self.interactions.items["item_id"].to_list()
        row_of = {item: row for row, item in enumerate(ids)}
        if unknown := sorted({item for items in seen for item in items} - row_of.keys()):
            raise UnknownItemError(f"the seen item {unknown[0]!r} is not of this world; known: i1 to i{len(ids)}.")
        lists: list[list[str]] = []
        step = max(1, _CELLS // len(ids))
        for begin in range(0, len(user_ids), step):
            chances = self.preferences(user_ids[begin : begin + step], start=start, end=end)
            for own, items in zip(chances, seen[begin : begin + step], strict=True):
                own[[row_of[item] for item in items]] = -1.0
                lists.append([ids[row] for row in np.argsort(-own, kind="stable")[:k] if own[row] > 0])
        return lists

    def _rows(self, user_ids: Sequence[str]) -> Ints:
        for one in user_ids:
            if not (one.isascii() and one.isdigit() and 0 < int(one) <= len(self.early)):
                raise DataError(f"the user {one!r} is not of this world; known: '1' to '{len(self.early)}'.")
        return np.array([int(one) - 1 for one in user_ids], dtype=np.int64)


def make_world(
    users: int = 1500, items: int = 800, *, days: int = 180, events_per_user: float = 40.0, seed: int = 0
) -> World:
    """Make a world in which tastes drift, popularity follows a power law and features tell something.

    In a session at time t a user takes items one after the other, none of them twice in a life, with the chances
    softmax(appeal + 6 · taste(t)·item) over what is released. Beyond 1000 items each session chooses from up to 400
    of them, drawn by appeal and weighted by one over the chance to be drawn, so that the chances stay (nearly) those.

    `item_released` is in days before the world's start, negative for items that appear during the world.

    Args:
        users: 2 or more.
        items: 20 or more.
        days: 2 or more.
        events_per_user: mean, from 1 to the number of items; it is missed where active users run out of items.
        seed: 0 or more; same seed, same world, to the bit.

    Raises:
        ConfigError: a number is out of its range.
    """
    for name, value, least in (("users", users, 2), ("items", items, 20), ("days", days, 2), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name}={value!r} does not fit a made world: it should be a whole number >= {least}.")
    if not (math.isfinite(events_per_user) and 1 <= events_per_user <= items):
        raise ConfigError(f"events_per_user={events_per_user!r} does not fit: it should be from 1 to {items} (items).")
    generator = np.random.default_rng(seed)
    item_table, vectors, released = _items(items, days, generator)
    user_table, early, late = _users(users, generator)
    appeal = -0.95 * np.log(generator.permutation(items) + 4.0)
    stop_chance = max(0.27, 1 / events_per_user)  # a session goes on with the chance 0.73: 3.4 events
    length = (1 - (1 - stop_chance) ** _LONGEST) / stop_chance
    sessions = _sessions(users, days, events_per_user / length, generator)
    name = f"made world ({users:,} users, {items:,} items, seed {seed})"
    log = Interactions(pl.DataFrame(), user_table, item_table, name)
    world = World(log, early, late, vectors, appeal, released, sessions, (START, START + days * _DAY))
    sizes = np.minimum(generator.geometric(stop_chance, len(sessions)), _LONGEST)
    session, item, place = _choices(world, sizes, generator)
    return replace(world, interactions=log.with_events(_log(world, session, item, place, generator)))


def _unit(vectors: Doubles) -> Doubles:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float64)


def _directions(count: int, generator: np.random.Generator) -> Doubles:
    return _unit(generator.normal(size=(count, _WIDTH)))


def _items(count: int, days: int, generator: np.random.Generator) -> tuple[pl.DataFrame, Doubles, Ints]:
    category = generator.integers(len(_CATEGORIES), size=count)
    brand, title = generator.integers(30, size=count), generator.integers(len(_TITLES), size=count)
    tags = generator.random((count, len(_TAGS))).argsort(axis=1)[:, :4]
    shown = np.arange(4) < generator.integers(1, 5, size=(count, 1))
    of_tags = (_directions(len(_TAGS), generator)[tags] * shown[:, :, None]).sum(axis=1)
    of_category, of_brand = _directions(len(_CATEGORIES), generator)[category], _directions(30, generator)[brand]
    vectors = _unit(of_category + 0.35 * of_tags + 0.3 * of_brand + 0.4 * _directions(count, generator))
    before, during = generator.exponential(400, count), generator.uniform(0, 0.95 * days, count)
    age_days = np.ceil(np.where(generator.random(count) < 0.15, -during, before))
    columns = {
        "item_id": [f"i{row + 1}" for row in range(count)],
        "item_title": [f"{_TITLES[one]} #{row + 1}" for row, one in enumerate(title)],
        "item_category": [_CATEGORIES[one] for one in category],
        "item_tags": [[_TAGS[one] for one in row[mask]] for row, mask in zip(tags, shown, strict=True)],
        "item_brand": [f"brand-{one + 1}" for one in brand],
        "item_price": np.round(np.exp(generator.normal(1.5 + 0.15 * category, 0.4)), 2),
        "item_released": age_days,
    }
    return pl.DataFrame(columns), vectors, (START - age_days * _DAY).astype(np.int64)


def _users(count: int, generator: np.random.Generator) -> tuple[pl.DataFrame, Doubles, Doubles]:
    segment = generator.integers(len(_SEGMENTS), size=count)
    country = generator.integers(len(_COUNTRIES), size=count)
    of_segment, of_country = (_directions(len(names), generator) for names in (_SEGMENTS, _COUNTRIES))
    early = _unit(0.8 * of_segment[segment] + 0.3 * of_country[country] + _directions(count, generator))
    late = _unit(early + 0.6 * _directions(count, generator))
    columns = {
        "user_id": [str(row + 1) for row in range(count)],
        "user_country": [_COUNTRIES[one] for one in country],
        "user_age": np.clip(np.round(generator.normal(22 + 9 * segment, 6)), 14, 90),
        "user_segment": [_SEGMENTS[one] for one in segment],
    }
    return pl.DataFrame(columns), early, late


def _sessions(users: int, days: int, mean: float, generator: np.random.Generator) -> Ints:
    """[S, 2] user row and second, ordered by both; the first one when the user joins, the others until the end."""
    early = generator.random(users) < 0.55
    joined = np.where(early, generator.uniform(0, 0.3, users), generator.uniform(0.3, 0.98, users))
    activity = generator.lognormal(0, 0.8, users) * (1 - joined)
    count = 1 + generator.poisson(max(mean - 1, 0) * activity / activity.mean())
    owner = np.repeat(np.arange(users), count)
    waited = generator.random(len(owner))
    waited[np.cumsum(count) - count] = 0
    day = np.floor((joined[owner] + (1 - joined[owner]) * waited) * days).astype(np.int64)
    # Begun in an hour's first half and at most 29 minutes long: no session leaves its day.
    hour = generator.choice(24, size=len(owner), p=_HOURS / _HOURS.sum())
    second = START + day * _DAY + hour * 3600 + generator.integers(1800, size=len(owner))
    order = np.lexsort((second, owner))
    return np.column_stack([owner[order], second[order]])


def _choices(world: World, sizes: Ints, generator: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """[R] session, item and place in the session of every event; sizes [S] say how many a session wants."""
    n_items = len(world.appeal)
    share = np.exp(world.appeal) / np.exp(world.appeal).sum()
    pool = (share.cumsum(), np.log(-np.expm1(_POOL * np.log1p(-share)))) if n_items > _EXACT else None
    first = np.searchsorted(world.sessions[:, 0], np.arange(len(world.early) + 1))
    count = np.diff(first)
    # Users of like activity go together: the loop over session numbers then runs about as often as one of them has any.
    order = np.argsort(-count, kind="stable")
    width = max(1, (_CELLS if pool is None else 8 * _CELLS) // n_items)
    parts: list[Ints] = []
    for begin in range(0, len(order), width):
        users = order[begin : begin + width]
        taken: Bools = np.zeros((len(users), n_items), dtype=bool)
        for turn in range(int(count[users[0]])):
            active = users[: np.searchsorted(-count[users], -turn)]  # those with more than `turn` sessions
            parts.append(_take(world, first[active] + turn, sizes, taken, pool, generator))
    session, item, place = np.concatenate(parts).T
    return session, item, place


def _take(
    world: World, session: Ints, sizes: Ints, taken: Bools, pool: _Pool | None, generator: np.random.Generator
) -> Ints:
    """[R, 3] session, item and place of what the first n users of `taken` take in one session each; notes it there.

    The largest of log chance + Gumbel noise are a draw without replacement, in its order
    (Kool et al., ICML 2019, arXiv:1903.06059).
    """
    users, seconds = world.sessions[session].T
    rows = np.arange(len(session))[:, None]
    if pool is None:
        items = np.broadcast_to(np.arange(len(world.appeal)), (len(session), len(world.appeal)))
        values = np.where(taken[: len(session)], -np.inf, world.logits(users, seconds))
    else:
        drawn = np.sort(generator.random((len(session), _POOL)), axis=1)
        items = np.minimum(np.searchsorted(pool[0], drawn), len(world.appeal) - 1)
        values = world.logits(users, seconds, items) - pool[1][items]
        values[taken[rows, items]] = -np.inf
        values[:, 1:][items[:, 1:] == items[:, :-1]] = -np.inf  # an item stands in the pool once
    values = values - np.log(np.maximum(generator.standard_exponential(values.shape), 1e-300))
    best = np.argpartition(-values, _LONGEST - 1, axis=1)[:, :_LONGEST]
    best = np.take_along_axis(best, np.argsort(-values[rows, best], axis=1, kind="stable"), axis=1)
    wanted = (np.arange(_LONGEST) < sizes[session][:, None]) & np.isfinite(values[rows, best])
    row, place = np.nonzero(wanted)
    item = items[row, best[row, place]]
    taken[row, item] = True
    return np.column_stack([session[row], item, place])


def _log(world: World, session: Ints, item: Ints, place: Ints, generator: np.random.Generator) -> pl.DataFrame:
    """The canonical frame of the events, in order of time."""
    user = world.sessions[session, 0]
    gaps = generator.integers(20, 220, size=(len(world.sessions), _LONGEST)).cumsum(axis=1)
    second = world.sessions[session, 1] + gaps[session, place]
    affinity = np.einsum("rd,rd->r", world.tastes(user, second), world.vectors[item])
    bias, quality = generator.normal(0, 0.4, len(world.early)), generator.normal(0, 0.4, len(world.appeal))
    stars = 3.4 + bias[user] + quality[item] + affinity + generator.normal(0, 0.6, len(user))
    rated = generator.random(len(user)) < 0.7
    roll, evening = generator.random(len(user)), second // 3600 % 24 >= 18
    device = np.where(roll < 0.25, 1, np.where(roll < np.where(evening, 0.6, 0.4), 2, 0))
    columns = {
        "user_id": pl.Series(user + 1).cast(pl.String),
        "item_id": "i" + pl.Series(item + 1).cast(pl.String),
        "timestamp": pl.Series(second * 1_000_000).cast(TIME_TYPE),
        "rating": pl.Series(np.where(rated, np.clip(np.round(stars), 1, 5), np.nan)).fill_nan(None),
        "event_type": pl.Series(["view", "rate"]).gather(rated.astype(np.int64)),
        "device": pl.Series(["phone", "desktop", "tv"]).gather(device),
    }
    return pl.DataFrame(columns).sort("timestamp", "user_id", "item_id")
