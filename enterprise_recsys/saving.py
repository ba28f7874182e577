"""Saving: the engine as an artifact and the log as a state, in a folder; and both read back."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from enterprise_recsys import artifact
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine import blending
from enterprise_recsys.engine.calibration import Calibration
from enterprise_recsys.engine.indexes import Index
from enterprise_recsys.engine.neighbours import HALF_LIFE, Neighbours, Related
from enterprise_recsys.engine.runtime import Encoder, ItemEncoder, Scorer
from enterprise_recsys.errors import ArtifactError
from enterprise_recsys.finding import Engine
from enterprise_recsys.records import USER_ID, Interactions


def save(folder: Path, engine: Engine, log: Interactions) -> None:
    """Write `folder/state` and `folder/model`, each whole or not at all; see `Recommender.save`."""
    artifact.publish(
        folder / "state", lambda part: _write_state(log, part), kind="state", meta={"events": len(log.events)}
    )
    artifact.publish(
        folder / "model",
        lambda part: _write_model(engine, part),
        kind="model",
        meta={
            "model_version": engine.version,
            "items": len(engine.processor.items) - 1,
            "compared": engine.compared,
            **({"tasks": list(engine.scorer.tasks)} if engine.scorer.tasks else {}),
        },
    )


def _write_state(log: Interactions, folder: Path) -> None:
    log.events.write_parquet(folder / "events.parquet")
    if log.users is not None:
        log.users.write_parquet(folder / "users.parquet")


def _write_model(engine: Engine, folder: Path) -> None:
    processor = engine.processor
    (folder / "config.json").write_text(processor.config.model_dump_json(indent=1))
    (folder / "schema.json").write_text(json.dumps(processor.to_json()))
    processor.users.ids.rename(USER_ID).to_frame().write_parquet(folder / "users.parquet")
    processor.catalogue.write_parquet(folder / "items.parquet")
    save_file(
        {
            "item_vectors": engine.vectors,
            "neighbour_rows": engine.related.neighbours.rows,
            "neighbour_weights": engine.related.neighbours.weights,
            **_followers(engine.related),
            "learnt_items": processor.learnt_items,
            "learnt_users": processor.learnt_users,
        },
        folder / "vectors.safetensors",
    )
    # It writes for its owner alone; a container reads a mounted model as somebody else, and the other files let it.
    shutil.copymode(folder / "config.json", folder / "vectors.safetensors")
    engine.index.save(folder / "index.faiss")
    (folder / "encoder.onnx").write_bytes(engine.encoder.data)
    (folder / "item_encoder.onnx").write_bytes(engine.item_encoder.data)
    (folder / "scorer.onnx").write_bytes(engine.scorer.data)
    (folder / "calibration.json").write_text(json.dumps(asdict(engine.scorer.calibration)))
    if engine.scorer.tasks:
        (folder / "tasks.json").write_text(json.dumps(blending.to_json(engine.scorer.tasks)))


def _followers(related: Related) -> dict[str, np.ndarray]:
    if not related.follows:
        return {}
    return {"follower_rows": related.followers.rows, "follower_weights": related.followers.weights}


def _related(tensors: dict[str, np.ndarray]) -> Related:
    near = Neighbours(tensors["neighbour_rows"], tensors["neighbour_weights"])
    if "follower_rows" not in tensors:
        return Related(near, Neighbours.none(len(near.rows)))
    return Related(near, Neighbours(tensors["follower_rows"], tensors["follower_weights"], HALF_LIFE))


def load(folder: Path, *, threads: int) -> tuple[Engine, Interactions]:
    """Read what `save` wrote; see `Recommender.load`.

    Raises:
        ArtifactError: the folder is absent, half-written, damaged, or of another format version.
    """
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is no folder; train first: recsys train --data world --out {folder}")
    model, manifest = artifact.opened(folder / "model", kind="model")
    state, _ = artifact.opened(folder / "state", kind="state")
    config = ModelConfig(**json.loads((model / "config.json").read_text()))
    schema = json.loads((model / "schema.json").read_text())
    tensors = load_file(model / "vectors.safetensors")
    processor = DataProcessor(config).restore(
        schema,
        pl.read_parquet(model / "users.parquet")[USER_ID],
        pl.read_parquet(model / "items.parquet"),
        tensors["learnt_users"],
        tensors["learnt_items"],
    )
    engine = Engine(
        processor,
        Encoder(model / "encoder.onnx", threads=threads),
        Scorer(
            model / "scorer.onnx",
            threads=threads,
            calibration=Calibration(**json.loads((model / "calibration.json").read_text())),
            tasks=blending.from_json(json.loads((model / "tasks.json").read_text())) if config.tasks else None,
        ),
        Index.load(model / "index.faiss", width=tensors["item_vectors"].shape[1]),
        tensors["item_vectors"],
        _related(tensors),
        str(manifest.meta["model_version"]),
        ItemEncoder(model / "item_encoder.onnx", threads=threads),
        int(str(manifest.meta["compared"])),
    )
    users = pl.read_parquet(state / "users.parquet") if (state / "users.parquet").exists() else None
    return engine, Interactions(pl.read_parquet(state / "events.parquet"), users)
