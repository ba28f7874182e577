"""Where the networks are taught: on the processor or on a GPU, by the same code."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from enterprise_recsys.errors import ConfigError

_M = TypeVar("_M", bound=nn.Module)

CPU = torch.device("cpu")


def device_of(name: str) -> torch.device:
    """The device that a dial names: 'cpu', 'cuda', 'cuda:1', or 'auto', the first GPU where there is one.

    Raises:
        ConfigError: no such device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return CPU
    number = int(name.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        seen = f"{torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "no GPU"
        raise ConfigError(
            f"device={name!r}, but this PyTorch ({torch.__version__}) sees {seen}; right is 'auto' or 'cpu', or a "
            "PyTorch that is built for the GPU."
        )
    # The products of matrices repeat to the bit only with room of their own, which has to be set before the first one.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", number)


def make_repeatable(threads: int) -> None:
    """Same seed, same data, same machine, same bits: torch with so many threads, and without what differs by chance."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Nothing here reads what was never written; to write it for safety costs every twentieth part of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def on(device: torch.device) -> Iterator[None]:
    """Within it new tensors are made there, and `torch.as_tensor` brings arrays there; on the processor it is nothing.

    What is left of float32 products may be worked out by a GPU's matrix units (TF32), as its other products are in
    bfloat16.
    """
    if device.type == "cpu":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.cuda.device(device), device:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def place_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def on_cpu(model: _M) -> _M:
    """The model if it is on the processor, else a copy that is: what is exported must not ask for a GPU."""
    return model if place_of(model).type == "cpu" else copy.deepcopy(model).cpu()


def bfloat16_pays(device: torch.device = CPU) -> bool:
    """Whether it multiplies bfloat16 in hardware; elsewhere that is emulated, and slow."""
    if device.type != "cpu":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def scores_at_once(device: torch.device) -> int:
    """Scores of a softmax that are worked out together: as many as stay in a processor's caches, or fill a GPU."""
    return 1 << 20 if device.type == "cpu" else 1 << 26


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The random state of the processor, and of a GPU that is taught on."""
    states = {"random": torch.get_rng_state()}
    return states if device.type == "cpu" else {**states, "random_gpu": torch.cuda.get_rng_state(device)}


def set_random_state(states: dict[str, Tensor], device: torch.device) -> None:
    """Go on from there; one that was kept on another kind of device gives what it has."""
    torch.set_rng_state(states["random"])
    if device.type != "cpu" and "random_gpu" in states:
        torch.cuda.set_rng_state(states["random_gpu"], device)
