"""A recommender service as tutorials show it: PyTorch modules, a flat FAISS index, pandas for features, FastAPI.

The same weights and vectors as ours, and the same number of candidates; no live events, filters, rules, log or metrics.
Run by `python benchmarks/serving.py --peer`, which names the model's folder in RECSYS_ARTIFACT.
"""

from __future__ import annotations

import os
from pathlib import Path

import faiss
import numpy as np
import onnx
import pandas as pd
import torch
from fastapi import FastAPI
from onnx import numpy_helper
from pydantic import BaseModel
from torch import nn

from enterprise_recsys import artifact
from enterprise_recsys.recommender import Recommender

torch.set_num_threads(1)
FOLDER = Path(os.environ["RECSYS_ARTIFACT"])


def weights(name: str) -> dict[str, torch.Tensor]:
    """The trained weights, by the names that they had in PyTorch."""
    model, _ = artifact.opened(FOLDER / "model", kind="model")
    graph = onnx.load(model / f"{name}.onnx").graph
    return {
        one.name.removeprefix("model."): torch.from_numpy(numpy_helper.to_array(one).copy())
        for one in graph.initializer
    }


class UserTower(nn.Module):
    """Two steps from what the user's features say towards the items of the history, away from what all items are like.

    It is the part `fold_in` of our towers, written as one would by hand; others have no such service beside them.
    """

    def __init__(self, told: dict[str, torch.Tensor], temperature: float) -> None:
        super().__init__()
        if "history.start" not in told or "user_sum.tower.0.weight" not in told:
            raise SystemExit("the plain service knows the history 'fold_in' alone; train with --history fold_in.")
        self.items, self.temperature = nn.Embedding.from_pretrained(told["table"]), temperature
        prefix = "user_sum.embedding.tables."
        names = [one.removeprefix(prefix).removesuffix(".weight") for one in told if one.startswith(prefix)]
        self.tables = nn.ModuleDict({one: nn.Embedding.from_pretrained(told[f"{prefix}{one}.weight"]) for one in names})
        self.first, self.second = (layer(told, f"user_sum.tower.{place}") for place in (0, 3))
        self.start = told["history.start"]
        rows = told.get("history.crowd_rows", torch.arange(1, len(told["table"])))
        self.crowd, self.weights = told["table"][rows], told.get("history.crowd_weights", torch.zeros(len(rows)))

    def forward(self, rows: dict[str, torch.Tensor], numbers: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        features = [table(rows[name]) for name, table in self.tables.items()]
        told = self.second(torch.relu(self.first(torch.cat([*features, numbers], dim=1))))
        query = nn.functional.normalize(self.start + told, dim=1)
        mask = (history > 0).unsqueeze(-1).float()
        taken, count = (self.items(history) * mask).sum(1), mask.sum(1)
        for _ in range(2):
            shares = torch.softmax(query @ self.crowd.T / self.temperature + self.weights, dim=1)
            step = 1.5 * (taken - count * (shares @ self.crowd)) / (count + 1.0)
            query = nn.functional.normalize(query + step, dim=1)
        return query


def layer(told: dict[str, torch.Tensor], name: str) -> nn.Linear:
    """A linear layer with trained weights."""
    weight, bias = told[f"{name}.weight"], told[f"{name}.bias"]
    made = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(bias)
    return made.eval()


class Ranker(nn.Module):
    """A Deep & Cross Network of the same size as ours over one row a candidate."""

    def __init__(self, tables: dict[str, int], numbers: int, width: int = 16) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.Embedding(rows, width) for name, rows in tables.items()})
        size = width * len(tables) + numbers
        self.crosses = nn.ModuleList(nn.Linear(size, size) for _ in range(2))
        self.deep = nn.Sequential(nn.Linear(size, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.head = nn.Linear(size + 64, 1)

    def forward(self, rows: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        parts = [table(rows[:, place]) for place, table in enumerate(self.tables.values())]
        first = crossed = torch.cat([*parts, numbers], dim=1)
        for cross in self.crosses:
            crossed = first * cross(crossed) + crossed
        return torch.sigmoid(self.head(torch.cat([crossed, self.deep(first)], dim=1)))[:, 0]


class Asked(BaseModel):
    user_id: str
    k: int = 10
    surface: str = "home"


class Shown(BaseModel):
    item_id: str
    score: float


class Answered(BaseModel):
    user_id: str
    items: list[Shown]


class Service:
    """What is loaded at the start; the preparation is borrowed from our own artifact, the way of answering is not."""

    def __init__(self) -> None:
        ours = Recommender.load(FOLDER)
        processor, state = ours.engine.processor, ours.state
        if processor.config.temperature is None:
            raise SystemExit("the plain service needs to be told the temperature; train with --set temperature=0.12.")
        self.tower = UserTower(weights("encoder"), processor.config.temperature)
        self.vectors = ours.engine.vectors
        self.index = faiss.IndexFlatIP(self.vectors.shape[1])
        self.index.add(self.vectors[1:])
        flat = {name: column for name, column in ours.item_columns.items() if column.ndim == 1}
        self.items = pd.DataFrame({"item_row": np.arange(len(self.vectors)), **flat})
        self.items["popularity"] = np.log1p(state.item_counts)
        self.user_columns = {name: column for name, column in state._columns.items() if column.ndim == 1}
        self.slots = {str(one): slot for slot, one in enumerate(state.users.ids.to_list(), start=1)}
        self.histories = state.histories
        self.length, self.candidates = state.length, ours.engine.depth
        self.ids = processor.items.ids.to_list()
        self.categories = [one for one in self.items if self.items[one].dtype == np.int64 and one != "item_row"]
        self.categories += [one for one in self.user_columns if self.user_columns[one].dtype == np.int64]
        self.numbers = [one for one in self.items if self.items[one].dtype.kind == "f"]
        self.numbers += [one for one in self.user_columns if self.user_columns[one].dtype.kind == "f"]
        sizes = {one: int(self._column(one).max()) + 1 for one in self.categories}
        self.ranker = Ranker(sizes, len(self.numbers) + 1).eval()

    def _column(self, name: str) -> np.ndarray:
        return self.items[name].to_numpy() if name in self.items else self.user_columns[name]

    def answer(self, user_id: str, k: int) -> list[Shown]:
        slot = self.slots.get(user_id, 0)
        end = np.array([self.histories.starts[slot + 1] if slot else 0])
        history = self.histories.last(np.array([slot]), end, self.length)
        seen = set(self.histories.items[self.histories.starts[slot] : end[0]].tolist()) if slot else set()
        own = {name: column[slot] for name, column in self.user_columns.items()}
        with torch.no_grad():
            rows = {name: torch.tensor([int(own[name])]) for name in self.tower.tables}
            numbers = torch.tensor([[float(own[name]) for name in own if self.user_columns[name].dtype.kind == "f"]])
            query = self.tower(rows, numbers, torch.from_numpy(history)).numpy()
            scores, found = self.index.search(query, self.candidates + len(seen))
            frame = pd.DataFrame({"item_row": found[0] + 1, "retrieval_score": scores[0]})
            frame = frame[~frame["item_row"].isin(seen)].head(self.candidates).merge(self.items, on="item_row")
            for name, value in own.items():
                frame[name] = value
            frame["score"] = self.ranker(
                torch.from_numpy(frame[self.categories].to_numpy(dtype=np.int64)),
                torch.from_numpy(frame[[*self.numbers, "retrieval_score"]].to_numpy(dtype=np.float32)),
            ).numpy()
        best = frame.sort_values("score", ascending=False).head(k)
        return [
            Shown(item_id=self.ids[row - 1], score=score)
            for row, score in zip(best["item_row"], best["score"], strict=True)
        ]


app = FastAPI()
service = Service()


@app.post("/v1/recommend", response_model=Answered)
async def recommend(asked: Asked) -> Answered:
    """A user's list."""
    return Answered(user_id=asked.user_id, items=service.answer(asked.user_id, asked.k))


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """That it is loaded."""
    return {"status": "ready"}
