"""Retrievers side by side: each is taught alone, and their vectors stand beside each other in one index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from enterprise_recsys.records import Columns, Dataset, Floats, Ints
from enterprise_recsys.retrieval.exporting import export_items, export_queries
from enterprise_recsys.retrieval.retriever import Retriever


class Retrieval(Protocol):
    """What was taught, ready for export: a `Retriever`, or several `Beside` each other."""

    dataset: Dataset

    @property
    def compared(self) -> int:
        """Entries of an item's vector, the first ones, that items are compared with one another by.

        What lifts short vectors to length 1 is not among them (see `TwoTower.lift`), and of several parts the first one
        counts.
        """

    def encode(self, columns: Columns, history: Ints) -> Floats:
        """Unit query vectors [B, D] of requests."""

    def item_vectors(self) -> Floats:
        """Unit vectors [I, D] of the catalogue; row 0 is all zeros."""

    def export(self, path: Path) -> None:
        """Write the query encoder as ONNX."""

    def export_items(self, path: Path) -> None:
        """Write the item encoder as ONNX."""


class Beside:
    """Several retrievers as one: its vectors are theirs in a row, so that its cosine is the mean of their cosines.

    One that goes by the order of the past and one that does not err on different items. They meet in a dot product all
    the same, and one search finds the items.

    Args:
        parts: taught on the same log.
    """

    def __init__(self, parts: Sequence[Retriever]) -> None:
        self.parts, self.dataset = tuple(parts), parts[0].dataset

    @property
    def compared(self) -> int:
        """See `Retrieval.compared`."""
        return self.parts[0].compared

    def encode(self, columns: Columns, history: Ints) -> Floats:
        """Unit query vectors [B, D] of requests; D is the sum of the parts' widths."""
        return in_a_row([part.encode(columns, history) for part in self.parts])

    def item_vectors(self) -> Floats:
        """Unit vectors [I, D] of the catalogue; row 0 is all zeros."""
        return in_a_row([part.item_vectors() for part in self.parts])

    def export(self, path: Path) -> None:
        """Write the query encoder as ONNX; see `Retriever.export`."""
        export_queries([part.exported() for part in self.parts], path)

    def export_items(self, path: Path) -> None:
        """Write the item encoder as ONNX; see `Retriever.export_items`."""
        export_items([part.exported() for part in self.parts], path)


def in_a_row(vectors: Sequence[Floats]) -> Floats:
    """Unit vectors [N, D_p] of several parts -> unit vectors [N, sum of D_p]."""
    row: Floats = np.concatenate(vectors, axis=1) / np.float32(np.sqrt(len(vectors)))
    return row
