"""Towers as ONNX: one or several side by side become one query encoder and one item encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from enterprise_recsys.devices import on_cpu
from enterprise_recsys.layers import export_onnx
from enterprise_recsys.records import HISTORY_AGE
from enterprise_recsys.retrieval.towers import TwoTower


@dataclass(frozen=True)
class Exported:
    """What is written of two towers.

    Attributes:
        model: the towers.
        table: [I, W] what stands for each item in a history.
        users, items: some lines of the static columns, for the shapes.
        length: of the longest history.
    """

    model: TwoTower
    table: Tensor
    users: Mapping[str, Tensor]
    items: Mapping[str, Tensor]
    length: int


def export_queries(parts: Sequence[Exported], path: Path) -> None:
    """Write the query encoder: inputs `history` [B, L] and the user columns, output `vectors` [B, D].

    Any L is taken, so that a short past costs little. Where a tower is timed, `history_age_s` [B, L] is among the
    columns.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    names = list(dict.fromkeys(name for part in parts for name in part.model.user_names))
    # Three places stand for any number.
    history = torch.zeros((2, min(parts[0].length, 3)), dtype=torch.int64)
    inputs = {"history": history, **_two_rows(parts[0].users, names)}
    if any(part.model.is_timed for part in parts):
        names, inputs[HISTORY_AGE] = [*names, HISTORY_AGE], torch.zeros_like(history)
    # The exporter takes a size of 1 for a constant.
    free = {name: "past" for name in ("history", HISTORY_AGE) if name in inputs and history.shape[1] > 1}
    export_onnx(_Query(parts, names), inputs, ["vectors"], path, second=free)


def export_items(parts: Sequence[Exported], path: Path) -> None:
    """Write the item encoder, for items yet to come: inputs are the item columns, output `vectors` [R, D].

    Raises:
        MissingExtraError: onnx is not installed.
    """
    names = list(dict.fromkeys(name for part in parts for name in part.model.item_names))
    export_onnx(_Item(parts, names), _two_rows(parts[0].items, names), ["vectors"], path)


def _two_rows(columns: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    return {name: columns[name][:1].repeat_interleave(2, 0).cpu() for name in names}


class _Query(nn.Module):
    """The user towers with their inputs in a fixed order, as ONNX wants them."""

    def __init__(self, parts: Sequence[Exported], names: Sequence[str]) -> None:
        super().__init__()
        self.models, self.names = nn.ModuleList(on_cpu(part.model) for part in parts), names
        for place, part in enumerate(parts):
            self.register_buffer(f"table_{place}", part.table.cpu())

    def forward(self, history: Tensor, *columns: Tensor) -> Tensor:
        told = dict(zip(self.names, columns, strict=True))
        return _in_a_row(
            [
                model.meet(model.users(told, history, getattr(self, f"table_{place}")))  # type: ignore[operator]
                for place, model in enumerate(self.models)
            ]
        )


class _Item(nn.Module):
    """The item towers with their inputs in a fixed order."""

    def __init__(self, parts: Sequence[Exported], names: Sequence[str]) -> None:
        super().__init__()
        self.models, self.names = nn.ModuleList(on_cpu(part.model) for part in parts), names

    def forward(self, first: Tensor, *further: Tensor) -> Tensor:
        told = dict(zip(self.names, (first, *further), strict=True))
        return _in_a_row([model.lift(model.items(told)) for model in self.models])  # type: ignore[operator]


def _in_a_row(vectors: Sequence[Tensor]) -> Tensor:
    """Unit vectors [N, D_p] of several parts -> unit vectors [N, sum of D_p]; see `beside.in_a_row`."""
    return vectors[0] if len(vectors) == 1 else torch.cat(list(vectors), dim=1) / len(vectors) ** 0.5
