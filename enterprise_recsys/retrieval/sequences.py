"""Sequences: whole histories are learnt at once, at each place the item that came next, among all items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from enterprise_recsys.choice import pick
from enterprise_recsys.data.having import holds_hints
from enterprise_recsys.data.visits import success_after
from enterprise_recsys.devices import bfloat16_pays, place_of
from enterprise_recsys.records import Ints
from enterprise_recsys.retrieval.history import Sequential
from enterprise_recsys.retrieval.lessons import Learnt, Material, Step, by_user, step_size
from enterprise_recsys.retrieval.losses import Drawn, Hits, drawn_softmax, exact_softmax, meetings
from enterprise_recsys.retrieval.negatives import SAMPLERS, Negatives

_STEPS = 64
"""Steps of an epoch, at least, where the log has the events for it."""
_BLUR = 0.15
"""A batch holds windows of about one length, and not the same ones in every epoch: lengths are blurred so much."""
_ALL = 2
"""Items up to which a step looks at the whole catalogue, for each drawn one that it would have in its place.

Beyond, drawn ones are as good: the best of six epochs on ml-1m (3,706 items), two seeds each, is .2837 and .2848 by
NDCG@10 on validation, at 9,000 and 20,000 events a second.
"""
_UNTOLD = 0.5
"""Share of windows whose gaps are not told, lest the items go unheard where times come to mean something else.

Validation on ml-100k is .3546 with all told and .3561 with half; on ml1m-temporal90 .120 and .116 after nine epochs.
"""


@dataclass(frozen=True)
class Windows:
    """Runs of events that follow one another in their users' histories: begins to ends - 1 [W], grouped places.

    What is looked for are the events begins + 1 to ends, each by those before it, and the window as a whole by nothing.
    """

    begins: Ints
    ends: Ints

    def __len__(self) -> int:
        return len(self.begins)


def windows(starts: Ints, longest: int, generator: np.random.Generator) -> Windows:
    """Cut histories into windows, so that every event but a user's first is looked for exactly once.

    A history that is longer than a window is cut anew each time: the first window has a random length, and each further
    one begins with the event that the one before ended in looking for.

    Args:
        starts: [U+1] user u owns the grouped events starts[u] to starts[u+1].
        longest: events of a window, at most.
        generator: draws the first cuts.
    """
    counts = np.diff(starts)
    owners = np.flatnonzero(counts > 0)
    looked = counts[owners] - 1  # the last event is only ever looked for
    first = np.where(looked > longest, generator.integers(1, longest + 1, len(owners)), looked)
    pieces = 1 + -(-(looked - first) // longest)
    place = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    start, looked, first = (np.repeat(one, pieces) for one in (starts[owners], looked, first))
    begins = np.where(place == 0, 0, first + (place - 1) * longest)
    return Windows(start + begins, start + np.minimum(first + place * longest, looked))


class Sequences:
    """Lessons of one window an example; see `Lessons`.

    The start of each window, which knows nothing, learns an event of it drawn anew each time: what people (of the same
    features) take, which is the answer for a user without a past.
    """

    def __init__(self, material: Material) -> None:
        assert isinstance(material.model.history, Sequential)
        self.material, self._history = material, material.model.history
        config, events = material.config, material.dataset.events
        self._order, self._starts = by_user(material.dataset)
        self._items = torch.as_tensor(events.items[self._order])
        self._users = torch.as_tensor(events.users[self._order])
        self._seconds = torch.as_tensor(events.times[self._order] // 1_000_000)
        if material.model.gaps is not None:
            is_same = torch.as_tensor(np.diff(events.users[self._order]) == 0)
            material.model.gaps.keep_to(torch.diff(self._seconds)[is_same])
        weights = np.where(events.relevant, events.weights, 0.0).astype(np.float32)
        self._weights = torch.as_tensor(weights[self._order])
        self._sample = pick(SAMPLERS, config.negative_sampling_strategy, what="negative_sampling_strategy")
        self._after = self._next()
        self._is_half = bfloat16_pays(place_of(material.model))

    def _next(self) -> Tensor:
        """[E] the grouped place of what is looked for after each event: the next one; -1: nothing.

        Where some events are hints it is, after each visit, the first success of a later one. The buy of a thing that
        was looked at a moment ago would teach that the next thing is the last one.
        """
        events, size = self.material.dataset.events.take(self._order), len(self._order)
        if holds_hints(events) and self.material.config.aim != "next":
            return torch.as_tensor(success_after(events.users, events.times, events.relevant))
        return torch.arange(1, size + 1).clamp(max=max(size - 1, 0))

    @property
    def size(self) -> int:
        """Events of an epoch, about, those that are no success included: they are looked at too."""
        return len(self._order)

    def steps(self) -> Iterator[Step]:
        """One epoch's steps, in a random order: windows of about one length, about `batch_size` places in all."""
        generator = np.random.default_rng(int(torch.randint(2**62, (), device="cpu")))
        cut = windows(self._starts, self.material.config.ordered_length, generator)
        lengths = cut.ends - cut.begins + 1
        order = np.argsort(lengths + generator.random(len(cut)) * (2.0 + _BLUR * lengths))
        most = step_size(self.size, self.material.config.batch_size, steps=_STEPS)
        groups, begin, longest = [], 0, 0
        for place, length in enumerate(lengths[order].tolist()):
            longest = max(longest, length)
            if place > begin and longest * (place + 1 - begin) > most:
                groups.append(order[begin:place])
                begin, longest = place, length
        groups.append(order[begin:])
        for chosen in generator.permutation(len(groups)):
            part = Windows(cut.begins[groups[chosen]], cut.ends[groups[chosen]])
            drawn = generator.integers(part.begins, part.ends + 1)
            yield int(lengths[groups[chosen]].sum()), partial(self.learn, part, drawn)

    def learn(self, part: Windows, drawn: Ints) -> Learnt:
        """The mean loss of some windows, each with the event drawn for its start."""
        looked_at, looked_for, weights = self.places(part, drawn)
        learnt = weights > 0
        if not learnt.any():
            nothing = self.material.vectors(looked_for[learnt])
            return Learnt(nothing.sum(), np.zeros(0, dtype=np.int64), nothing)
        targets = self._items[looked_for[learnt]]
        rows, negatives = self._rows(self._items[looked_at], targets)
        vectors = self.material.vectors(rows)
        self.material.model.note(vectors)
        past = functional.embedding(torch.searchsorted(rows, self._items[looked_at]), vectors)
        if self.material.model.gaps is not None:
            is_told = torch.rand(len(past), 1, 1) >= _UNTOLD
            past = past + self.material.model.gaps(self._gaps(part, looked_at)) * is_told
        queries = self._states(past, part, learnt)
        weights = weights[learnt] / weights[learnt].sum()
        if negatives is None:
            hits = Hits(torch.arange(len(targets)), targets - 1, weights)
            loss = exact_softmax(queries, vectors[1:], hits, is_half=self._is_half)
        else:
            both = functional.embedding(torch.searchsorted(rows, torch.cat([targets, negatives.rows])), vectors)
            true = both[: len(targets)]
            crowd = Drawn(both[len(targets) :], negatives.log_q, meetings(targets, negatives.rows))
            loss = drawn_softmax(queries, true, crowd, weights, is_half=self._is_half)
        return Learnt(loss, self._order[looked_for[learnt].numpy(force=True)], queries)

    def places(self, part: Windows, drawn: Ints) -> tuple[Tensor, Tensor, Tensor]:
        """The grouped places [W, T] of what is looked at, and [W, T+1] of what is looked for, with its weights.

        Holes stand on the right; what is looked for there weighs 0.
        """
        lengths = torch.as_tensor(part.ends - part.begins).unsqueeze(1)
        steps = torch.arange(int(lengths.max()) + 1)
        looked_for = torch.as_tensor(part.begins).unsqueeze(1) + steps
        inside = steps <= lengths
        looked_for = torch.where(inside, looked_for, 0)
        looked_at = looked_for[:, :-1]
        looked_for = torch.cat([torch.as_tensor(drawn).unsqueeze(1), self._after[looked_at]], dim=1)
        inside &= looked_for >= 0
        looked_for = torch.where(inside, looked_for, 0)
        return looked_at, looked_for, self._weights[looked_for] * inside

    def _gaps(self, part: Windows, looked_at: Tensor) -> Tensor:
        """[W, T] seconds from what is looked at to what came next; 0 in holes."""
        inside = looked_at < torch.as_tensor(part.ends).unsqueeze(1)
        after = torch.where(inside, looked_at + 1, looked_at)
        return (self._seconds[after] - self._seconds[looked_at]).clamp(min=0)

    def _rows(self, items: Tensor, targets: Tensor) -> tuple[Tensor, Negatives | None]:
        """The items whose vectors a step needs, row 0 first, and the drawn ones where not all are needed."""
        n_items, config = self.material.dataset.n_items, self.material.config
        if n_items - 1 <= _ALL * config.negatives:
            return torch.arange(n_items), None
        negatives = self._sample(
            self.material.popularity,
            count=config.negatives,
            hard_share=config.hard_share,
        )
        return torch.unique(torch.cat([items.ravel(), targets, negatives.rows])), negatives

    def _states(self, vectors: Tensor, part: Windows, learnt: Tensor) -> Tensor:
        """[N, D] the user vectors at the places [W, T+1] that are learnt from."""
        states = self._history.states(vectors)[learnt]
        users = self._users[part.begins][learnt.nonzero()[:, 0]]
        columns = {name: self.material.users[name][users] for name in self.material.model.user_names}
        return self.material.model.finish(states, columns)
