"""enterprise_recsys: from an interaction log to a live, measured, two-stage recommender."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    MissingExtraError,
    NotFittedError,
    RecsysError,
    UnknownItemError,
)

if TYPE_CHECKING:
    from enterprise_recsys.answers import Recommendations
    from enterprise_recsys.data.processor import DataProcessor
    from enterprise_recsys.recommender import Recommender
    from enterprise_recsys.trainer import ProductionTrainer

__version__ = "0.1.0"

# OpenMP reads it once, when PyTorch or LightGBM load it. Threads that spin while they wait for one another take the
# processor from those they wait for where anything else runs: an epoch on ml-1m took 127 s so and 62 s like this, with
# two threads beside two other jobs on two cores, and as long as before on an idle machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "DataProcessor",
    "MissingExtraError",
    "ModelConfig",
    "NotFittedError",
    "ProductionTrainer",
    "Recommendations",
    "Recommender",
    "RecsysError",
    "UnknownItemError",
    "__version__",
]

_HOMES = {
    "DataProcessor": "enterprise_recsys.data.processor",
    "ProductionTrainer": "enterprise_recsys.trainer",
    "Recommendations": "enterprise_recsys.recommender",
    "Recommender": "enterprise_recsys.recommender",
}


def __getattr__(name: str) -> object:
    # Lazy, so that the service can import the package without the training framework.
    if name not in _HOMES:
        raise AttributeError(f"module 'enterprise_recsys' has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "scipy"):
            raise MissingExtraError(
                f"training needs {error.name}: pip install 'enterprise_recsys[train]' (see the README for PyTorch)."
            ) from None
        raise
