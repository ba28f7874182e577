"""Attribution: what set the listed items apart from other candidates, by feature and by past item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.data.pairs import Requests, candidate_columns
from enterprise_recsys.data.repeats import repeat_names
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.shapley import shapley, walked, walks
from enterprise_recsys.finding import Finder
from enterprise_recsys.records import HISTORY_AGE, ITEM_ID, Bools, Columns, Doubles, Ints

BACKGROUND = 4
"""Candidates of the request that stand for all: from the best to the last, at equal distances."""
MOST_GROUPS = 7
"""All sets of the groups are scored: 128 of them, against each of the background."""
SOURCES = {"retrieval_score": "taste", "neighbour_score": "taken together", "follower_score": "often next"}
"""Column of a source's score -> what it is called: how near the item is to the user, to the items of the past, and to
what comes after them."""
MOST_EXPLAINED = 20
"""Items of a list that are explained, the first ones: each takes milliseconds in which nobody else is answered."""
_MOST_PAST = 200
"""Past items that shares are found of, the newest ones; those before them are there all along."""
TOLD = 5
"""Past items that are named, those that moved the score most; the others are summed up."""


@dataclass(frozen=True)
class Attribution:
    """What moved one item's score, in log-odds of a click, or where tasks have a blend in logs of the score.

    Attributes:
        base: mean of the request's candidates; base + the sum of features = the item's own.
        features: name -> what it adds, the largest first. What is the same for all candidates (the user, the moment)
            cannot set one above another and is not told of by itself, only by what it makes of the others.
        past: item id -> what it adds by taste and neighbours, the largest first; at most TOLD.
        past_others: what the other past items add together.
    """

    base: float
    features: Mapping[str, float]
    past: Mapping[str, float]
    past_others: float

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return {
            "base": self.base,
            "features": dict(self.features),
            "past": dict(self.past),
            "past_others": self.past_others,
        }


def attribute(finder: Finder, requests: Requests, rows: Ints) -> list[Attribution]:
    """What moved the scores of item rows [K] of one request; none for no rows.

    Features: exact Shapley values of groups of columns, against other candidates of the same request. Past: what each
    past item adds when it comes into the history, by the towers and the neighbours, averaged over orders; the shares
    of an item add up to its log-odds (or log score) with the whole history less those with none of the newest
    _MOST_PAST events, all else as it is.
    """
    if not len(rows):
        return []
    columns, background = _columns(finder, requests, rows)
    groups = groups_of(finder, columns)
    worth = _Worth(finder, columns, background, list(groups.values()))
    shares = shapley(worth, len(groups))
    base = float(worth(np.zeros((1, len(groups)), dtype=bool))[0, 0])
    past, ids = _past(finder, requests, rows, columns)
    explained = []
    for place in range(len(rows)):
        features = dict(sorted(zip(groups, shares[place].tolist(), strict=True), key=lambda one: -abs(one[1])))
        order = np.argsort(-np.abs(past[:, place]), kind="stable")
        named = {ids[at]: float(past[at, place]) for at in order[:TOLD]}
        others = float(past[order[TOLD:], place].sum())
        explained.append(Attribution(base, features, named, others))
    return explained


def groups_of(finder: Finder, columns: Columns) -> dict[str, list[str]]:
    """Name -> columns that differ between candidates: the sources, statistics, the item itself, each of its features.

    Where there are more of these than MOST_GROUPS, the last features go together.
    """
    processor, seen = finder.engine.processor, set(finder.engine.scorer.inputs) & set(columns)
    if not finder.engine.related.follows:
        seen.discard("follower_score")  # nothing of it to tell: it is 0 for all
    groups = {SOURCES[name]: [name] for name in SOURCES if name in seen}
    before = "taken before" if processor.config.repeats else "looked at before"
    own = [name for name in repeat_names(processor) if name in seen]
    groups |= {before: own} if own else {}
    counted = [one.name for one in processor.of("statistic") if one.name.startswith("item_") and one.name in seen]
    groups |= {"popularity": counted} if counted else {}
    groups |= {"the item itself": [ITEM_ID]} if ITEM_ID in seen else {}
    features = [one.name for one in processor.of("item") if one.name in seen]
    free = MOST_GROUPS - len(groups)
    kept = features if len(features) <= free else features[: free - 1]
    groups |= {name: [name] for name in kept}
    if len(kept) < len(features):
        groups["other features"] = features[len(kept) :]
    return groups


def _columns(finder: Finder, requests: Requests, rows: Ints) -> tuple[Columns, Columns]:
    """The ranker's columns of the items [K] and of the background [N], and those of the request [1] in both."""
    pool = finder.gather(requests, len(rows))
    held = pool.rows[0][pool.rows[0] > 0]
    given = finder.given(requests, np.concatenate([rows, held])[None, :])
    told, each = finder.state.pair_columns(requests, finder.item_columns, given), finder.engine.scorer.of_candidates
    own = {name: column[: len(rows)] if name in each else column for name, column in told.items()}
    others = {name: column[len(rows) :] if name in each else column for name, column in told.items()}
    order = np.argsort(-finder.engine.scorer.lean(others), kind="stable")
    places = order[np.linspace(0, len(order) - 1, min(BACKGROUND, len(order))).round().astype(np.int64)]
    return own, {name: column[places] if name in each else column for name, column in others.items()}


class _Worth:
    """Sets of groups [S, G] -> mean log-odds (or log scores) [S, K] of items with these their own, the rest others'."""

    def __init__(self, finder: Finder, own: Columns, background: Columns, groups: Sequence[Sequence[str]]) -> None:
        self._scorer, self._own, self._background = finder.engine.scorer, own, background
        self._group = {name: place for place, names in enumerate(groups) for name in names}
        self._sizes = len(own[ITEM_ID]), len(background[ITEM_ID])

    def __call__(self, held: Bools) -> Doubles:
        items, others = self._sizes
        sets = len(held)
        item = np.tile(np.repeat(np.arange(items), others), sets)
        other = np.tile(np.arange(others), sets * items)
        owner = np.repeat(np.arange(sets), items * others)
        columns = {}
        for name in self._scorer.inputs:
            own, background = self._own[name], self._background[name]
            if name in self._group:
                is_own = held[owner, self._group[name]].reshape(-1, *[1] * (own.ndim - 1))
                columns[name] = np.where(is_own, own[item], background[other])
            else:
                columns[name] = own[item] if name in self._scorer.of_candidates else own
        scores: Doubles = self._scorer.lean(columns).reshape(sets, items, others).mean(axis=2)
        return scores


def _past(finder: Finder, requests: Requests, rows: Ints, columns: Columns) -> tuple[Doubles, list[str]]:
    """Shares [P, K] of the past items in what orders the items, and the past items' ids [P], oldest first."""
    engine, history = finder.engine, requests.history[0]
    length = min(len(history), _MOST_PAST)
    places = np.flatnonzero(history[-length:])
    ids = list(engine.processor.items.of_rows(history[-length:][places]))
    if not len(places):
        return np.zeros((0, len(rows))), ids
    orders = walks(places, np.random.default_rng(0))
    pasts, ages = (_with_older(one, length, orders) for one in (history, requests.ages[0]))  # [W, L]
    given = _with_past(finder, requests, pasts, ages, rows)
    size = len(pasts)
    many = {name: np.tile(columns[name], (size, *[1] * (columns[name].ndim - 1))) for name in engine.scorer.inputs}
    own = _with_older(requests.own[0], length, orders)
    situations: Columns = {name: _with_older(one[0], length, orders) for name, one in requests.situations.items()}
    context = {name: np.repeat(column, size, axis=0) for name, column in requests.context.items()}
    changed = candidate_columns(engine.processor, own, situations, context, given)
    leans = engine.scorer.lean({**many, **changed}).reshape(size, -1)
    shares = walked(orders, np.split(leans, len(orders)), length)
    return shares[places], ids


def _growing(history: Ints, order: Ints) -> Ints:
    """[n + 1, L] the history with none of the places, with the first of an order, ..., with all; in their own order.

    What is there stands at the right end, as in a real history.
    """
    came = np.argsort(order, kind="stable")  # rank of each place among the rising ones
    held = came[None, :] < np.arange(len(order) + 1)[:, None]
    known = history[np.sort(order)]
    out = np.zeros((len(held), len(history)), dtype=history.dtype)
    for line, kept in enumerate(held):
        some = known[kept]
        if len(some):
            out[line, -len(some) :] = some
    return out


def _with_older(values: Ints, length: int, orders: Sequence[Ints]) -> Ints:
    """[W, ...] what `_growing` makes of the newest `length` of some values, behind the older ones; [W, 0] of none."""
    if not len(values):
        return np.zeros((sum(len(order) + 1 for order in orders), 0), dtype=values.dtype)
    newest = values[-length:] if len(values) >= length else np.pad(values, (length - len(values), 0))
    grown = np.concatenate([_growing(newest, order) for order in orders])
    return np.concatenate([np.repeat(values[None, :-length], len(grown), axis=0), grown], axis=1)


def _with_past(finder: Finder, requests: Requests, pasts: Ints, ages: Ints, rows: Ints) -> Candidates:
    """The items [K] as the sources score them after each of the pasts [W, L], so many seconds ago [W, L]."""
    engine = finder.engine
    user = {name: np.repeat(column, len(pasts), axis=0) for name, column in requests.columns.items()}
    queries = engine.encoder.encode({**user, HISTORY_AGE: ages}, pasts)
    rows = np.repeat(rows[None, :], len(pasts), axis=0)
    scores = np.einsum("wd,wkd->wk", queries, engine.vectors[rows]).astype(np.float32)
    said = engine.related.said(pasts, len(engine.vectors)).of(rows)
    return Candidates(rows, scores, said, np.zeros(rows.shape, dtype=np.int64))
