"""What leads from items to others: neighbours by users or by a linear map, as validation says; and followers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from enterprise_recsys.baselines.linear import EDLAE
from enterprise_recsys.baselines.neighbours import ItemKNN
from enterprise_recsys.baselines.rules import SequentialRules
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.engine.gathering import nearest_said
from enterprise_recsys.engine.neighbours import HALF_LIFE, Neighbours, Related
from enterprise_recsys.learning.retrieving import Judge
from enterprise_recsys.records import Dataset

_MOST_NEIGHBOURED = 100_000
"""Items of a catalogue, without row 0."""
_MOST_FOLLOWED = 1_000_000
"""Likewise: counting what follows is quick in any catalogue, and keeping it takes 300 bytes an item."""
_MOST_SOLVED = 12_500
"""Likewise, for the linear map: 1.3 GB, and 20 seconds of one core for each of five solutions; 2 at 4,000."""
_CLEAR = 1.05
"""How much better than cosines' the lists of a linear map have to be: where no choice makes better lists than another,
as on ml1m-global-time, the ranker leant in vain on the few large weights of the weakest map."""
_DROPOUT = 0.3
_RIDGES = (5.0, 50.0, 500.0)
"""Units of users. The first is best of such steps for frappe-context, the second for beauty-loo and toys-loo, and the
third for ml100k-random75 and movielens1m_m1."""


@dataclass(frozen=True)
class Nearness:
    """What makes items near: the cosine of their users (None), or EDLAE's weights with such a ridge; and who follows.

    The largest weights of each item are kept, which is nearly as good as all: NDCG on validation of cosines, EDLAE's 50
    largest and all of them is .112 .122 .120 on ml100k-global-time, .232 .262 .265 on ml100k-random75, .154 .196 .206
    on movielens1m_m1, .046 .052 .052 on beauty-loo, and .074 .074 .072 on ml1m-global-time.
    """

    ridge: float | None = None
    follows: bool = False
    """Whether what is often taken next is looked at too."""

    def __str__(self) -> str:
        near = "the cosine of their users" if self.ridge is None else f"a linear map of ridge {self.ridge:g}"
        return f"{near}, and followers" if self.follows else near


def nearest(config: ModelConfig, dataset: Dataset, nearness: Nearness) -> Neighbours:
    """Each item's nearest; none where nobody asks for them, or the catalogue is too large to look through."""
    n_items = dataset.n_items
    if not _are_asked(config, n_items):
        return Neighbours.none(n_items)
    most, size = min(config.neighbours, max(n_items - 1, 1)), (dataset.n_users, n_items)
    if nearness.ridge is None:
        return Neighbours.of(*ItemKNN(dataset.events, *size, neighbours=most).table())
    return Neighbours.of(*EDLAE(dataset.events, *size, ridge=nearness.ridge, dropout=_DROPOUT).table(most))


def related(config: ModelConfig, dataset: Dataset, nearness: Nearness) -> Related:
    """Each item's nearest, and what is often taken soon after it, where that was chosen."""
    near = nearest(config, dataset, nearness)
    return Related(near, _followers(config, dataset) if nearness.follows else Neighbours.none(dataset.n_items))


def _followers(config: ModelConfig, dataset: Dataset) -> Neighbours:
    rules = SequentialRules(dataset.events, dataset.n_users, dataset.n_items, half_life_events=HALF_LIFE)
    return Neighbours.of(*rules.table(min(config.neighbours, max(dataset.n_items - 1, 1))), HALF_LIFE)


def chosen_related(config: ModelConfig, dataset: Dataset, judge: Judge) -> tuple[Nearness, Related]:
    """With the neighbours that alone make the best lists for validation, cosines unless another is clearly better.

    And with followers where their lists are no worse than the neighbours': where they are, as on ml1m-global-time (.047
    beside .066), the order of events says little of what is wanted, and the ranker learnt from them in vain (re-ranked
    candidates of the later slice .295 with them, .310 without).
    """
    asked, n_items = judge.requests, dataset.n_items

    def score(table: Neighbours) -> float:
        return judge.of(nearest_said(table, asked.history, asked.offsets, asked.seen, judge.k))

    is_followed = config.follower_candidates > 0 and n_items - 1 <= _MOST_FOLLOWED
    tried = [Nearness()]
    if _are_asked(config, n_items) and n_items - 1 <= _MOST_SOLVED:
        tried += [Nearness(ridge) for ridge in _RIDGES]
    found = {one: nearest(config, dataset, one) for one in tried}
    scores = {one: score(near) for one, near in found.items()} if len(tried) > 1 or is_followed else {}
    chosen = max(tried[1:], key=scores.__getitem__, default=tried[0])
    if len(tried) > 1 and not scores[chosen] > _CLEAR * scores[tried[0]]:
        chosen = tried[0]
    followers = _followers(config, dataset) if is_followed else Neighbours.none(n_items)
    if not is_followed or score(followers) < scores[chosen]:
        return chosen, Related(found[chosen], Neighbours.none(n_items))
    return replace(chosen, follows=True), Related(found[chosen], followers)


def _are_asked(config: ModelConfig, n_items: int) -> bool:
    return config.neighbour_candidates > 0 and n_items - 1 <= _MOST_NEIGHBOURED
