"""What the staged ranker learns from: candidates at visits of a later slice, and what was taken of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.data.impressions import UNSHOWN
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.visits import openings
from enterprise_recsys.engine.gathering import Asked, gather, quotas
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.engine.neighbours import Related
from enterprise_recsys.errors import DataError
from enterprise_recsys.learning.shown import with_shown
from enterprise_recsys.ranking.ranker import Examples
from enterprise_recsys.records import Bools, Doubles, Events, Ints
from enterprise_recsys.retrieval.beside import Retrieval

_VISITS, _MORE_VISITS = 4, 50
"""Lists of a user, at most; the second where each is judged by events of its own, as far as there is room.

All lists of a user that are judged by all that comes after say much the same. Where they are of visits more of them
help a little: on a part of the training data of frappe-context NDCG@10 is .556 with 4 (1,804 lists) and .558 with all
(7,178).
"""
_ROWS, _MORE_ROWS = 1_000_000, 2_000_000
"""Candidates of one slice of time, at most, likewise."""


@dataclass(frozen=True)
class Slates:
    """Candidates at visits.

    Attributes:
        examples: the candidates, Q lists of `examples.depth` rows each.
        users: [Q] slot of who was answered.
    """

    examples: Examples
    users: Ints

    def take(self, lists: Bools | Ints) -> Slates:
        """Some of the lists (a mask [Q] or places)."""
        places = np.arange(len(self.users))[lists]
        depth = self.examples.depth
        rows = (places[:, None] * depth + np.arange(depth)).ravel()
        part = self.examples
        return Slates(
            Examples(
                {name: column[rows] for name, column in part.columns.items()},
                part.clicks[rows],
                part.ratings[rows],
                part.weights[rows],
                depth,
                {name: labels[rows] for name, labels in part.tasks.items()},
                None if part.places is None else part.places[rows],
            ),
            self.users[places],
        )

    def beside(self, others: Slates) -> Slates:
        """These, and others after them."""
        one, other = self.examples, others.examples
        columns = {name: np.concatenate([column, other.columns[name]]) for name, column in one.columns.items()}
        clicks, ratings, weights = (np.concatenate(pair) for pair in zip(one.labels, other.labels, strict=True))
        tasks = {name: np.concatenate([labels, other.tasks[name]]) for name, labels in one.tasks.items()}
        places = None
        if one.places is not None and other.places is not None:
            places = np.concatenate([one.places, other.places])
        return Slates(
            Examples(columns, clicks, ratings, weights, one.depth, tasks, places),
            np.concatenate([self.users, others.users]),
        )

    def ndcg(self, scores: np.ndarray, *, k: int = 10, task: str | None = None) -> Doubles:
        """[Q] NDCG of the first k candidates when ordered by scores [Q*K]; NaN where nothing was taken.

        Taken is what was clicked, or what a task of yes or no says.
        """
        labels = self.examples.clicks if task is None else self.examples.tasks[task]
        taken = np.nan_to_num(labels).reshape(len(self.users), -1)
        order = np.argsort(-scores.reshape(taken.shape), axis=1, kind="stable")[:, :k]
        discounts = 1.0 / np.log2(np.arange(2, order.shape[1] + 2))
        gains = np.take_along_axis(taken, order, axis=1) @ discounts
        ideal = -np.sort(-taken, axis=1)[:, : order.shape[1]] @ discounts
        return np.where(ideal > 0, gains / np.where(ideal > 0, ideal, 1.0), np.nan)


def slates(
    processor: DataProcessor,
    moments: Moments,
    retriever: Retrieval,
    related: Related,
    late: Ints,
) -> Slates:
    """Ask all sources at the visits of each user in the later slice, and label what they find by what was taken.

    A list is asked for when somebody comes, and judged by all that they go on to take. So a moment is the opening of a
    visit and not any event: in the middle of a long sitting the newest events tell what the sitting is about, which no
    request at its start can know, and a ranker taught there leans on it in vain. For the same reason a visit opens with
    what the user does first, be it a success or not: a list at the moment of a buy would know of the views that led to
    it. Each user weighs the same. For other lists see `ModelConfig.horizon`: those of a visit are judged by it alone,
    as the next visit may be shown the same again; those of the next event are asked for at any moment.

    Args:
        processor: as the retriever knows it.
        moments: over the earlier and the later log.
        retriever, related: taught by the earlier log.
        late: places of the later slice's events in `moments`, rising.

    Raises:
        DataError: the later log holds no relevant event.
    """
    config, events = processor.config, moments.events
    wanted = quotas(config, len(processor.items), follows=related.follows)
    most = max((_ROWS if config.aim == "later" else _MORE_ROWS) // wanted.depth, 1)
    asked = visits(events, late, np.random.default_rng(config.seed), aim=config.aim, most=most)
    if len(asked) == 0:
        raise DataError(
            "the validation log holds no relevant event, so the ranker has nothing to learn from; see "
            "positive_rating and positive_event_types."
        )
    asked = np.sort(np.random.default_rng(config.seed).permutation(asked)[:most])
    users = events.users[asked]
    requests = moments.requests(
        users, events.times[asked], {name: column[asked] for name, column in events.context.items()}
    )
    known = {**requests.query, "user_id": processor.learnt_users[requests.columns["user_id"]]}
    vectors, queries = retriever.item_vectors(), retriever.encode(known, requests.history)
    found = gather(
        queries,
        vectors,
        exact(vectors).search,
        related,
        wanted,
        Asked(requests.history, requests.offsets, requests.seen, moments.trending(requests.times), own=requests.own),
    )
    showing = None
    if moments.shown is not None:
        own, said = moments.shown.at(users, events.times[asked]), related.said(requests.history, len(vectors))
        showing = with_shown(found, own, requests.offsets, requests.seen, queries, vectors, said)
        found = showing.found
    columns = moments.pair_columns(requests, moments.processor.item_columns(), found)
    clicks, ratings, tasks = _labels(moments, late, asked, found.rows)
    places = None
    if showing is not None:
        places = showing.places.ravel()
        if config.unshown == "unlabelled":
            clicks[(places == UNSHOWN) & (clicks == 0)] = np.nan
    weights = np.repeat(1.0 / np.bincount(users)[users], found.rows.shape[1]).astype(np.float32)
    return Slates(Examples(columns, clicks, ratings, weights, found.rows.shape[1], tasks, places), users)


def visits(events: Events, places: Ints, generator: np.random.Generator, *, aim: str = "later", most: int = 0) -> Ints:
    """Places of the events that open a visit: each user's first, and some of the others, drawn by lot.

    Only those that something relevant follows within the horizon, the opening itself included: other lists have nothing
    that they could be judged by.

    Args:
        events: in the order of time.
        places: which of them are looked at, rising.
        generator: draws the others.
        aim: a horizon, see `ModelConfig.horizon`. "later": up to four of each user. "visit": up to fifty, and fewer
            where these are more than `most`. "next": as many of each user's relevant events are drawn instead.
        most: lists that there is room for; four of each user are given in any case.
    """
    if aim == "next":
        places, _, _ = _opening(events, places[events.relevant[places]])
        lots = generator.random(len(places))
    else:
        places, first, opens = _opening(events, places)
        part = np.cumsum(opens if aim == "visit" else first) - 1
        last = np.full(part[-1] + 1 if len(part) else 0, -1)  # the last relevant event of each list's horizon
        is_relevant = events.relevant[places]
        np.maximum.at(last, part[is_relevant], np.flatnonzero(is_relevant))
        kept = opens & (np.arange(len(places)) <= last[part])
        lots = np.where(first, -1.0, generator.random(len(places)))[kept]
        places = places[kept]
    users = events.users[places]
    order = np.lexsort((lots, users))
    turn = np.arange(len(users)) - np.searchsorted(users[order], users[order])
    # How many there are in all with one of each user, with two, and so on.
    reached = np.cumsum(np.bincount(turn, minlength=_MORE_VISITS)[:_MORE_VISITS])
    room = _VISITS if aim == "later" else int(np.searchsorted(reached, most, side="right"))
    return np.sort(places[order][turn < max(room, _VISITS)])


def _opening(events: Events, places: Ints) -> tuple[Ints, Bools, Bools]:
    """The places by user, and which of them are a user's first, and which open a visit."""
    places = places[np.argsort(events.users[places], kind="stable")]
    return places, *openings(events.users[places], events.times[places])


def _labels(
    moments: Moments, late: Ints, asked: Ints, rows: Ints
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Clicks, ratings and tasks [Q*K] of candidates: what was taken in the later slice, from the moment of asking on.

    Args:
        moments: over both logs.
        late: places of the later events.
        asked: [Q] places of the events that lists are asked for at.
        rows: [Q, K] the candidates.
    """
    config, events = moments.processor.config, moments.events
    following = _Following(moments, late, asked, rows)
    taken, at = following.events()
    ratings = np.where(taken, events.ratings[at], np.nan).astype(np.float32)
    clicks = following.events(events.relevant)[0].astype(np.float32)
    if config.ctr_positive_rating is not None:
        clicks = np.where(~np.isnan(ratings), ratings >= config.ctr_positive_rating, clicks).astype(np.float32)
    clicks[rows.ravel() == 0] = np.nan
    tasks = {}
    for name, labels in events.tasks.items():
        known = ~np.isnan(labels)
        if config.tasks[name].is_chance:
            is_yes, is_unknown = following.events(labels == 1)[0], following.events(~known)[0]
            own = np.where(is_yes, 1.0, np.where(is_unknown | (rows.ravel() == 0), np.nan, 0.0))
        else:
            held, at = following.events(known)
            own = np.where(held, labels[at], np.nan)
        tasks[name] = own.astype(np.float32)
    return clicks, ratings, tasks


class _Following:
    """Which events of a list's user with each of its candidates follow within the list's horizon; see `_labels`."""

    def __init__(self, moments: Moments, late: Ints, asked: Ints, rows: Ints) -> None:
        config, events = moments.processor.config, moments.events
        n_items = len(moments.processor.items)
        late, first, opens = _opening(events, late)
        # A list answers for a user's whole slice, for one visit, or for one event.
        part = (
            np.arange(len(late)) if config.aim == "next" else np.cumsum(opens if config.aim == "visit" else first) - 1
        )
        place = np.empty(len(events.users), dtype=np.int64)
        place[late] = part
        keys = part * n_items + events.items[late]
        order = np.argsort(keys, kind="stable")
        self._keys, self._late, self._is_item = keys[order], late[order], rows.ravel() > 0
        self._wanted = (place[asked][:, None] * n_items + rows).ravel()
        self._since = np.repeat(asked, rows.shape[1])

    def events(self, which: Bools | None = None) -> tuple[Bools, Ints]:
        """Whether an event follows [Q*K], and the place of the first one [Q*K].

        Args:
            which: [R] the events that count; None: all.
        """
        keys, late = self._keys, self._late
        if which is not None:
            keys, late = keys[which[late]], late[which[late]]
        if not len(keys):
            return np.zeros(len(self._wanted), dtype=bool), np.zeros(len(self._wanted), dtype=np.int64)
        at = np.minimum(np.searchsorted(keys, self._wanted), len(keys) - 1)
        # What may be listed again may have been taken before the moment and after it: then the last time counts.
        last = np.maximum(np.searchsorted(keys, self._wanted, side="right") - 1, 0)
        at = np.where(late[at] < self._since, last, at)
        return (keys[at] == self._wanted) & (late[at] >= self._since) & self._is_item, late[at]
