"""Recommender: one user or many in, k items out; save, load; the engine only, no training framework."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from enterprise_recsys import artifact
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.live import Requests, State
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.indexes import Index
from enterprise_recsys.engine.overlay import Overlay
from enterprise_recsys.engine.runtime import Encoder, ItemEncoder, Scorer
from enterprise_recsys.errors import ArtifactError, ConfigError, MissingExtraError, UnknownItemError
from enterprise_recsys.records import ITEM_ID, USER_ID, Columns, Floats, Interactions, Ints, Ranked

if TYPE_CHECKING:
    import pandas as pd

PERSONAL, FROM_REQUEST, POPULAR = 0, 1, 2


class Recommendations(list[dict[str, object]]):
    """A list of `{"item_id", "score", "rank", ...}`, best first, which also says how it came about.

    Attributes:
        user_id: who it is for; None for a list without a user.
        fallback_level: 0 = personal; 1 = the model does not know the user, the answer rests on the history or the
            features at hand; 2 = nothing is known: popular items.
        model_version: the artifact that answered.
    """

    def __init__(
        self, items: Sequence[dict[str, object]], *, user_id: str | None, fallback_level: int, model_version: str
    ) -> None:
        super().__init__(items)
        self.user_id, self.fallback_level, self.model_version = user_id, fallback_level, model_version


@dataclass(frozen=True)
class Engine:
    """All that answers: frozen, of one version.

    Attributes:
        processor: vocabularies and features.
        encoder, scorer: the exported networks.
        index: over vectors [I, D], which stand here too.
        vectors: [I, D] item vectors, row 0 all zeros.
        depth: how many candidates the scorer sees.
        version: of the artifact.
        item_encoder: gives an item that came after training its vector.
    """

    processor: DataProcessor
    encoder: Encoder
    scorer: Scorer
    index: Index | Overlay
    vectors: Floats
    depth: int
    version: str
    item_encoder: ItemEncoder


class Recommender:
    """A trained two-stage recommender that answers; made by `ProductionTrainer.fit` or `Recommender.load`.

    Args:
        engine: the model.
        log: the events and users known so far; they stay out of the model's artifact.
    """

    def __init__(self, engine: Engine, log: Interactions) -> None:
        self.engine, self.log = engine, log
        self.state = State(engine.processor, log)
        self.item_columns: Columns = engine.processor.item_columns()
        self._popular = self.state.item_counts.astype(np.float32)

    def renew(self, engine: Engine, item_columns: Columns) -> None:
        """Answer from a changed catalogue or state; see `changing`."""
        self.engine, self.item_columns = engine, item_columns
        self._popular = self.state.item_counts.astype(np.float32)

    @property
    def model_version(self) -> str:
        """The version of the artifact that answers."""
        return self.engine.version

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.engine.processor.items) - 1

    @property
    def n_users(self) -> int:
        """Users of whom something is known."""
        return len(self.state.users) - 1

    def recommend(
        self,
        user_id: str | None,
        k: int = 10,
        *,
        history: Sequence[str] | None = None,
        user_features: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        exclude: Collection[str] = (),
        exclude_seen: bool = True,
        fields: Sequence[str] = (),
    ) -> Recommendations:
        """The k best items for one user, fewer only where the catalogue has no more.

        Args:
            user_id: an outside id; unknown ones are answered too (see `Recommendations.fallback_level`).
            k: at least 1.
            history: item ids, oldest first; replaces the history on record. Unknown ids are passed over.
            user_features: by column name (`user_age` ...); go over those on record.
            context: by column name (`device` ...).
            exclude: item ids to leave out.
            exclude_seen: leave out what the user has had.
            fields: columns of the catalogue to add to each item (`item_title`, or `title` for short).

        Raises:
            ConfigError: k < 1, or a field that the catalogue does not have.
        """
        self._check_k(k)
        names = self._fields(fields)
        known = str(user_id) if user_id is not None else None
        request = self.state.of_one(
            known,
            time.time_ns() // 1000,
            history=history,
            features=user_features,
            context=context,
            exclude=exclude,
            exclude_seen=exclude_seen,
        )
        level = self._levels(request, bool(user_features))[0]
        ranked = self.popular(request, k) if level == POPULAR else self.two_stage(request, k)
        return self._answer(ranked, known, int(level), names)

    def recommend_many(
        self, user_ids: Sequence[str], k: int = 10, *, frame: Literal["pandas", "polars"] = "pandas"
    ) -> pd.DataFrame | pl.DataFrame:
        """The lists of many users as a data frame `user_id, item_id, score, rank`, in the order of the users."""
        self._check_k(k)
        outside = [str(user_id) for user_id in user_ids]
        slots = self.state.users.rows(outside)
        parts = []
        for begin in range(0, len(slots), 1024):
            part = slots[begin : begin + 1024]
            parts.append(self.lists(self.state.of_users(part, np.full(len(part), time.time_ns() // 1000)), k))
        rows = np.concatenate([part.rows for part in parts]) if parts else np.zeros((0, k), dtype=np.int64)
        scores = np.concatenate([part.scores for part in parts]) if parts else np.zeros((0, k), dtype=np.float32)
        held = rows > 0
        users, ranks = np.nonzero(held)
        out = pl.DataFrame(
            {
                USER_ID: pl.Series(outside, dtype=pl.String).gather(users),
                ITEM_ID: self.engine.processor.items.of_rows(rows[held]),
                "score": scores[held],
                "rank": ranks + 1,
            }
        )
        if frame == "polars":
            return out
        try:
            return out.to_pandas()
        except ImportError as error:
            raise MissingExtraError(
                "pandas is not installed: pip install 'enterprise_recsys[train]', or ask for frame='polars'."
            ) from error

    def similar_items(self, item_id: str, k: int = 10, *, fields: Sequence[str] = ()) -> Recommendations:
        """The k items whose vectors are nearest to an item's (cosine).

        Raises:
            UnknownItemError: the catalogue does not hold the item.
        """
        self._check_k(k)
        names = self._fields(fields)
        row = self.engine.processor.items.row(str(item_id))
        if row == 0 or row in self.state.gone:
            raise UnknownItemError(
                f"item {item_id!r} is not in the catalogue of {self.n_items} items; ids are strings "
                "as in the training log."
            )
        found = self.engine.index.search(
            self.engine.vectors[[row]], min(k, self.n_items), np.array([0, 1]), np.array([row])
        )
        return self._answer(found, None, PERSONAL, names)

    # The stages, for B requests at once: what is evaluated is what is served. ---------------------------------------

    def retrieve(self, requests: Requests, k: int) -> Ranked:
        """The first stage alone: the k nearest items [B, k] by cosine."""
        queries = self.engine.encoder.encode(requests.columns, requests.history)
        return self.engine.index.search(queries, min(k, self.n_items), requests.offsets, requests.seen)

    def two_stage(self, requests: Requests, k: int) -> Ranked:
        """Both stages: candidates, scored by the ranker; scores are CTR probabilities."""
        found = self.retrieve(requests, max(self.engine.depth, k))
        columns = self.state.pair_columns(requests, self.item_columns, found.rows, found.scores)
        clicks, _ = self.engine.scorer.score(columns)
        scores = np.where(found.rows > 0, clicks.reshape(found.rows.shape), -np.inf).astype(np.float32)
        order = np.lexsort((found.rows, -scores), axis=1)[:, :k]
        return Ranked(np.take_along_axis(found.rows, order, axis=1), np.take_along_axis(scores, order, axis=1))

    def popular(self, requests: Requests, k: int) -> Ranked:
        """The most taken items, without what each request leaves out; scores are shares of the largest count."""
        size = len(requests.offsets) - 1
        scores = np.repeat((self._popular / max(float(self._popular.max()), 1.0))[None, :], size, axis=0)
        scores[np.repeat(np.arange(size), np.diff(requests.offsets)), requests.seen] = -np.inf
        scores[:, 0] = -np.inf
        rows = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, self.n_items)]
        best = np.take_along_axis(scores, rows, axis=1)
        return Ranked(np.where(np.isfinite(best), rows, 0), best)

    def candidates(self, requests: Requests, k: int) -> Ranked:
        """What a list of k is drawn from: what the ranker is handed, or popular items where nothing is known."""
        depth = max(self.engine.depth, k)
        found = self.retrieve(requests, depth)
        nothing = (self._levels(requests, False) == POPULAR)[:, None]
        if not nothing.any():
            return found
        popular = self.popular(requests, depth)
        return Ranked(np.where(nothing, popular.rows, found.rows), np.where(nothing, popular.scores, found.scores))

    def lists(self, requests: Requests, k: int) -> Ranked:
        """What each request is answered: both stages, or popular items where nothing is known."""
        levels = self._levels(requests, False)
        ranked = self.two_stage(requests, k)
        if (levels == POPULAR).any():
            popular = self.popular(requests, k)
            nothing = (levels == POPULAR)[:, None]
            return Ranked(
                np.where(nothing, popular.rows, ranked.rows), np.where(nothing, popular.scores, ranked.scores)
            )
        return ranked

    def _levels(self, requests: Requests, told: bool) -> Ints:
        known = np.asarray(requests.columns[USER_ID], dtype=np.int64) > 0
        hints = (requests.history > 0).any(axis=1) | told
        for feature in self.engine.processor.of("user"):
            if feature.kind == "category":
                hints |= np.asarray(requests.columns[feature.name], dtype=np.int64) > 0
        return np.where(known, PERSONAL, np.where(hints, FROM_REQUEST, POPULAR)).astype(np.int64)

    def _check_k(self, k: int) -> None:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ConfigError(f"k={k!r} is wrong: it should be a whole number of at least 1.")

    def _fields(self, fields: Sequence[str]) -> list[str]:
        columns = self.engine.processor.catalogue.columns
        names = [name if name in columns else f"item_{name}" for name in fields]
        for name, asked in zip(names, fields, strict=True):
            if name not in columns:
                raise ConfigError(f"field {asked!r} is unknown; the catalogue has: {', '.join(sorted(columns))}.")
        return names

    def _answer(self, ranked: Ranked, user_id: str | None, level: int, names: list[str]) -> Recommendations:
        held = ranked.rows[0] > 0
        rows, scores = ranked.rows[0][held], ranked.scores[0][held]
        ids = self.engine.processor.items.of_rows(rows).to_list()
        items: list[dict[str, object]] = [
            {"item_id": item, "score": float(score), "rank": rank}
            for rank, (item, score) in enumerate(zip(ids, scores, strict=True), start=1)
        ]
        for name in names:
            for item, value in zip(
                items, self.engine.processor.catalogue[name].gather(rows - 1).to_list(), strict=True
            ):
                item[name.removeprefix("item_") if name != ITEM_ID else name] = value
        return Recommendations(items, user_id=user_id, fallback_level=level, model_version=self.model_version)

    # On disk ---------------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write `folder/model` (the artifact, which holds no user's history) and `folder/state` (events and users).

        Each is written whole or not at all; what stood there before stays readable until then.
        """
        folder = Path(folder)
        artifact.publish(folder / "state", self._write_state, kind="state", meta={"events": len(self.log.events)})
        artifact.publish(
            folder / "model",
            self._write_model,
            kind="model",
            meta={"model_version": self.model_version, "items": self.n_items},
        )

    def _write_state(self, folder: Path) -> None:
        self.log.events.write_parquet(folder / "events.parquet")
        if self.log.users is not None:
            self.log.users.write_parquet(folder / "users.parquet")

    def _write_model(self, folder: Path) -> None:
        engine, processor = self.engine, self.engine.processor
        (folder / "config.json").write_text(processor.config.model_dump_json(indent=1))
        (folder / "schema.json").write_text(json.dumps({**processor.to_json(), "depth": engine.depth}))
        processor.users.ids.rename(USER_ID).to_frame().write_parquet(folder / "users.parquet")
        processor.catalogue.write_parquet(folder / "items.parquet")
        save_file(
            {
                "item_vectors": engine.vectors,
                "learnt_items": processor.learnt_items,
                "learnt_users": processor.learnt_users,
            },
            folder / "vectors.safetensors",
        )
        engine.index.save(folder / "index.faiss")
        (folder / "encoder.onnx").write_bytes(engine.encoder.data)
        (folder / "item_encoder.onnx").write_bytes(engine.item_encoder.data)
        (folder / "scorer.onnx").write_bytes(engine.scorer.data)

    @classmethod
    def load(cls, folder: Path | str, *, threads: int = 1) -> Recommender:
        """Read what `save` wrote; every file is checked against its hash before it is parsed.

        Args:
            folder: the folder given to `save`.
            threads: of ONNX Runtime, for one request at a time 1 is best.

        Raises:
            ArtifactError: the folder is absent, half-written, damaged, or of another format version.
        """
        folder = Path(folder)
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
            Scorer(model / "scorer.onnx", threads=threads),
            Index.load(model / "index.faiss"),
            tensors["item_vectors"],
            int(schema["depth"]),
            str(manifest.meta["model_version"]),
            ItemEncoder(model / "item_encoder.onnx", threads=threads),
        )
        users = pl.read_parquet(state / "users.parquet") if (state / "users.parquet").exists() else None
        return cls(engine, Interactions(pl.read_parquet(state / "events.parquet"), users))
