"""A causal Transformer over the last 200 items, taught by a softmax over all items: ours, RecTools' and RePlay's.

Two blocks of one head, 64 numbers wide, dropout 0.2, Adam with 1e-3; else each as its makers have it. RecTools and
RePlay take 128 histories a step, each the last 201 events of a user, filled up to that length; ours takes windows of
about one length, 2,048 events a step, and learns the older events of long histories too.

An answer holds the 10 best items of each user, of all items without those that the user had: [U, 10]. RePlay can also
be asked about other pasts than those it learns (`asked_users`, `asked_items`), by any seed and on a GPU: `sasrec.py`.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from epochs import Data, Epochs, main

LENGTH, BATCH, DROPOUT, K = 200, 128, 0.2, 10
ENDLESS = 10_000
"""Epochs: the budget ends the training before."""


def ours(data: Data, epochs: Epochs) -> None:
    """As `recsys bench quality --system two_tower_transformer_ids` teaches it."""
    import polars as pl
    import torch

    from enterprise_recsys.config import ModelConfig
    from enterprise_recsys.data.live import State
    from enterprise_recsys.data.processor import DataProcessor
    from enterprise_recsys.engine.indexes import exact
    from enterprise_recsys.learning.retrieving import of_variant, plan
    from enterprise_recsys.records import Interactions
    from enterprise_recsys.retrieval.history import variants

    dials = {
        "history": "transformer",
        "history_length": LENGTH,
        "batch_size": 2048,
        "dropout": DROPOUT,
        "history_times": False,
    }
    config = ModelConfig(**dials, epochs=ENDLESS, patience=ENDLESS, threads=1)
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)
    times = pl.from_epoch(pl.Series("timestamp", np.arange(len(data["users"]))), time_unit="s")
    ids = {"user_id": data["users"].astype(str), "item_id": data["items"].astype(str)}
    log = Interactions(pl.DataFrame({**ids, "timestamp": times}), name="ml1m-loo")
    processor = DataProcessor(config).fit(log)
    variant = variants(config, len(processor.items), len(log.events))[0]
    retriever = of_variant(processor, variant, processor.dataset(log))
    state = State(processor, log)
    everyone = state.users.rows(pl.Series(np.unique(data["users"]).astype(str)))
    asked = state.of_users(everyone, np.full(len(everyone), state.newest + 1))
    items = np.concatenate([[0], processor.items.ids.cast(pl.Int64).to_numpy()])

    def lists() -> np.ndarray:
        queries = retriever.encode(asked.columns, asked.history)
        return items[exact(retriever.item_vectors()).search(queries, K, asked.offsets, asked.seen).rows]

    def validate() -> float:
        epochs.end(lists)
        return 0.0

    epochs.begin()
    retriever.fit(plan(config, "retriever", config.epochs, None, None), validate=validate)


def rectools(data: Data, epochs: Epochs) -> None:
    """`SASRecModel`, whose loss is that by default."""
    import pandas as pd
    from pytorch_lightning import Callback, Trainer, seed_everything
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel
    from rectools.models.nn.item_net import IdEmbeddingsItemNet

    seed_everything(0)
    order = pd.to_datetime(np.arange(len(data["users"])), unit="s")
    columns = {Columns.User: data["users"], Columns.Item: data["items"], Columns.Weight: 1.0, Columns.Datetime: order}
    dataset = Dataset.construct(pd.DataFrame(columns))
    everyone = np.unique(data["users"])

    def lists() -> np.ndarray:
        model.is_fitted = True
        found = model.recommend(everyone, dataset, k=K, filter_viewed=True)
        model.lightning_model.train()
        return found.sort_values([Columns.User, Columns.Rank])[Columns.Item].to_numpy().reshape(-1, K)

    class Watch(Callback):
        def on_train_start(self, *_: object) -> None:
            epochs.begin()

        def on_train_epoch_end(self, *_: object) -> None:
            epochs.end(lists)

    def trainer() -> Trainer:
        silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        return Trainer(max_epochs=ENDLESS, accelerator="cpu", devices=1, callbacks=[Watch()], **silent)

    model = SASRecModel(
        n_blocks=2,
        n_heads=1,
        n_factors=64,
        session_max_len=LENGTH,
        dropout_rate=DROPOUT,
        batch_size=BATCH,
        item_net_block_types=(IdEmbeddingsItemNet,),
        get_trainer_func=trainer,
    )
    model.fit(dataset)


def replay(data: Data, epochs: Epochs) -> None:
    """`SasRec` with its own transforms, on a Parquet file of one history a user."""
    import lightning
    import pandas as pd
    import torch
    from replay.data import FeatureHint, FeatureSource, FeatureType
    from replay.data.nn import ParquetModule, TensorFeatureInfo, TensorFeatureSource, TensorSchema
    from replay.nn.lightning import LightningModule
    from replay.nn.lightning.optimizer import OptimizerFactory
    from replay.nn.sequential import SasRec
    from replay.nn.transform.template import make_default_sasrec_transforms

    lightning.seed_everything(int(data.get("seed", 0)))
    size = int(data.get("n_items", data["items"].max()))
    histories = _each(data["users"], data["items"])  # rows from 0; `size` fills up
    asked = _each(data["asked_users"], data["asked_items"]) if "asked_users" in data else histories
    item = TensorFeatureInfo(
        "item_id",
        FeatureType.CATEGORICAL,
        is_seq=True,
        feature_hint=FeatureHint.ITEM_ID,
        feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
        cardinality=size,
        padding_value=size,
        embedding_dim=64,
    )
    schema = TensorSchema([item])
    made = SasRec.from_params(schema, 64, num_heads=1, num_blocks=2, max_sequence_length=LENGTH, dropout=DROPOUT)
    module = LightningModule(made, OptimizerFactory(learning_rate=1e-3))

    def lists() -> np.ndarray:
        found = []
        made.eval()
        with torch.no_grad():
            for begin in range(0, len(asked), 256):
                part = asked[begin : begin + 256]
                rows = torch.full((len(part), LENGTH), size)
                for place, history in enumerate(part):
                    rows[place, -len(history) :] = torch.from_numpy(history[-LENGTH:])
                rows = rows.to(module.device)
                scores = made({"item_id": rows}, rows != size)["logits"][:, :size].cpu()
                for place, history in enumerate(part):
                    scores[place, history] = -torch.inf
                found.append(scores.topk(K).indices.numpy() + 1)
        made.train()
        return np.concatenate(found)

    class Watch(lightning.Callback):
        def on_train_start(self, *_: object) -> None:
            epochs.begin()

        def on_train_epoch_end(self, *_: object) -> None:
            epochs.end(lists)

    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    device = str(data.get("device", "cpu"))
    usual = {"max_epochs": ENDLESS, "accelerator": device, "devices": 1, "limit_val_batches": 0}
    trainer = lightning.Trainer(callbacks=[Watch()], **usual, **silent)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.parquet"
        pd.DataFrame({"item_id": [history[-LENGTH - 1 :] for history in histories]}).to_parquet(path)
        shape = {"train": {"item_id": {"shape": LENGTH + 1, "padding": size}}}
        transforms = {"train": make_default_sasrec_transforms(schema)["train"]}
        trainer.fit(module, ParquetModule(BATCH, shape, transforms, train_path=str(path)))


def _each(users: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
    """The items of each user as rows from 0; those of a user lie together."""
    return [history - 1 for history in np.split(items, np.flatnonzero(np.diff(users)) + 1)]


SYSTEMS = {"ours": ours, "rectools-torch": rectools, "replay": replay}

if __name__ == "__main__":
    main(SYSTEMS)
