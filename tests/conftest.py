"""One small made world and one trainer fitted on it, shared by the tests that only read them."""

import os

import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.data.worlds import World, make_world
from enterprise_recsys.trainer import ProductionTrainer

# What is compared to the bit is the processor's; tests/test_devices.py says how to ask for a GPU's.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

SMALL = {
    "history": "mean",
    "history_length": 50,
    "embedding_dim": 16,
    "user_tower_dims": [32, 16],
    "item_tower_dims": [32, 16],
    "epochs": 12,
    "ranker_epochs": 3,
    "negatives": 128,
    "batch_size": 512,
    "candidates": 50,
    "ranking_dims": [32],
    "ranking_dim": 8,
    "learning_rate": 5e-3,
    "threads": 1,
}


@pytest.fixture(scope="session")
def world() -> World:
    return make_world(users=300, items=120, days=60, events_per_user=30)


@pytest.fixture(scope="session")
def parts(world: World) -> Split:
    return SPLITS["global_time"](world.interactions)


@pytest.fixture(scope="session")
def trainer(parts: Split) -> ProductionTrainer:
    return ProductionTrainer(ModelConfig(**SMALL), progress=False).fit(parts.train, parts.val)
