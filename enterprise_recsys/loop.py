"""The one training loop: steps, validation, early stop, progress, and resuming after an interruption."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from enterprise_recsys.allocating import keep_freed_memory
from enterprise_recsys.errors import DataError

Report = Callable[["Progress"], None]


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

    `embedding_l2` is the weight decay of embedding tables, instead of `weight_decay` (None: no difference). With
    `falling` the step size falls in a straight line, to nothing at the end of the last possible epoch. With `averaging`
    over 0 what is validated and kept is a running mean of the weights, in which each step's share fades by that factor.
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
    keep_freed_memory()
    groups = _groups(model, plan)
    optimizer = torch.optim.Adam(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True)
    losses, scores, best, mean = _resume(model, optimizer, plan)
    first = len(losses)
    for epoch in range(first, plan.epochs):
        if validate is not None and scores and len(scores) - 1 - _argmax(scores) >= plan.patience:
            break
        losses.append(_epoch(model, optimizer, _told(batches(), model, mean), total, plan, epoch, scores))
        own = _state(model)
        model.load_state_dict(mean.weights or own)
        if validate is not None:
            model.eval()
            with torch.no_grad():
                scores.append(float(validate()))
            if _argmax(scores) == len(scores) - 1:
                best = _state(model)
        model.load_state_dict(own)
        if plan.checkpoint is not None:
            _save(plan.checkpoint, model, optimizer, best, losses, scores, mean)
    if best or mean.weights:
        model.load_state_dict(best or mean.weights)
    model.eval()
    return Fit(_argmax(scores) + 1 if scores else len(losses), losses, scores)


class _Mean:
    """A running mean of weights; empty where none is wanted.

    Its first steps count as much as a plain mean of ten and more, so that a short training is not a mean of its start.

    Source: Polyak and Juditsky, SIAM J. Control Optim. 1992, doi:10.1137/0330046; with fading shares as in Tarvainen
    and Valpola, NeurIPS 2017, arXiv:1703.01780.
    """

    def __init__(self, fading: float) -> None:
        self.fading, self.steps = fading, 0
        self.weights: dict[str, Tensor] = {}

    def take(self, model: nn.Module) -> None:
        """Count the weights after one more step."""
        if self.fading <= 0:
            return
        if not self.weights:
            self.weights = _state(model)
        self.steps += 1
        share = max(1.0 - self.fading, 10.0 / (self.steps + 10.0))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value.detach(), share)
            else:
                self.weights[name].copy_(value)


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _told(
    steps: Iterable[tuple[int, Callable[[], Tensor]]], model: nn.Module, mean: _Mean
) -> Iterator[tuple[int, Callable[[], Tensor]]]:
    """The steps; the mean hears of the weights that each one leaves."""
    for step in steps:
        yield step
        mean.take(model)


def _groups(model: nn.Module, plan: Plan) -> list[dict[str, object]]:
    """Parameters by their weight decay; embedding tables may have one of their own."""
    tables = [one.weight for one in model.modules() if isinstance(one, nn.Embedding)] if plan.embedding_l2 else []
    own = {id(one) for one in tables}
    groups: list[dict[str, object]] = [{"params": [one for one in model.parameters() if id(one) not in own]}]
    return groups + ([{"params": tables, "weight_decay": plan.embedding_l2}] if tables else [])


def _argmax(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: Iterable[tuple[int, Callable[[], Tensor]]],
    total: int,
    plan: Plan,
    epoch: int,
    scores: list[float],
) -> float:
    model.train()
    began, done, summed, told = time.monotonic(), 0, 0.0, 0.0
    for size, step in steps:
        loss = step()
        if not torch.isfinite(loss):
            raise DataError(
                f"the loss of {plan.stage} became {loss.item()} in epoch {epoch + 1}: "
                "lower learning_rate, or look for extreme values in the numerical columns."
            )
        if plan.falling:
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * (1.0 - (epoch + done / total) / plan.epochs)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done, summed = done + size, summed + loss.item() * size
        now = time.monotonic()
        if plan.report is not None and (now - told > 0.2 or done >= total):
            rate = done / max(now - began, 1e-9)
            left = (total * (plan.epochs - epoch) - done) / max(rate, 1e-9)
            plan.report(
                Progress(
                    plan.stage,
                    epoch + 1,
                    plan.epochs,
                    done,
                    total,
                    summed / done,
                    rate,
                    left,
                    scores[-1] if scores else None,
                )
            )
            told = now
    return summed / max(done, 1)


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
    losses: list[float],
    scores: list[float],
    mean: _Mean,
) -> None:
    """One safetensors file with all that the next epoch needs, random state included; old or new, never half."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{place}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors |= {f"mean.{name}": value for name, value in mean.weights.items()}
    tensors["random"] = torch.get_rng_state()
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp")
    save_file(
        {name: value.contiguous().clone() for name, value in tensors.items()},
        staged,
        metadata={"losses": json.dumps(losses), "scores": json.dumps(scores), "steps": str(mean.steps)},
    )
    os.replace(staged, path)


def _resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, plan: Plan
) -> tuple[list[float], list[float], dict[str, Tensor], _Mean]:
    mean = _Mean(plan.averaging)
    if plan.checkpoint is None or not plan.checkpoint.exists():
        return [], [], {}, mean
    with safe_open(plan.checkpoint, framework="pt") as file:
        meta = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, place, key = name.split(".", 2)
            states.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random"])
    best = {name[5:]: value for name, value in tensors.items() if name.startswith("best.")}
    mean.weights = {name[5:]: value for name, value in tensors.items() if name.startswith("mean.")}
    mean.steps = int(meta.get("steps", "0"))
    return json.loads(meta["losses"]), json.loads(meta["scores"]), best, mean
