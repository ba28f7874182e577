"""The one training loop: steps, validation, early stop, progress, and resuming after an interruption."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

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

    With `averaging` over 0 it is the running mean of the weights that is validated and kept: each step takes the mean
    that much of the way from the weights to where it was. Steps may then be large without ending at a chance place.
    """

    stage: str
    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    checkpoint: Path | None = None
    report: Report | None = None
    averaging: float = 0.0


class _Mean:
    """The running mean of a model's weights (Polyak), which forgets the first steps quickly."""

    def __init__(self, model: nn.Module, share: float) -> None:
        self._share, self.steps = share, 0
        self.weights = {name: value.detach().clone() for name, value in model.named_parameters()} if share else {}

    def take(self, model: nn.Module) -> None:
        """Count the weights after a step."""
        self.steps += 1
        share = min(self._share, self.steps / (self.steps + 10.0))
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name in self.weights:
                    self.weights[name].lerp_(value, 1.0 - share)

    @contextmanager
    def instead(self, model: nn.Module) -> Iterator[None]:
        """The model with the mean for its weights."""
        own = {name: value.detach().clone() for name, value in model.named_parameters() if name in self.weights}
        model.load_state_dict(self.weights, strict=False)
        yield
        model.load_state_dict(own, strict=False)


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
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True)
    mean = _Mean(model, plan.averaging)
    losses, scores, best = _resume(model, optimizer, mean, plan.checkpoint)
    first = len(losses)
    for epoch in range(first, plan.epochs):
        if validate is not None and scores and len(scores) - 1 - _argmax(scores) >= plan.patience:
            break
        losses.append(_epoch(model, optimizer, mean, batches(), total, plan, epoch, scores))
        if validate is not None:
            model.eval()
            with torch.no_grad(), mean.instead(model):
                scores.append(float(validate()))
                if _argmax(scores) == len(scores) - 1:
                    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if plan.checkpoint is not None:
            _save(plan.checkpoint, model, optimizer, mean, best, losses, scores)
    model.load_state_dict(best or mean.weights, strict=bool(best))
    model.eval()
    return Fit(_argmax(scores) + 1 if scores else len(losses), losses, scores)


def _argmax(values: list[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    mean: _Mean,
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
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        mean.take(model)
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
    mean: _Mean,
    best: dict[str, Tensor],
    losses: list[float],
    scores: list[float],
) -> None:
    """One safetensors file with all that the next epoch needs, random state included; old or new, never half."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    tensors |= {f"mean.{name}": value for name, value in mean.weights.items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{place}.{name}": torch.as_tensor(value) for name, value in state.items()}
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
    model: nn.Module, optimizer: torch.optim.Optimizer, mean: _Mean, path: Path | None
) -> tuple[list[float], list[float], dict[str, Tensor]]:
    if path is None or not path.exists():
        return [], [], {}
    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, place, key = name.split(".", 2)
            states.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    mean.weights = {name[5:]: value for name, value in tensors.items() if name.startswith("mean.")}
    mean.steps = int(meta.get("steps", 0))
    torch.set_rng_state(tensors["random"])
    best = {name[5:]: value for name, value in tensors.items() if name.startswith("best.")}
    return json.loads(meta["losses"]), json.loads(meta["scores"]), best
