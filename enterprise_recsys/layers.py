"""Plain torch bricks that both stages are built from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from enterprise_recsys.errors import MissingExtraError
from enterprise_recsys.rowwise import Table

_PIECES = 16
"""Ranges of a number that are told apart; 32 were no better, see "Which ranking network" in docs/choices.md."""
_TOGETHER = 2
"""Numbers of one product in an export; of 1 to 5 the quickest."""


class FeatureEmbedding(nn.Module):
    """A row of typed columns becomes one vector: rows embedded, vectors projected, numbers appended and embedded.

    Args:
        categories: name -> number of rows (row 0 = unseen); column int64 [R].
        lists: name -> number of rows; column int64 [R, M], 0 = empty place; the mean of its values' embeddings.
        numbers: names; column float32 [R].
        vectors: name -> numbers of each; column float32 [R, W]; a linear layer takes it to the width.
        width: width of each embedding; `widths` overrides it by name.
        number_width: width of the embedding that stands behind each number, see `PiecewiseLinear`; 0: none.
        id_dropout: share of the ids in `dropped` replaced by row 0 while training.
        id_scale: deviation of the first embeddings of the ids in `dropped`; 0: one that is hidden, or was never
            trained, says nothing.
    """

    def __init__(
        self,
        categories: Mapping[str, int],
        lists: Mapping[str, int],
        numbers: Sequence[str],
        width: int,
        *,
        vectors: Mapping[str, int] | None = None,
        widths: Mapping[str, int] | None = None,
        number_width: int = 0,
        dropped: Sequence[str] = (),
        id_dropout: float = 0.0,
        id_scale: float = 0.05,
    ) -> None:
        super().__init__()
        widths = widths or {}
        vectors = vectors or {}
        self.names = [*categories, *lists, *vectors, *numbers]
        self.numbers, self.dropped, self.id_dropout = list(numbers), set(dropped), id_dropout
        self.tables = nn.ModuleDict()
        for name, rows in {**categories, **lists}.items():
            is_silent = name in self.dropped and id_scale == 0.0
            table = Table(rows, widths.get(name, width), padding_idx=0 if is_silent else None)
            nn.init.normal_(table.weight, std=id_scale if name in self.dropped else 0.1)
            self.tables[name] = table
        self.lists = set(lists)
        # Without a bias, so that a missing vector, all zeros, says nothing.
        self.projections = nn.ModuleDict({name: nn.Linear(size, width, bias=False) for name, size in vectors.items()})
        self.curves = PiecewiseLinear(len(self.numbers), number_width) if number_width else None
        self.width_out = sum(self.width_of(name) for name in self.names)

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Columns [R, ...] -> [R, width_out]."""
        return self.embedded(columns, self.names)

    def width_of(self, name: str) -> int:
        """Numbers that one column becomes."""
        if name in self.numbers:
            return 1 if self.curves is None else 1 + self.curves.width
        part = self.projections[name] if name in self.projections else self.tables[name]
        return int(part.out_features if isinstance(part, nn.Linear) else torch.as_tensor(part.weight).shape[1])

    def embedded(
        self,
        columns: Mapping[str, Tensor],
        names: Sequence[str],
        means: Mapping[str, ListMean] | None = None,
        curves: nn.Module | None = None,
    ) -> Tensor:
        """Some columns, [...] or [..., M], as their part [..., W] of the vector; `names` in the order of the whole.

        Args:
            columns: by name.
            names: which.
            means: what stands in for some lists' tables, see `quick_means`.
            curves: what stands in for `curves`, see `BlockedCurves`.
        """
        means, curves = means or {}, curves or self.curves
        parts = [
            means[name](columns[name]) if name in means else self._one(name, columns[name])
            for name in names
            if name not in self.numbers
        ]
        numbers = [name for name in names if name in self.numbers]
        if numbers:
            plain = torch.stack([columns[name] for name in numbers], dim=-1)
            which = [self.numbers.index(name) for name in numbers]
            parts.append(plain if curves is None else curves(plain, which))
        return torch.cat(parts, dim=-1)

    def learn_ranges(self, columns: Mapping[str, Tensor]) -> None:
        """Take over from examples [R] between which values each number is told apart."""
        if self.curves is not None and self.numbers:
            self.curves.learn_ranges(torch.stack([columns[name].flatten() for name in self.numbers], dim=1))

    def quick_means(self) -> dict[str, ListMean]:
        """The lists' tables as they are now, for an export."""
        return {name: ListMean(torch.as_tensor(self.tables[name].weight)) for name in self.lists}

    def _one(self, name: str, column: Tensor) -> Tensor:
        if name in self.projections:
            return torch.as_tensor(self.projections[name](column))
        if name in self.lists:
            return masked_mean(self.tables[name](column), column)
        if self.training and self.id_dropout > 0 and name in self.dropped:
            column = torch.where(torch.rand(column.shape) < self.id_dropout, torch.zeros_like(column), column)
        return torch.as_tensor(self.tables[name](column))


class PiecewiseLinear(nn.Module):
    """Each number, and behind it a vector that is linear in it between quantiles: [..., N] -> [..., N * (1 + W)].

    A network of a few thousand steps bends little along a number of its own accord; here each of `_PIECES` ranges, of
    as many examples each, has a slope of its own. Beyond the lowest and the highest example nothing changes further.
    Source: Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS
    2022, arXiv:2203.05556, section 3.2 (quantiles, and a linear layer for each number).

    Args:
        numbers: N.
        width: W.
    """

    def __init__(self, numbers: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.randn(numbers, _PIECES, width) * 0.05)
        # One over the length of a range; 0 where many examples have one value, so that nothing is learnt of the range.
        self.starts, self.slopes = (nn.Buffer(torch.zeros(numbers, _PIECES)) for _ in range(2))

    def learn_ranges(self, numbers: Tensor) -> None:
        """Take over the quantiles of examples [R, N]."""
        levels = np.linspace(0.0, 1.0, _PIECES + 1)
        edges = torch.from_numpy(np.quantile(numbers.numpy(force=True), levels, axis=0).T)
        lengths = edges.diff(dim=1)
        is_range = lengths > 1e-6
        self.starts.copy_(edges[:, :-1])
        self.slopes.copy_(torch.where(is_range, 1.0 / torch.where(is_range, lengths, 1.0), 0.0))

    def forward(self, numbers: Tensor, which: Sequence[int]) -> Tensor:
        """See the class; `which` of the N numbers stand in the columns [..., K], which become [..., K * (1 + W)]."""
        weight, starts, slopes = (
            one if len(which) == len(one) else one[list(which)] for one in (self.weight, self.starts, self.slopes)
        )
        passed = ((numbers.unsqueeze(-1) - starts) * slopes).clamp(0.0, 1.0)  # [..., K, P]
        curved = torch.einsum("...kp,kpw->...kw", passed, weight)
        return torch.cat([numbers.unsqueeze(-1), curved], dim=-1).flatten(-2)


class BlockedCurves(nn.Module):
    """A `PiecewiseLinear` as it is now, over some of its numbers: [..., K] -> [..., K * (1 + W)], numbers first.

    Each product is with a matrix of blocks for `_TOGETHER` numbers. ONNX Runtime takes 0.10 ms for ten numbers of 350
    candidates this way, and 0.18 with one matrix for all of them, which is mostly zeros.

    Args:
        curves: later changes of its weights are not seen.
        which: the places of the K numbers.
    """

    def __init__(self, curves: PiecewiseLinear, which: Sequence[int]) -> None:
        super().__init__()
        places = list(which)
        self.starts, self.slopes = (nn.Buffer(one[places].clone()) for one in (curves.starts, curves.slopes))
        weight, lots = curves.weight.detach()[places], range(0, len(places), _TOGETHER)
        self.blocks = nn.ParameterList(_block_diagonal(weight[place : place + _TOGETHER]) for place in lots)

    def forward(self, numbers: Tensor, _which: Sequence[int]) -> Tensor:
        """See the class; all the numbers are told before what stands behind them."""
        passed = ((numbers.unsqueeze(-1) - self.starts) * self.slopes).clamp(0.0, 1.0).flatten(-2)
        size = _TOGETHER * _PIECES
        lots = (passed[..., place * size : (place + 1) * size] @ block for place, block in enumerate(self.blocks))
        return torch.cat([numbers, *lots], dim=-1)


def _block_diagonal(blocks: Tensor) -> nn.Parameter:
    """[N, P, W] -> [N * P, N * W]."""
    return nn.Parameter(torch.block_diag(*blocks), requires_grad=False)  # type: ignore[no-untyped-call]


class ListMean(nn.Module):
    """The same as `masked_mean` of a table's rows, added place by place [..., M] -> [..., W].

    ONNX Runtime takes 0.13 ms to gather, mask and sum 300 lists of four rows of 16 numbers, and this way 0.04.

    Args:
        weight: [V, W] the table; later changes are not seen.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight.detach().clone())
        self.weight[0] = 0.0  # an empty place adds nothing

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        first, *further = (nn.functional.embedding(one, self.weight) for one in rows.unbind(-1))
        counts = (rows > 0).to(self.weight.dtype).sum(dim=-1, keepdim=True)
        return sum(further, first) / counts.clamp(min=1.0)


class QuickDropout(nn.Module):
    """Dropout whose mask is drawn as bytes: a tenth of the time of `nn.Dropout` on a CPU; the share is one of 256.

    Args:
        share: of the entries, at least 0 and under 1; the others are enlarged so that the mean stays.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self._dropped = round(share * 256)

    def forward(self, values: Tensor) -> Tensor:
        """Values [...] -> the same shape."""
        if not self.training or self._dropped == 0:
            return values
        drawn = torch.empty((values.numel() + 7) // 8, dtype=torch.int64, device=values.device).random_(-(2**63), None)
        kept = drawn.view(torch.uint8)[: values.numel()].view(values.shape) >= self._dropped
        return values * (kept * torch.tensor(256.0 / (256 - self._dropped)))


def masked_mean(vectors: Tensor, rows: Tensor) -> Tensor:
    """The mean over what is no empty place (row 0), else 0: vectors [..., M, D], rows [..., M] -> [..., D]."""
    mask = (rows > 0).to(vectors.dtype).unsqueeze(-1)
    return (vectors * mask).sum(dim=-2) / mask.sum(dim=-2).clamp(min=1.0)


def mlp(
    width_in: int, dims: Sequence[int], *, dropout: float, last_active: bool, batch_norm: bool = False
) -> nn.Sequential:
    """Linear layers with ReLU and dropout between, after the last if `last_active`: [R, in] -> [R, dims[-1]].

    With `batch_norm` what goes into each ReLU is normalised by its batch.
    """
    layers: list[nn.Module] = []
    for place, width in enumerate(dims):
        layers.append(nn.Linear(width_in, width))
        if place < len(dims) - 1 or last_active:
            layers += [*([nn.BatchNorm1d(width)] if batch_norm else []), nn.ReLU(), QuickDropout(dropout)]
        width_in = width
    return nn.Sequential(*layers)


def export_onnx(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
    *,
    second: Mapping[str, str] | None = None,
) -> None:
    """Write a module as ONNX with a free first axis, `rows`; positional inputs in the order given.

    Args:
        module: what is written.
        inputs: by name, two rows or more of each, for the shapes.
        outputs: names.
        path: where the file goes.
        second: inputs whose second axis is free too -> what that axis is called.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx  # noqa: F401 - torch needs it; ask before it fails with a longer message
    except ImportError as error:
        raise MissingExtraError("export needs onnx: pip install 'enterprise_recsys[train]'.") from error
    second = second or {}
    axes = {name: {0: "rows", **({1: second[name]} if name in second else {})} for name in inputs}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own deprecations: nothing that our user could mend
        # By tracing, which takes 0.3 s for all three networks of a model where torch.export takes 11.
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**axes, **{name: {0: "rows"} for name in outputs}},
            opset_version=18,
            dynamo=False,
        )
