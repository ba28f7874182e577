"""The one training loop: steps, validation, early stop, progress, and resuming after an interruption."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from enterprise_recsys.allocating import give_back_memory, keep_freed_memory
from enterprise_recsys.devices import on, place_of, random_state, set_random_state
from enterprise_recsys.errors import DataError
from enterprise_recsys.rowwise import RowAdam

Report = Callable[["Progress"], None]

_JUDGED, _AHEAD = 3, 3
"""Epochs before a run is held against its leader, and epochs that it is thought to go on at its pace of late."""


@dataclass(frozen=True)
class Progress:
    """Where training stands, for a progress bar: called after steps and after each epoch.

    Attributes:
        stage: what is being learnt, in words.
        epoch, epochs: from 1.
        done, total: examples of this epoch.
        loss: mean of this epoch so far.
        examples_s: examples per second of this epoch.
        left_s: seconds to the end of the last possible epoch.
        score: the newest validation score; None before the first.
    """

    stage: str
    epoch: int
    epochs: int
    done: int
    total: int
    loss: float
    examples_s: float
    left_s: float
    score: float | None


@dataclass(frozen=True)
class Fit:
    """What a run of the loop learnt: the epoch whose weights were kept (from 1), and each epoch's loss and score."""

    epoch: int
    losses: list[float]
    scores: list[float]


@dataclass(frozen=True)
class Plan:
    """How to run: epochs at most, patience in epochs, step size, weight decay, and where to keep a checkpoint.

    `embedding_l2` is the weight decay of embedding tables, instead of `weight_decay` (None: no difference); in tables
    that are taught by rows (see `rowwise.RowAdam`) only the rows that a step touches decay. With
    `falling` the step size falls in a straight line, to nothing at the end of the last possible epoch. With `averaging`
    over 0 what is validated and kept is a running mean of the weights, in which each step's share fades by that factor.
    `leader` is the score of another model: a run that has no prospect of coming up to it is given up.
    """

    stage: str
    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    checkpoint: Path | None = None
    report: Report | None = None
    embedding_l2: float | None = None
    falling: bool = False
    averaging: float = 0.0
    leader: float | None = None


def run(
    model: nn.Module,
    batches: Callable[[], Iterable[tuple[int, Callable[[], Tensor]]]],
    total: int,
    plan: Plan,
    *,
    validate: Callable[[], float] | None = None,
) -> Fit:
    """Train a model and leave the weights of the best epoch in it.

    Args:
        model: what learns.
        batches: an epoch's steps: (examples, a function that gives the loss []).
        total: examples per epoch, for the progress.
        plan: epochs, patience, step size, checkpoint.
        validate: higher is better; None: every epoch is run and the last one kept.

    Raises:
        DataError: the loss is not finite; nothing is kept of that epoch.
    """
    give_back_memory()
    keep_freed_memory()
    fit = _run(model, batches, total, plan, validate)
    give_back_memory()
    return fit


def _run(
    model: nn.Module,
    batches: Callable[[], Iterable[tuple[int, Callable[[], Tensor]]]],
    total: int,
    plan: Plan,
    validate: Callable[[], float] | None,
) -> Fit:
    decay = plan.embedding_l2 or plan.weight_decay
    with on(place_of(model)), RowAdam(model, decay=decay, is_averaged=plan.averaging > 0) as rows:
        optimizers = _Optimizers(model, plan, rows)
        losses, scores, best = _resume(optimizers, plan)
        for epoch in range(len(losses), plan.epochs):
            if scores and _is_over(scores, plan):
                break
            losses.append(_epoch(optimizers, batches(), total, plan, epoch, scores))
            rows.settle()
            own = optimizers.mean.show()
            if validate is not None:
                model.eval()
                with torch.no_grad():
                    scores.append(float(validate()))
                if _argmax(scores) == len(scores) - 1:
                    best = _state(model, into=best)
            optimizers.mean.hide(own)
            if plan.checkpoint is not None:
                _save(plan.checkpoint, optimizers, best, losses, scores)
        if best:
            model.load_state_dict(best)
        else:
            optimizers.mean.show()
    model.zero_grad(set_to_none=True)  # a model that is kept needs no gradients
    model.eval()
    return Fit(_argmax(scores) + 1 if scores else len(losses), losses, scores)


class _Optimizers:
    """What moves the weights of a model: Adam, for large tables by rows; and the running mean of what they leave."""

    def __init__(self, model: nn.Module, plan: Plan, rows: RowAdam) -> None:
        self.model, self.rows, self.mean = model, rows, _Mean(plan.averaging, model, rows)
        groups = _groups(model, plan, rows)
        self.adam = torch.optim.Adam(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True)

    def step(self, loss: Tensor, rate: float) -> None:
        """Go down along the gradient of a loss, by a step size."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.zero_grad(set_to_none=True)
        self.rows.clear()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.rows.step(rate)
        self.mean.take()


class _Mean:
    """A running mean of weights; nothing where none is wanted. That of tables taught by rows is with `RowAdam`.

    Its first steps count as much as a plain mean of ten and more, so that a short training is not a mean of its start.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 1992, doi:10.1137/0330046; with fading shares as in Tarvainen
    and Valpola, NeurIPS 2017, arXiv:1703.01780.
    """

    def __init__(self, fading: float, model: nn.Module, rows: RowAdam) -> None:
        self.fading, self.steps = fading, 0
        self.weights: dict[str, Tensor] = {}
        self._model, self._rows = model, rows

    def take(self) -> None:
        """Count the weights after one more step."""
        if self.fading <= 0:
            return
        if not self.steps:
            self.weights = _state(self._model, without=self._rows.names)
        self.steps += 1
        share = max(1.0 - self.fading, 10.0 / (self.steps + 10.0))
        self._rows.average(share if self.steps > 1 else 1.0)
        now = self._model.state_dict()
        moving = [name for name, value in self.weights.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.weights[name] for name in moving], [now[name] for name in moving], share)
        for name in self.weights.keys() - set(moving):
            self.weights[name].copy_(now[name])

    def show(self) -> dict[str, Tensor]:
        """Put the means in the place of the weights, where there are any; gives what `hide` needs."""
        own = _state(self._model, without=self._rows.names)
        self._model.load_state_dict(self.weights or own, strict=False)
        self._rows.swap()
        return own

    def hide(self, own: dict[str, Tensor]) -> None:
        """Put the weights back."""
        self._model.load_state_dict(own, strict=False)
        self._rows.swap()


def _state(
    model: nn.Module, *, without: Set[str] = frozenset(), into: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """A copy of the weights, in the memory of an older copy where there is one."""
    kept = {name: value.detach() for name, value in model.state_dict().items() if name not in without}
    if not into:
        return {name: value.clone() for name, value in kept.items()}
    return {name: into[name].copy_(value) for name, value in kept.items()}


def _groups(model: nn.Module, plan: Plan, rows: RowAdam) -> list[dict[str, object]]:
    """Parameters by their weight decay, but those taught by rows; embedding tables may have one of their own."""
    tables = [one.weight for one in model.modules() if isinstance(one, nn.Embedding)] if plan.embedding_l2 else []
    own = {id(one) for one in tables}
    named = [(name, one) for name, one in model.named_parameters() if name not in rows.names]
    groups: list[dict[str, object]] = [{"params": [one for _, one in named if id(one) not in own]}]
    tables = [one for _, one in named if id(one) in own]
    return groups + ([{"params": tables, "weight_decay": plan.embedding_l2}] if tables else [])


def _is_over(scores: list[float], plan: Plan) -> bool:
    """Whether the last epochs were no better, or more epochs at their pace would still leave the leader ahead.

    Learning slows down, so that the pace of the last two epochs promises more than comes: none is given up that would
    have won on the logs tried, and what is far behind costs four epochs instead of ten or more.
    """
    if len(scores) - 1 - _argmax(scores) >= plan.patience:
        return True
    if plan.leader is None or len(scores) < _JUDGED:
        return False
    pace = max(scores[-1] - scores[-3], 0.0) / 2
    return max(scores) + _AHEAD * pace < plan.leader


def _argmax(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _epoch(
    optimizers: _Optimizers,
    steps: Iterable[tuple[int, Callable[[], Tensor]]],
    total: int,
    plan: Plan,
    epoch: int,
    scores: list[float],
) -> float:
    optimizers.model.train()
    began, done, summed, told = time.monotonic(), 0, 0.0, 0.0

    def tell(learnt: int, now: float) -> None:
        """Report `learnt` examples of this epoch; its end is told once, as `total` is only about how many come."""
        if plan.report is None:
            return
        rate = done / max(now - began, 1e-9)
        left_s = (total * (plan.epochs - epoch) - learnt) / max(rate, 1e-9)
        score, loss = scores[-1] if scores else None, summed / max(done, 1)
        plan.report(Progress(plan.stage, epoch + 1, plan.epochs, learnt, total, loss, rate, left_s, score))

    for size, step in steps:
        loss = step()
        value = loss.item()
        if not math.isfinite(value):
            raise DataError(
                f"the loss of {plan.stage} became {value} in epoch {epoch + 1}: "
                "lower learning_rate, or look for extreme values in the numerical columns."
            )
        left = 1.0 - (epoch + done / total) / plan.epochs if plan.falling else 1.0
        optimizers.step(loss, plan.learning_rate * left)
        done, summed = done + size, summed + value * size
        now = time.monotonic()
        if now - told > 0.2 and done < total:
            tell(done, now)
            told = now
    tell(total, time.monotonic())
    return summed / max(done, 1)


def _save(
    path: Path, optimizers: _Optimizers, best: dict[str, Tensor], losses: list[float], scores: list[float]
) -> None:
    """One safetensors file with all that the next epoch needs, random state included; old or new, never half."""
    mean, rows = optimizers.mean, optimizers.rows
    tensors = {f"model.{name}": value for name, value in optimizers.model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for place, state in optimizers.adam.state_dict()["state"].items():
        tensors |= {f"adam.{place}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors |= {f"mean.{name}": value for name, value in mean.weights.items()}
    tensors |= {f"rows.{name}": value for name, value in rows.state().items()}
    tensors |= random_state(place_of(optimizers.model))
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp")
    told = {"losses": json.dumps(losses), "scores": json.dumps(scores)}
    told |= {"steps": str(mean.steps), "row_steps": str(rows.steps)}
    save_file({name: value.contiguous() for name, value in tensors.items()}, staged, metadata=told)
    os.replace(staged, path)


def _resume(optimizers: _Optimizers, plan: Plan) -> tuple[list[float], list[float], dict[str, Tensor]]:
    """Put weights, optimizers and random state back where a checkpoint left them; losses, scores, and the best."""
    if plan.checkpoint is None or not plan.checkpoint.exists():
        return [], [], {}
    with safe_open(plan.checkpoint, framework="pt") as file:
        meta = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict

    def of(kind: str) -> dict[str, Tensor]:
        return {name.removeprefix(kind): value for name, value in tensors.items() if name.startswith(kind)}

    optimizers.model.load_state_dict(of("model."))
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in of("adam.").items():
        place, key = name.split(".", 1)
        states.setdefault(int(place), {})[key] = value
    groups = optimizers.adam.state_dict()["param_groups"]
    optimizers.adam.load_state_dict({"state": states, "param_groups": groups})
    optimizers.rows.load(of("rows."), int(meta.get("row_steps", "0")))
    device = place_of(optimizers.model)
    set_random_state(tensors, device)
    optimizers.mean.weights = {name: value.to(device) for name, value in of("mean.").items()}
    optimizers.mean.steps = int(meta.get("steps", "0"))
    return json.loads(meta["losses"]), json.loads(meta["scores"]), of("best.")
