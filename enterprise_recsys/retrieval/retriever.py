"""Retriever: learns the two towers; exports item vectors and the query encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.histories import Histories
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import DataError
from enterprise_recsys.layers import export_onnx
from enterprise_recsys.loop import Fit, Plan, run
from enterprise_recsys.records import USER_ID, Columns, Dataset, Floats, Ints
from enterprise_recsys.retrieval.losses import LOSSES
from enterprise_recsys.retrieval.negatives import SAMPLERS, Popularity
from enterprise_recsys.retrieval.towers import TwoTower


def tensors(columns: Columns) -> dict[str, Tensor]:
    """Columns as tensors that share their memory."""
    return {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in columns.items()}


class Retriever:
    """Two towers and how they are taught.

    Args:
        processor: fitted on the log that `fit` will see.
        config: the dials.
        dataset: the encoded training log.

    Raises:
        DataError: the log has no relevant event.
    """

    def __init__(self, processor: DataProcessor, config: ModelConfig, dataset: Dataset) -> None:
        self.config = config
        self._loss = pick(LOSSES, config.retrieval_loss, what="retrieval_loss")
        self._sample = pick(SAMPLERS, config.negative_sampling_strategy, what="negative_sampling_strategy")
        events = dataset.events
        self.examples = np.flatnonzero(events.relevant & (events.items > 0))
        if len(self.examples) == 0:
            raise DataError(
                f"none of the {len(events)} training events is relevant; see positive_rating "
                f"({config.positive_rating}) and positive_event_types ({config.positive_event_types})."
            )
        self.dataset = dataset
        histories = Histories(events.users, events.items, events.times, dataset.n_users)
        self._histories = histories
        self._ends = histories.ends(events.users, events.times)
        self._user_columns, self._item_columns = tensors(dataset.users), tensors(dataset.items)
        counts = np.bincount(events.items[self.examples], minlength=dataset.n_items).astype(np.float32)
        counts[0] = 0.0
        self.popularity = Popularity(torch.from_numpy(counts / counts.sum()))
        self._places = torch.full((dataset.n_items,), -1, dtype=torch.int64)
        torch.manual_seed(config.seed)
        self.model = TwoTower(processor, config)

    def fit(self, plan: Plan, *, validate: Callable[[], float] | None = None) -> Fit:
        """Train the towers; see `loop.run`."""
        torch.manual_seed(self.config.seed + 1)
        return run(self.model, self.steps, len(self.examples), plan, validate=validate)

    def steps(self) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        """One epoch's steps, in a random order."""
        for index in self.batches():
            yield len(index), lambda index=index: self.loss(index)  # type: ignore[misc]

    def batches(self) -> Iterator[Ints]:
        """Positions of events, a batch at a time, in a random order."""
        order = self.examples[torch.randperm(len(self.examples)).numpy()]
        for begin in range(0, len(order), self.config.batch_size):
            yield order[begin : begin + self.config.batch_size]

    def loss(self, index: Ints) -> Tensor:
        """The mean loss [] of a batch of events."""
        events = self.dataset.events
        users, targets = events.users[index], torch.from_numpy(events.items[index])
        queries = self.queries(index)
        negatives = self._sample(
            self.popularity,
            count=self.config.negatives,
            hard_share=self.config.hard_share,
            generator=torch.default_generator,
        )
        rows = torch.cat([targets, negatives.rows])
        distinct, inverse = torch.unique(rows, return_inverse=True)
        vectors = self.model.items({name: column[distinct] for name, column in self._item_columns.items()})[inverse]
        positive = (queries * vectors[: len(index)]).sum(dim=1) / self.config.temperature
        negative = queries @ vectors[len(index) :].T / self.config.temperature
        negative = negative.masked_fill(self._hits(users, targets, negatives.rows), float("-inf"))
        weights = torch.from_numpy(events.weights[index])
        return (self._loss(positive, negative, negatives.log_q) * weights).sum() / weights.sum().clamp(min=1e-9)

    def queries(self, index: Ints) -> Tensor:
        """The user vectors [B, D] of events, each from what lay before its event."""
        users = self.dataset.events.users[index]
        ends = self._ends[index]
        if self.model.training and self.config.history_cut > 0:
            # A list is meant for weeks, not for the next click: learn from the past as it stood some time ago too.
            starts, share = self._histories.starts[users], torch.rand(2, len(users)).numpy()
            cut = starts + np.floor(share[0] * (ends - starts + 1)).astype(np.int64)
            ends = np.where(share[1] < self.config.history_cut, cut, ends)
        history = torch.from_numpy(self._histories.last(users, ends, self.config.history_length))
        rows = torch.from_numpy(users)
        if self.model.training and self.config.history_dropout > 0:
            hidden = torch.rand(len(rows)) < self.config.history_dropout
            history = history.masked_fill(hidden.unsqueeze(1), 0)
            columns = {name: column[rows] for name, column in self._user_columns.items()}
            return self.model.users({**columns, USER_ID: columns[USER_ID].masked_fill(hidden, 0)}, history)
        return self.model.users({name: column[rows] for name, column in self._user_columns.items()}, history)

    def scores(self, index: Ints, rows: Tensor) -> Tensor:
        """Cosines [B, K] of events' users with item rows [B, K], without a gradient."""
        with torch.no_grad():
            vectors = self.model.items({name: column[rows.ravel()] for name, column in self._item_columns.items()})
            return torch.einsum("bd,bkd->bk", self.queries(index), vectors.view(*rows.shape, -1))

    def _hits(self, users: Ints, targets: Tensor, rows: Tensor) -> Tensor:
        """[B, N] where a negative is something that the user took at some time in training (or the target itself)."""
        mask = targets.unsqueeze(1) == rows.unsqueeze(0)
        starts, ends = self._histories.starts[users], self._histories.starts[users + 1]
        lengths = np.where(users > 0, ends - starts, 0)
        owner = np.repeat(np.arange(len(users)), lengths)
        places = np.arange(lengths.sum()) + np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        taken = torch.from_numpy(self._histories.items[places])
        # One place per drawn row is enough to find it; a row drawn twice is masked through its twin below.
        self._places[rows] = torch.arange(len(rows))
        place = self._places[taken]
        found = place >= 0
        first = torch.zeros_like(mask)
        first[torch.from_numpy(owner)[found], place[found]] = True
        mask |= first[:, self._places[rows]]
        self._places[rows] = -1
        return mask

    def encode(self, columns: Columns, history: Ints, *, chunk: int = 4096) -> Floats:
        """Query vectors [B, D] of requests (learning's side of the engine's encoder)."""
        self.model.eval()
        out = []
        with torch.no_grad():
            for begin in range(0, len(history), chunk):
                part = {name: column[begin : begin + chunk] for name, column in columns.items()}
                out.append(self.model.users(tensors(part), torch.from_numpy(history[begin : begin + chunk])).numpy())
        return np.concatenate(out) if out else np.zeros((0, self.config.user_tower_dims[-1]), dtype=np.float32)

    def item_vectors(self, *, chunk: int = 8192) -> Floats:
        """Unit vectors [I, D] of the catalogue; row 0 is all zeros."""
        self.model.eval()
        out = []
        with torch.no_grad():
            for begin in range(0, self.dataset.n_items, chunk):
                part = {name: column[begin : begin + chunk] for name, column in self._item_columns.items()}
                out.append(self.model.items(part).numpy())
        vectors = np.concatenate(out)
        vectors[0] = 0.0
        return vectors

    def export(self, path: Path) -> None:
        """Write the query encoder as ONNX: inputs `history` and the user columns, output `vectors` [B, D]."""
        names = self.model.user_embedding.names
        history = torch.zeros((2, self.config.history_length), dtype=torch.int64)
        inputs = {"history": history, **{name: self._user_columns[name][:1].repeat_interleave(2, 0) for name in names}}
        export_onnx(_Query(self.model, names), inputs, ["vectors"], path)

    def export_items(self, path: Path) -> None:
        """Write the item encoder, for items yet to come: inputs are the item columns, output `vectors` [R, D]."""
        names = self.model.item_embedding.names
        inputs = {name: self._item_columns[name][:1].repeat_interleave(2, 0) for name in names}
        export_onnx(_Item(self.model, names), inputs, ["vectors"], path)


class _Query(nn.Module):
    """The user tower with its inputs in a fixed order, as ONNX wants them."""

    def __init__(self, model: TwoTower, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, history: Tensor, *columns: Tensor) -> Tensor:
        return self.model.users(dict(zip(self.names, columns, strict=True)), history)


class _Item(nn.Module):
    """The item tower with its inputs in a fixed order."""

    def __init__(self, model: TwoTower, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, first: Tensor, *further: Tensor) -> Tensor:
        return self.model.items(dict(zip(self.names, (first, *further), strict=True)))
