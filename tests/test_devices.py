"""Teaching on a GPU: what is named is used or refused, and what is learnt there is what the processor learns.

On a machine with a GPU: `CUDA_VISIBLE_DEVICES=0 pytest tests/test_devices.py`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ConfigError, ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.devices import CPU, bfloat16_pays, device_of, on, on_cpu, place_of, random_state
from enterprise_recsys.loop import Plan, Progress
from enterprise_recsys.ranking.losses import Goal
from enterprise_recsys.ranking.rows import Inputs, RowRanker
from enterprise_recsys.records import Columns, Floats, Ints
from enterprise_recsys.retrieval import losses, negatives
from enterprise_recsys.retrieval.history import HISTORIES
from enterprise_recsys.retrieval.retriever import Retriever
from enterprise_recsys.trainer import ProductionTrainer

PACKAGE = Path(__file__).resolve().parents[1] / "enterprise_recsys"
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="no GPU is seen; on a machine with one: CUDA_VISIBLE_DEVICES=0 pytest tests/test_devices.py",
)


def test_auto_is_the_processor_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == CPU
    assert list(random_state(CPU)) == ["random"]


def test_auto_is_the_first_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(device_of(name)) for name in ("auto", "cuda", "cuda:1")] == ["cuda:0", "cuda:0", "cuda:1"]
    with pytest.raises(ConfigError, match=r"device='cuda:2', but this PyTorch \(.*\) sees 2 GPUs; right is 'auto'"):
        device_of("cuda:2")


def test_a_gpu_that_is_not_there_is_refused_before_any_data_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    trainer = ProductionTrainer(ModelConfig(device="cuda"), progress=False)
    with pytest.raises(ConfigError, match=r"device='cuda', but this PyTorch \(.*\) sees no GPU; right is 'auto'"):
        trainer.fit("no frame at all")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU"])
def test_a_word_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"ModelConfig.device = .* is wrong"):
        ModelConfig(device=name)


def test_on_the_processor_nothing_changes() -> None:
    model = torch.nn.Linear(2, 2)
    with on(CPU):
        assert torch.get_float32_matmul_precision() == "highest" and torch.zeros(1).device == CPU
    assert on_cpu(model) is model and place_of(model) == CPU


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "retrieval").glob("*.py")) + sorted((PACKAGE / "ranking").glob("*.py"))
)
def test_what_teaches_asks_for_no_array_where_it_may_be_a_gpus(path: Path) -> None:
    """`from_numpy` always gives a tensor on the processor, and a bare `.numpy()` fails on a GPU's."""
    allowed = {"retriever.py": 1, "ranker.py": 1}  # before anything is on a device, and for an export
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [(call, call.func.attr) for call in calls if isinstance(call.func, ast.Attribute)]
    bare = [call.lineno for call, name in named if name == "numpy" and not call.keywords]
    made = [call.lineno for call, name in named if name == "from_numpy"]
    assert bare == [] and len(made) <= allowed.get(path.name, 0), (bare, made)


# On a GPU ---------------------------------------------------------------------------------------------------------

DIALS = {
    "embedding_dim": 32,
    "user_tower_dims": [32],
    "item_tower_dims": [32],
    "threads": 1,
    "dropout": 0.0,
    "history_length": 8,
    "history_cut": 0.0,
    "history_dropout": 0.0,
    "id_dropout": 0.0,
    "negatives": 1000,
    "negative_sampling_strategy": "random",
    "batch_size": 256,
    "learning_rate": 5e-3,
}
ITEMS = 48


def _log() -> pl.DataFrame:
    """Each item has one that follows it, in nine cases of ten."""
    generator = np.random.default_rng(0)
    follows, rows = generator.permutation(ITEMS), []
    for user in range(400):
        item = int(generator.integers(ITEMS))
        for place in range(9):
            rows.append((f"u{user}", f"i{item:02}", place * 3600))
            item = int(follows[item]) if generator.random() < 0.9 else int(generator.integers(ITEMS))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def _taught(epochs: int, **dials: object) -> tuple[Retriever, list[float]]:
    torch.use_deterministic_algorithms(True)
    config, log = ModelConfig(**{**DIALS, **dials}), to_interactions(_log())
    processor = DataProcessor(config).fit(log)
    retriever = Retriever(processor, config, processor.dataset(log))
    fit = retriever.fit(Plan("x", epochs, epochs, config.learning_rate, 0.0, averaging=0.9))
    return retriever, fit.losses


def _next(retriever: Retriever) -> Ints:
    """[I-1] what is likeliest after each item alone."""
    history = np.arange(1, ITEMS + 1)[:, None]
    columns = {name: np.zeros(ITEMS, np.int64) for name in ("user_id",)}
    columns["history_age_s"] = np.full((ITEMS, 1), 3600)
    vectors = retriever.item_vectors()
    scores = retriever.encode(columns, history) @ vectors[1:].T
    scores[np.arange(ITEMS), np.arange(ITEMS)] = -np.inf
    return scores.argmax(axis=1) + 1


@needs_gpu
@pytest.mark.parametrize("history", sorted(HISTORIES))
@pytest.mark.parametrize("is_drawn", [False, True], ids=["exact", "drawn"])
def test_a_gpu_learns_what_the_processor_learns(history: str, is_drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_drawn:
        monkeypatch.setattr(losses, "EXACT_ITEMS", 5)
        monkeypatch.setattr("enterprise_recsys.retrieval.sequences._ALL", 0)
        monkeypatch.setattr(negatives, "LARGE_ROWS", 1)
        monkeypatch.setattr("enterprise_recsys.rowwise.LARGE_ROWS", 1)
        monkeypatch.setattr("enterprise_recsys.retrieval.fold_in.CROWD", 16)
    monkeypatch.setattr("enterprise_recsys.retrieval.sequences._UNTOLD", 0.0)  # drawn with the device's own dice
    told = {device: _taught(10, history=history, device=device) for device in ("cpu", "cuda")}
    (_, by_cpu), (retriever, by_gpu) = told["cpu"], told["cuda"]
    assert place_of(retriever.model).type == "cuda"
    assert by_gpu[0] == pytest.approx(by_cpu[0], rel=0.03), "the same start and the same first epoch"
    assert by_gpu[-1] == pytest.approx(by_cpu[-1], rel=0.1)
    if history in ("transformer", "gru"):
        agreed = (_next(told["cpu"][0]) == _next(retriever)).mean()
        assert agreed > 0.85


@needs_gpu
@pytest.mark.parametrize("history", sorted(HISTORIES))
def test_a_gpu_repeats_itself_to_the_bit(history: str) -> None:
    (one, first), (other, second) = (_taught(2, history=history, device="cuda", dropout=0.1) for _ in range(2))
    assert first == second and np.array_equal(one.item_vectors(), other.item_vectors())


@needs_gpu
@pytest.mark.parametrize("history", ["mean", "transformer", "fold_in"])
@pytest.mark.parametrize("training", ["staged", "joint"])
def test_a_whole_fit_on_a_gpu_gives_a_model_for_the_processor(
    history: str, training: str, parts: Split, tmp_path: Path
) -> None:
    dials = {"history": history, "training": training, "epochs": 4, "ranker_epochs": 2, "threads": 1, "device": "cuda"}
    dials |= {"embedding_dim": 16, "user_tower_dims": [32, 16], "item_tower_dims": [32, 16], "candidates": 50}
    trainer = ProductionTrainer(ModelConfig(**dials, learning_rate=5e-3), progress=False).fit(parts.train, parts.val)
    found = trainer.evaluate(parts.test)
    assert found["two_stage/NDCG@10"] > 0.7 * found["popularity/NDCG@10"] > 0
    before = [one["item_id"] for one in trainer.recommend("u1", k=5)]
    trainer.save(tmp_path / "model")
    assert [one["item_id"] for one in ProductionTrainer.load(tmp_path / "model").recommend("u1", k=5)] == before


@needs_gpu
def test_an_interrupted_fit_on_a_gpu_goes_on_to_the_same_bits(parts: Split, tmp_path: Path) -> None:
    dials = {"history": "transformer", "epochs": 3, "ranker_epochs": 2, "threads": 1, "device": "cuda", "refit": False}

    def fit(folder: Path | None, stop: bool) -> Floats:
        def report(progress: Progress) -> None:
            if stop and progress.epoch == 3:
                raise KeyboardInterrupt

        trainer = ProductionTrainer(ModelConfig(**dials), progress=report)
        trainer.fit(parts.train, parts.val, checkpoint=folder)
        return trainer.recommender.engine.vectors

    whole = fit(None, False)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, True)
    assert np.array_equal(fit(tmp_path, False), whole)


class _Rows(dict[str, np.ndarray]):
    """Columns that are held whole."""

    def __len__(self) -> int:
        return len(self["user"])

    def columns(self, places: Ints) -> Columns:
        return {name: column[places] for name, column in self.items()}


@needs_gpu
def test_rows_are_learnt_on_a_gpu() -> None:
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 30, (2, 20_000))
    tastes = generator.normal(size=(2, 30))
    clicked = (3.0 * tastes[0][users] * tastes[1][items] > 0).astype(np.float64)
    config = ModelConfig(ranking_dim=4, ranking_dims=(16, 8), batch_size=256, learning_rate=0.01, device="cuda")
    ranker = RowRanker(Inputs({"user": 30, "item": 30}, {}, []), config, {"click": Goal("ctr")})
    ranker.fit(_Rows(user=users, item=items), {"click": clicked}, validate=None, epochs=4)
    said = ranker.predict(_Rows(user=users, item=items))["click"]
    assert ((said > 0) == (clicked > 0)).mean() > 0.9 and bfloat16_pays(ranker.device) == ranker.model.is_half
