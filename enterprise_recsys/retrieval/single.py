"""SingleEvents: each event is learnt by itself, from the past of its user, among items drawn for the batch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from enterprise_recsys.choice import pick
from enterprise_recsys.data.having import histories_of_had, holds_hints
from enterprise_recsys.data.visits import begun
from enterprise_recsys.records import USER_ID, Ints
from enterprise_recsys.retrieval.lessons import Learnt, Material, Step
from enterprise_recsys.retrieval.losses import LOSSES
from enterprise_recsys.retrieval.negatives import SAMPLERS


class SingleEvents:
    """Lessons of one event an example; see `Lessons`."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self._loss = pick(LOSSES, material.config.retrieval_loss, what="retrieval_loss")
        self._sample = pick(SAMPLERS, material.config.negative_sampling_strategy, what="negative_sampling_strategy")
        events = material.dataset.events
        # A list is asked for when a visit opens, and knows nothing of the views that the visit's buy will follow.
        is_before_visit = holds_hints(events) and material.config.aim != "next"
        times = begun(events.users, events.times) if is_before_visit else events.times
        self._ends = material.histories.ends(events.users, times)
        self._had = histories_of_had(events, material.histories, material.dataset.n_users, is_cut=False)
        self._places = torch.full((material.dataset.n_items,), -1, dtype=torch.int64)

    @property
    def size(self) -> int:
        """Events of an epoch."""
        return len(self.material.examples)

    def steps(self) -> Iterator[Step]:
        """One epoch's steps, in a random order."""
        order = self.material.examples[torch.randperm(self.size).numpy(force=True)]
        for begin in range(0, len(order), self.material.config.batch_size):
            index = order[begin : begin + self.material.config.batch_size]
            yield len(index), partial(self.learn, index)

    def learn(self, index: Ints) -> Learnt:
        """The mean loss of a batch of events, by their places in the log."""
        config, events = self.material.config, self.material.dataset.events
        users, targets = events.users[index], torch.as_tensor(events.items[index])
        queries = self.queries(index)
        negatives = self._sample(
            self.material.popularity,
            count=config.negatives,
            hard_share=config.hard_share,
        )
        distinct, inverse = torch.unique(torch.cat([targets, negatives.rows]), return_inverse=True)
        vectors = self.material.vectors(distinct)[inverse]
        positive = (queries * vectors[: len(index)]).sum(dim=1) / self.material.temperature
        negative = queries @ vectors[len(index) :].T / self.material.temperature
        negative = negative.masked_fill(self.hits(users, targets, negatives.rows), float("-inf"))
        weights = torch.as_tensor(events.weights[index])
        loss = (self._loss(positive, negative, negatives.log_q) * weights).sum() / weights.sum().clamp(min=1e-9)
        return Learnt(loss, index, queries)

    def queries(self, index: Ints) -> Tensor:
        """The user vectors [B, D] of events, each from what lay before its event."""
        config, model, histories = self.material.config, self.material.model, self.material.histories
        users = self.material.dataset.events.users[index]
        ends = self._ends[index]
        if model.training and config.history_cut > 0:
            # A list is meant for weeks, not for the next click: learn from the past as it stood some time ago too.
            starts, share = histories.starts[users], torch.rand(2, len(users)).numpy(force=True)
            cut = starts + np.floor(share[0] * (ends - starts + 1)).astype(np.int64)
            ends = np.where(share[1] < config.history_cut, cut, ends)
        length = max(histories.reach(users, ends, config.ordered_length), 1)
        history = torch.as_tensor(histories.last(users, ends, length))
        rows = torch.as_tensor(users)
        columns = {name: column[rows] for name, column in self.material.users.items()}
        if model.training and config.history_dropout > 0:
            hidden = torch.rand(len(rows)) < config.history_dropout
            history = history.masked_fill(hidden.unsqueeze(1), 0)
            columns = {**columns, USER_ID: columns[USER_ID].masked_fill(hidden, 0)}
        return model.users(columns, history, None)

    def hits(self, users: Ints, targets: Tensor, rows: Tensor) -> Tensor:
        """[B, N] where a negative is something that the user had at some time in training (or the target itself)."""
        mask = targets.unsqueeze(1) == rows.unsqueeze(0)
        histories = self._had
        starts, ends = histories.starts[users], histories.starts[users + 1]
        lengths = np.where(users > 0, ends - starts, 0)
        owner = np.repeat(np.arange(len(users)), lengths)
        places = np.arange(lengths.sum()) + np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        taken = torch.as_tensor(histories.items[places])
        # One place per drawn row is enough to find it; a row drawn twice is masked through its twin below.
        self._places[rows] = torch.arange(len(rows))
        place = self._places[taken]
        found = place >= 0
        first = torch.zeros_like(mask)
        first[torch.as_tensor(owner)[found], place[found]] = True
        mask |= first[:, self._places[rows]]
        self._places[rows] = -1
        return mask
