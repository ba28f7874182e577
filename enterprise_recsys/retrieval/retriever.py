"""Retriever: learns the two towers; exports item vectors and the query encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.histories import Histories
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.devices import device_of, on
from enterprise_recsys.errors import DataError
from enterprise_recsys.loop import Fit, Plan, run
from enterprise_recsys.records import HISTORY_AGE, Columns, Dataset, Floats, Ints
from enterprise_recsys.retrieval.alternating import Alternating
from enterprise_recsys.retrieval.exporting import Exported, export_items, export_queries
from enterprise_recsys.retrieval.fold_in import FoldIn
from enterprise_recsys.retrieval.history import TEMPERATURES
from enterprise_recsys.retrieval.lessons import Lessons, Material, tensors
from enterprise_recsys.retrieval.negatives import Popularity
from enterprise_recsys.retrieval.sequences import Sequences
from enterprise_recsys.retrieval.single import SingleEvents
from enterprise_recsys.retrieval.towers import TwoTower

_PLACES_AT_ONCE, _MOST_AT_ONCE = 1 << 17, 512
"""Places of histories that are encoded together, whose vectors of 64 entries take 32 MB; and histories at most, since
'fold_in' holds scores of each against up to 4,096 items."""


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
        if config.temperature is None:
            config = config.model_copy(update={"temperature": TEMPERATURES[config.history][0]})
        self.config, self.dataset = config, dataset
        events = dataset.events
        self.examples = np.flatnonzero(events.relevant & (events.items > 0))
        if len(self.examples) == 0:
            raise DataError(
                f"none of the {len(events)} training events is relevant; see positive_rating "
                f"({config.positive_rating}) and positive_event_types ({config.positive_event_types})."
            )
        counts = np.bincount(events.items[self.examples], minlength=dataset.n_items).astype(np.float32)
        counts[0] = 0.0
        shares = torch.from_numpy(counts / counts.sum())
        self.device = device_of(config.device)
        torch.manual_seed(config.seed)
        # Drawn on the processor, so that a seed begins in the same place on every device.
        self.model = TwoTower(processor, config)
        if isinstance(self.model.history, FoldIn):
            self.model.history.draw_crowd(shares, torch.default_generator)
        self.model.to(self.device)
        with on(self.device):
            self.popularity = Popularity(torch.as_tensor(shares))
            self._material = Material(
                self.model,
                config,
                dataset,
                self.examples,
                Histories(events.users, events.items, events.times, dataset.n_users),
                tensors(dataset.users),
                tensors(dataset.items),
                self.popularity,
            )
            self.lessons: Lessons = LESSONS[config.history](self._material)

    def fit(self, plan: Plan, *, validate: Callable[[], float] | None = None) -> Fit:
        """Train the towers; see `loop.run`."""
        torch.manual_seed(self.config.seed + 1)
        return run(self.model, self._steps, self.lessons.size, plan, validate=validate)

    def _steps(self) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        for size, learn in self.lessons.steps():
            yield size, lambda learn=learn: learn().loss  # type: ignore[misc]

    def scores(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Cosines [B, K] of user vectors [B, D] with item rows [B, K], without a gradient."""
        with torch.no_grad(), on(self.device):
            vectors = self.model.lift(self._material.vectors(rows.ravel()))
            return torch.einsum("bd,bkd->bk", self.model.meet(queries), vectors.view(*rows.shape, -1))

    @property
    def compared(self) -> int:
        """See `Retrieval.compared`."""
        return self.config.item_tower_dims[-1]

    def encode(self, columns: Columns, history: Ints) -> Floats:
        """Query vectors [B, D] of requests (learning's side of the engine's encoder)."""
        table = self._table()
        out = np.zeros((len(history), self.model.width_out), dtype=np.float32)
        # Short histories go together, so that their holes, which say nothing, need not be worked through.
        known = history > 0
        lengths = np.where(known.any(axis=1), history.shape[1] - known.argmax(axis=1), 0)
        order, begin = np.argsort(-lengths, kind="stable"), 0
        with torch.no_grad(), on(self.device):
            while begin < len(history):
                width = max(int(lengths[order[begin]]), 1)
                index = order[begin : begin + min(max(_PLACES_AT_ONCE // width, 1), _MOST_AT_ONCE)]
                begin += len(index)
                part = {name: column[index] for name, column in columns.items()}
                past = torch.as_tensor(history[index, -width:])
                if HISTORY_AGE in part:
                    part[HISTORY_AGE] = part[HISTORY_AGE][:, -width:]
                out[index] = self.model.meet(self.model.users(tensors(part), past, table)).numpy(force=True)
        return out

    def item_vectors(self) -> Floats:
        """Unit vectors [I, D] of the catalogue; row 0 is all zeros."""
        vectors: Floats = self.model.lift(self._raw()).numpy(force=True)
        vectors[0] = 0.0
        return vectors

    def _raw(self, *, chunk: int = 8192) -> Tensor:
        """The vectors [I, D] as the item side gives them, frozen."""
        self.model.eval()
        with torch.no_grad(), on(self.device):
            rows = torch.arange(self.dataset.n_items)
            parts = [rows[begin : begin + chunk] for begin in range(0, len(rows), chunk)]
            raw = torch.cat([self._material.vectors(part) for part in parts])
            self.model.note(raw)
            return raw

    def _table(self) -> Tensor:
        """What stands for each item in a history, frozen."""
        return self.model.item_table(self._raw()).detach()

    def export(self, path: Path) -> None:
        """Write the query encoder as ONNX; see `exporting.export_queries`."""
        export_queries([self.exported()], path)

    def export_items(self, path: Path) -> None:
        """Write the item encoder, for items yet to come, as ONNX; see `exporting.export_items`."""
        export_items([self.exported()], path)

    def exported(self) -> Exported:
        """What is written of the towers."""
        material = self._material
        return Exported(self.model, self._table(), material.users, material.items, self.config.history_length)


LESSONS: dict[str, Callable[[Material], Lessons]] = {
    "mean": SingleEvents,
    "attention": SingleEvents,
    "fold_in": Alternating,
    "transformer": Sequences,
    "gru": Sequences,
}
"""How the towers with each part of HISTORIES are taught."""
