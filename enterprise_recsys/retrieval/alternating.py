"""Alternating: users are found from what they took, then the items take a step; in no order and among all items."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from enterprise_recsys.devices import bfloat16_pays, place_of, scores_at_once
from enterprise_recsys.records import Ints
from enterprise_recsys.retrieval.fold_in import Crowd, FoldIn
from enterprise_recsys.retrieval.lessons import Learnt, Material, Step, by_user, step_size
from enterprise_recsys.retrieval.losses import Hits, exact_softmax, is_exact

_PASSES = 4
"""Times that each user comes in an epoch: a pass is quick, and validation is not."""
_WIDER, _STEPS = 4, 8
"""Steps are this many times as large as `batch_size` says, while a pass has so many of them: with few users a step
pushes all other items away from theirs alone."""


class Alternating:
    """Lessons of one user an example; see `Lessons`.

    The likelihood of all that a user took is that of matrix factorisation with a softmax over the catalogue. A user's
    vector is not learnt: it is what `FoldIn` makes of these same events and the items as they are. So users are at
    their best for the items in each step, as in alternating least squares, and only the items have a gradient; what
    users are before anything is known has one from those whose events are hidden.
    """

    def __init__(self, material: Material) -> None:
        self.material = material
        events = material.dataset.events
        self._order, self._starts = by_user(material.dataset)
        self._items = events.items[self._order]
        counts = np.bincount(self._items, minlength=material.dataset.n_items).astype(np.float32)
        self._shares = torch.as_tensor(counts / max(float(counts.sum()), 1.0))
        self._weights = np.where(events.relevant, events.weights, 0.0)[self._order].astype(np.float32)
        self._is_half = bfloat16_pays(place_of(material.model))

    @property
    def size(self) -> int:
        """Events of an epoch, those that are no success included: users are found from them too."""
        return len(self._order)

    def steps(self) -> Iterator[Step]:
        """One epoch's steps, in a random order: users with about as many events in all."""
        generator = np.random.default_rng(int(torch.randint(2**62, (), device="cpu")))
        counts = np.diff(self._starts)
        most = step_size(int(counts.sum()), _WIDER * self.material.config.batch_size, steps=_STEPS)
        for _ in range(_PASSES):
            users = generator.permutation(np.flatnonzero(counts))
            ends = np.cumsum(counts[users])
            groups = np.split(users, np.flatnonzero(np.diff(ends // most)) + 1)
            for group in groups:
                yield int(counts[group].sum()) // _PASSES, partial(self.learn, group, generator)

    def learn(self, users: Ints, generator: np.random.Generator) -> Learnt:
        """The mean loss of some users, each found from what they took, or by nothing."""
        model, weights = self.material.model, self._weights
        assert isinstance(model.history, FoldIn)
        owners, places = self.events_of(users)
        hidden = torch.as_tensor(generator.random(len(users)) < self.material.config.history_dropout).unsqueeze(1)
        rows, log_share = self._rows(self._items[places])
        vectors = self.material.vectors(rows)
        items, of = torch.searchsorted(rows, torch.as_tensor(self._items[places])), torch.as_tensor(owners)
        columns = {name: self.material.users[name][torch.as_tensor(users)] for name in model.user_names}
        begin = model.begin(columns, len(users))
        with torch.no_grad():
            sums = torch.zeros(len(users), vectors.shape[1]).index_add(0, of, vectors[items])
            sizes = torch.bincount(of, minlength=len(users)).unsqueeze(1)
            crowd = Crowd(vectors[1:], None if log_share is None else -log_share[1:])
            climb = model.history.climb
            # Some at a time, as in the softmax: many users of few events are not held together.
            some = max(scores_at_once(vectors.device) // len(crowd.vectors), 32)
            parts = [slice(first, first + some) for first in range(0, len(users), some)]
            found = torch.cat([climb(begin[part], sums[part], sizes[part], crowd) for part in parts])
        queries = torch.where(hidden, begin, found)
        asking = queries / self.material.temperature
        sought = torch.as_tensor(np.flatnonzero(weights[places] > 0))
        weight = torch.as_tensor(weights[places])[sought]
        hits = Hits(of[sought], items[sought] - 1, weight / weight.sum().clamp(min=1e-9))
        if log_share is not None:
            # A column of ones meets what each item's chance to be among the drawn takes from its score.
            asking = torch.cat([asking, torch.ones(len(users), 1)], dim=1)
            vectors = torch.cat([vectors, -log_share.unsqueeze(1)], dim=1)
        loss = exact_softmax(asking, vectors[1:], hits, is_half=self._is_half)
        return Learnt(loss, self._order[places[sought.numpy(force=True)]], queries[of[sought]])

    def events_of(self, users: Ints) -> tuple[Ints, Ints]:
        """The events of users: whose each is [E], and their grouped places [E]."""
        counts = np.diff(self._starts)[users]
        owners = np.repeat(np.arange(len(users)), counts)
        places = np.arange(len(owners)) + np.repeat(self._starts[users] - np.cumsum(counts) + counts, counts)
        return owners, places

    def _rows(self, items: Ints) -> tuple[Tensor, Tensor | None]:
        """The items whose vectors a step needs, row 0 first; and the log of each one's chance to be among them."""
        n_items, config = self.material.dataset.n_items, self.material.config
        if is_exact(n_items - 1, _PASSES * self.material.dataset.n_users):
            return torch.arange(n_items), None
        popularity, nothing = self.material.popularity, torch.zeros(1, dtype=torch.int64)
        even = popularity.even(config.negatives)
        rows = torch.unique(torch.cat([nothing, torch.as_tensor(items), even]))
        expected = len(items) * self._shares[rows] + len(even) / (n_items - 1)
        return rows, torch.log1p(-torch.exp(-expected)).clamp(min=-20.0)
