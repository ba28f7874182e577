"""DCN-v2 on rows of eight fields: ours, torch-rechub's, DeepCTR-Torch's, and FuxiCTR's parts put together.

Three cross layers of full rank beside layers of 256 and 128 with batch normalisation, embeddings of 16, 4,096 rows a
step, Adam with 1e-3, no penalty; each reads its rows by its own loader and starts from its own first weights. The file
holds columns `train/NAME` and `test/NAME` of whole numbers, 0 = not known, lists as [R, M]; `train/label` is 0 or 1.

An answer holds what each row of test is given, higher = likelier: [R].
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from epochs import Data, Epochs, main

WIDTH, DIMS, CROSS, BATCH, RATE = 16, (256, 128), 3, 4096, 1e-3
LABEL = "label"
ENDLESS = 10_000
"""Epochs: the caller's number ends the training before."""


def columns(data: Data, part: str) -> dict[str, np.ndarray]:
    """The fields of a part by name."""
    found = {name.split("/")[1]: column for name, column in data.items() if name.startswith(f"{part}/")}
    return {name: column for name, column in found.items() if name != LABEL}


def sizes(data: Data) -> dict[str, int]:
    """Rows that the table of each field needs."""
    train, test = columns(data, "train"), columns(data, "test")
    return {name: int(max(train[name].max(), test[name].max())) + 1 for name in train}


def ours(data: Data, epochs: Epochs, *, start: float | None = None) -> None:
    """As `recsys bench quality --system dcn_v2` teaches it, but for the dials above and no running mean.

    Args:
        data, epochs: see `epochs.main`.
        start: deviation of the first embeddings; None: as ours has it, .01 for ids and .1 for other fields.
    """
    import torch

    from enterprise_recsys.config import ModelConfig
    from enterprise_recsys.protocols.networks import FIXED
    from enterprise_recsys.ranking.losses import Goal
    from enterprise_recsys.ranking.rows import Inputs, RowRanker

    class Table(dict[str, np.ndarray]):
        def __len__(self) -> int:
            return len(next(iter(self.values())))

        def columns(self, places: np.ndarray) -> dict[str, np.ndarray]:
            return {name: column[places] for name, column in self.items()}

    same = {"ranking_network": "dcn_v2", "ranking_dim": WIDTH, "ranking_dims": DIMS, "cross_layers": CROSS}
    rest = {"batch_size": BATCH, "threads": 1, "learning_rate": RATE, "ranking_l2": 0.0, "ranker_average": 0.0}
    config = ModelConfig(**{**FIXED, **same, **rest, "epochs": ENDLESS, "patience": ENDLESS})
    torch.set_num_threads(config.threads)
    train, test = Table(columns(data, "train")), Table(columns(data, "test"))
    flat = {name: size for name, size in sizes(data).items() if train[name].ndim == 1}
    lists = {name: size for name, size in sizes(data).items() if train[name].ndim == 2}
    ranker = RowRanker(Inputs(flat, lists, [], dropped=["user_id", "item_id"]), config, {"click": Goal("ctr")})
    if start is not None:
        for table in ranker.model.embedding.tables.values():
            torch.nn.init.normal_(table.weight, std=start)

    def validate() -> float:
        epochs.end(lambda: ranker.predict(test)["click"])
        return 0.0

    epochs.begin()
    ranker.fit(train, {"click": data["train/label"].astype(np.float64)}, validate=validate, epochs=config.epochs)


def torch_rechub(data: Data, epochs: Epochs) -> None:
    """`DCNv2` with its `CTRTrainer` and the loaders of its `DataGenerator`."""
    import torch
    from torch_rechub.basic.features import SequenceFeature, SparseFeature
    from torch_rechub.models.ranking import DCNv2
    from torch_rechub.trainers import CTRTrainer
    from torch_rechub.utils.data import DataGenerator

    torch.manual_seed(0)
    train, test, rows = columns(data, "train"), columns(data, "test"), sizes(data)
    features = [
        SparseFeature(name, rows[name], WIDTH)
        if train[name].ndim == 1
        else SequenceFeature(name, rows[name], WIDTH, pooling="mean", padding_idx=0)
        for name in train
    ]
    nothing = np.zeros(len(next(iter(test.values()))))
    loader, _, asked = DataGenerator(train, data["train/label"]).generate_dataloader(
        x_val=test, y_val=nothing, x_test=test, y_test=nothing, batch_size=BATCH
    )
    made = DCNv2(features, CROSS, {"dims": list(DIMS)}, use_low_rank_mixture=False)
    trainer = CTRTrainer(made, optimizer_params={"lr": RATE})
    epochs.begin()
    while True:
        trainer.train_one_epoch(loader)
        epochs.end(lambda: np.array(trainer.predict(made, asked)))


def deepctr_torch(data: Data, epochs: Epochs) -> None:
    """`DCN` with a matrix for its cross layers, and no linear part."""
    from deepctr_torch.callbacks import Callback
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
    from deepctr_torch.models import DCN

    train, test = columns(data, "train"), columns(data, "test")
    features = []
    for name, size in sizes(data).items():
        table = SparseFeat(name, size, embedding_dim=WIDTH)
        is_list = train[name].ndim == 2
        features.append(VarLenSparseFeat(table, train[name].shape[1], "mean") if is_list else table)
    free = dict.fromkeys(("l2_reg_linear", "l2_reg_embedding", "l2_reg_cross", "l2_reg_dnn"), 0)
    dials = {"cross_parameterization": "matrix", "dnn_hidden_units": DIMS, "dnn_use_bn": True}
    made = DCN([], features, cross_num=CROSS, **dials, **free)
    made.compile("adam", "binary_crossentropy")

    class Watch(Callback):
        def on_train_begin(self, logs: object = None) -> None:
            epochs.begin()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            epochs.end(lambda: made.predict(dict(test), BATCH).ravel())
            made.train()

    made.fit(train, data["train/label"], batch_size=BATCH, epochs=ENDLESS, verbose=0, callbacks=[Watch()])


def fuxictr(data: Data, epochs: Epochs) -> None:
    """Its embedding, cross and dense layers as the DCNv2 of its repository joins them; the package lacks that model."""
    import torch
    from fuxictr.features import FeatureMap
    from fuxictr.pytorch.dataloaders.npz_dataloader import NpzDataLoader
    from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, MLP_Block
    from fuxictr.pytorch.models import BaseModel

    torch.manual_seed(0)
    train, test, rows = columns(data, "train"), columns(data, "test"), sizes(data)
    told = FeatureMap("rows", "")
    told.labels, told.default_emb_dim = [LABEL], WIDTH
    pooled = {"type": "sequence", "padding_idx": 0, "feature_encoder": "layers.MaskedAveragePooling()"}
    for name, size in rows.items():
        shape = train[name].shape
        kind = {"type": "categorical"} if len(shape) == 1 else {**pooled, "max_len": shape[1]}
        told.features[name] = {"source": "", "vocab_size": size, **kind}
    told.num_fields = len(rows)
    told.set_column_index()

    class DCNv2(BaseModel):
        def __init__(self) -> None:
            super().__init__(told, verbose=0, model_root="", metrics=["AUC"])
            width = told.sum_emb_out_dim()
            self.embedding_layer = FeatureEmbedding(told, WIDTH)
            self.crossnet = CrossNetV2(width, CROSS)
            self.deep = MLP_Block(width, list(DIMS), hidden_activations="ReLU", batch_norm=True)
            self.fc = torch.nn.Linear(width + DIMS[-1], 1)
            self.compile("adam", "binary_crossentropy", RATE)
            self.reset_parameters()

        def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            row = self.embedding_layer(self.get_inputs(inputs), flatten_emb=True)
            joined = torch.cat([self.crossnet(row), self.deep(row)], dim=-1)
            return {"y_pred": self.output_activation(self.fc(joined))}

        def eval_step(self) -> None:
            epochs.end(lambda: self.predict(asked))
            self.train()

    made = DCNv2()
    with TemporaryDirectory() as folder:
        learnt, later = (str(Path(folder) / f"{name}.npz") for name in ("train", "test"))
        np.savez(learnt, **train, label=data["train/label"])
        np.savez(later, **test, label=np.zeros(len(next(iter(test.values())))))
        loader = NpzDataLoader(told, learnt, batch_size=BATCH, shuffle=True, num_workers=0)
        asked = NpzDataLoader(told, later, batch_size=BATCH, num_workers=0)
        epochs.begin()
        made.fit(loader, epochs=ENDLESS)


SYSTEMS = {
    "ours": ours,
    "ours-small-start": partial(ours, start=1e-4),
    "torch-rechub": torch_rechub,
    "deepctr-torch": deepctr_torch,
    "fuxictr": fuxictr,
}
"""The others all start their embeddings with a deviation of 1e-4."""

if __name__ == "__main__":
    main(SYSTEMS)
