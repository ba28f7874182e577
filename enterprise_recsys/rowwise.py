"""Tables of so many rows that a step touches only those that it reads; the others are brought up to date when read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGE_ROWS = 100_000
"""Rows from which a table is taught by rows.

Milliseconds of a step that reads 2,000 rows of 64 numbers, by rows and whole: 5 and 6 in a table of 50,000 rows, 5 and
11 in one of 100,000; with 6,000 rows read 14 and 7, 14 and 12 (least processor time of five, load 7).
"""
_FADE_1, _FADE_2, _TINY = 0.9, 0.999, 1e-8  # the defaults of torch's Adam
_RATIO = _FADE_1 / _FADE_2**0.5
_HEARD = 256
"""Steps after which what is left of a gradient's push, `_RATIO` to that power, is 2e-12 of it."""
_AT_ONCE = 1 << 16
"""Rows that are brought up to date at a time, when all are."""


class Table(nn.Embedding):
    """An embedding whose gradient, from `LARGE_ROWS` rows on, holds the rows that were read and no others.

    Args:
        rows, width: of the table.
        padding_idx: a row that is never taught.
    """

    def __init__(self, rows: int, width: int, *, padding_idx: int | None = None) -> None:
        super().__init__(rows, width, padding_idx=padding_idx, sparse=rows >= LARGE_ROWS)
        self.reading: Callable[[Tensor], None] | None = None
        """What wants to know of different rows [R] before they are read, while training."""

    def forward(self, rows: Tensor) -> Tensor:
        """Rows [...] -> [..., W]."""
        if not (self.sparse and self.training):
            return super().forward(rows)
        distinct, inverse = torch.unique(rows, return_inverse=True)
        if self.reading is not None:
            self.reading(distinct)
        # A row that is read often, as the hole in histories is, is then one row of the gradient.
        return functional.embedding(inverse, super().forward(distinct))


@dataclass
class _Taught:
    """A table in teaching.

    Attributes:
        weight: [R, W].
        moments: [R, 2, W] Adam's two, side by side, as they are read together.
        mean: [R, W] the running mean of the weights; None: none is wanted.
        at: [R] as of which step, counted from the last time that all were, a row of these is up to date.
        moved: what the last step moved and the mean has not heard of: rows [N], and their weights [N, W].
    """

    weight: Tensor
    moments: Tensor
    mean: Tensor | None
    at: Tensor
    moved: tuple[Tensor, Tensor] | None = None


class RowAdam:
    """Adam over the large tables of a model, and a running mean of their weights, in the time of the rows read.

    It comes to what Adam over all rows comes to, but for rounding and a trace of ε. A row without a gradient goes on
    moving by what is left of its last one, in all nine times as far as in its step: to leave that out, as LazyAdam
    does, is to teach rare rows a tenth as fast. After step s its moments m and v only fade, so that until step t its
    weight w moves by -m / (√v + ε) · A, and the mean, which takes a share a_k of the weight after each step k, comes to
    w + (mean - w) · D - m / (√v + ε) · B, where

        A = Σ r^(k-s) c_k over s < k <= t,   r = .9 / √.999,   c_k = rate_k √(1 - .999^k) / (1 - .9^k),
        D = Π (1 - a_k) over s < k <= t,     B_t = (1 - a_t) B_(t-1) + a_t A_t,   B_s = 0.

    These three depend on no row, but on s and t. They are kept for every step s since all rows were last brought up to
    date, which takes microseconds a step, and bring a row up to date when it is next read.

    Weight decay is the exception, since what it comes to has no such sum: it is added to the gradients of the rows that
    have one, and a row that is not touched does not decay.

    To be used as a context, within which the tables tell it of the rows that are read.

    Args:
        model: its `Table`s of `LARGE_ROWS` and more are taught.
        decay: weight of the L2 term.
        is_averaged: whether a running mean is wanted.

    Source: Kingma and Ba, ICLR 2015, arXiv:1412.6980; sums over the steps that a row has missed, for other optimisers,
    are in Lipton and Elkan, arXiv:1505.06449.
    """

    def __init__(self, model: nn.Module, *, decay: float, is_averaged: bool) -> None:
        tables = {name: one for name, one in model.named_modules() if isinstance(one, Table) and one.sparse}
        self._tables, self._decay = list(tables.values()), decay
        self._taught = {
            f"{name}.weight".removeprefix("."): _begun(one.weight, is_averaged) for name, one in tables.items()
        }
        self._powers = _RATIO ** torch.arange(_HEARD, 0, -1, dtype=torch.float64)
        self.steps, self._now, self._sums = 0, 0, _no_steps()

    @property
    def names(self) -> set[str]:
        """The weights that it teaches, as the model's state calls them."""
        return set(self._taught)

    def __enter__(self) -> RowAdam:
        for table, taught in zip(self._tables, self._taught.values(), strict=True):
            table.reading = partial(self._bring, taught)
        return self

    def __exit__(self, *raised: object) -> None:
        for table in self._tables:
            table.reading = table.weight.grad = None

    def clear(self) -> None:
        """Forget the gradients."""
        for table in self._tables:
            table.weight.grad = None

    def step(self, rate: float) -> None:
        """Move the rows that have a gradient; `rate` is the step size."""
        self.steps, self._now = self.steps + 1, self._now + 1
        unbiased_1, unbiased_2 = 1.0 - _FADE_1**self.steps, (1.0 - _FADE_2**self.steps) ** 0.5
        for one in self._taught.values():
            if one.weight.grad is None:
                continue
            gradient = one.weight.grad.coalesce()
            rows, slope = gradient.indices()[0], gradient.values()
            weight, moments = one.weight.detach().index_select(0, rows), one.moments.index_select(0, rows)
            if self._decay:
                slope = slope.add(weight, alpha=self._decay)
            first, second = moments.unbind(1)
            first.lerp_(slope, 1.0 - _FADE_1)
            second.mul_(_FADE_2).addcmul_(slope, slope, value=1.0 - _FADE_2)
            one.moments.index_copy_(0, rows, moments)
            weight.addcdiv_(first, (second.sqrt() / unbiased_2).add_(_TINY), value=-rate / unbiased_1)
            one.weight.detach().index_copy_(0, rows, weight)
            if one.mean is not None:
                one.moved = (rows, weight)
            one.at.index_fill_(0, rows, self._now)
        if self._now == self._sums.shape[1]:
            self._sums = torch.cat([self._sums, torch.zeros_like(self._sums)], dim=1)
        recent = min(self._now, _HEARD)
        self._sums[0, self._now - recent : self._now] += self._powers[-recent:] * (rate * unbiased_2 / unbiased_1)
        self._sums[2, self._now] = 1.0

    def average(self, share: float) -> None:
        """The running mean takes a share of the weights that the last step left; the first share should be 1."""
        for one in self._taught.values():
            if one.mean is not None and one.moved is not None:
                rows, weight = one.moved
                one.mean.index_copy_(0, rows, one.mean.index_select(0, rows).lerp_(weight, share))
                one.moved = None
        moved, lagging, left = self._sums[:, : self._now]
        lagging += share * (moved - lagging)
        left *= 1.0 - share

    def settle(self) -> None:
        """Bring all rows up to date, as who looks at whole tables needs them."""
        for one in self._taught.values():
            for begin in range(0, len(one.at), _AT_ONCE):
                self._bring(one, torch.arange(begin, min(begin + _AT_ONCE, len(one.at))))
            one.at.zero_()
        self._now, self._sums = 0, _no_steps()

    def swap(self) -> None:
        """Let weights and their running means change places; nothing where none is wanted."""
        for one in self._taught.values():
            if one.mean is not None:
                one.weight.data, one.mean = one.mean, one.weight.data

    def state(self) -> dict[str, Tensor]:
        """All but the weights and `steps` that `load` needs to go on, after `settle`."""
        return {
            f"{name}.{part}": value
            for name, one in self._taught.items()
            for part, value in (("moments", one.moments), ("mean", one.mean))
            if value is not None
        }

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from there."""
        for name, one in self._taught.items():
            one.moments = state[f"{name}.moments"].to(one.weight.device)
            one.mean = None if one.mean is None else state[f"{name}.mean"].to(one.weight.device)
        self.steps = steps

    def _bring(self, one: _Taught, rows: Tensor) -> None:
        """Bring different rows [R] up to date."""
        at = one.at.index_select(0, rows).long()
        late = at < self._now
        if not late.all():
            rows, at = rows[late], at[late]
        if not len(rows):
            return
        with torch.no_grad():
            moved, lagging, left = self._sums.index_select(1, at).to(one.weight.dtype).unsqueeze(2)
            weight, moments = one.weight.index_select(0, rows), one.moments.index_select(0, rows)
            first, second = moments.unbind(1)
            step = (self.steps - self._now + at).clamp(min=1).unsqueeze(1)
            push = first / (second.sqrt() + _TINY * (1.0 - _FADE_2**step).sqrt())
            if one.mean is not None:
                mean = one.mean.index_select(0, rows)
                mean.sub_(weight).mul_(left).add_(weight).addcmul_(push, lagging, value=-1.0)
                one.mean.index_copy_(0, rows, mean)
            one.weight.index_copy_(0, rows, weight.addcmul_(push, moved, value=-1.0))
            missed = (self._now - at).unsqueeze(1)
            moments.mul_(torch.stack([_FADE_1**missed, _FADE_2**missed], dim=1))
            one.moments.index_copy_(0, rows, moments)
            one.at.index_fill_(0, rows, self._now)


def _no_steps() -> Tensor:
    """[3, S] A, B and D at the first of some steps, with room for more."""
    sums = torch.zeros(3, 1024, dtype=torch.float64)
    sums[2, 0] = 1.0
    return sums


def _begun(weight: Tensor, is_averaged: bool) -> _Taught:
    mean = weight.detach().clone() if is_averaged else None
    moments = torch.zeros(len(weight), 2, weight.shape[1], dtype=weight.dtype)
    return _Taught(weight, moments, mean, torch.zeros(len(weight), dtype=torch.int32))
