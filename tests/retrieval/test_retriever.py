"""What a user has taken is never a negative of his."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ModelConfig, rowwise
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.engine.runtime import Encoder, _Network
from enterprise_recsys.loop import Plan
from enterprise_recsys.records import Columns, Floats
from enterprise_recsys.retrieval import alternating, sequences
from enterprise_recsys.retrieval.retriever import Retriever
from enterprise_recsys.retrieval.single import SingleEvents
from tests.conftest import SMALL


def test_hits_are_masked_as_brute_force_says(parts: Split) -> None:
    config = ModelConfig(**SMALL)
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    events = retriever.dataset.events
    index = np.arange(0, len(events), 37)
    rows = torch.from_numpy(np.random.default_rng(0).integers(1, retriever.dataset.n_items, 60))  # some drawn twice
    mask = retriever.lessons.hits(events.users[index], torch.from_numpy(events.items[index]), rows)
    taken = {(user, item) for user, item in zip(events.users.tolist(), events.items.tolist(), strict=True)}
    expected = [[(user, row) in taken for row in rows.tolist()] for user in events.users[index].tolist()]
    assert mask.tolist() == expected and mask.any() and not mask.all()


def test_unit_vectors_come_out_and_row_0_is_nothing(parts: Split) -> None:
    config = ModelConfig(**SMALL)
    processor = DataProcessor(config).fit(parts.train)
    vectors = Retriever(processor, config, processor.dataset(parts.train)).item_vectors()
    assert np.allclose(np.linalg.norm(vectors[1:], axis=1), 1.0, atol=1e-5) and not vectors[0].any()


@pytest.mark.parametrize(
    ("history", "length"), [("transformer", 40), ("gru", 40), ("fold_in", 40), ("mean", 1), ("attention", 40)]
)
def test_the_exported_tower_says_what_torch_says_of_long_and_short_histories(
    parts: Split, tmp_path: Path, history: str, length: int
) -> None:
    config = ModelConfig(**{**SMALL, "history": history, "history_length": length, "heads": 2})
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    if history in ("transformer", "gru"):
        retriever.fit(Plan("made", 1, 1, 1e-2, 0.0))
    retriever.export(tmp_path / "encoder.onnx")
    rows = np.random.default_rng(0).integers(1, retriever.dataset.n_items, (7, length))
    for place, holes in enumerate([0, 3, 24, 25, 39, 40, 40]):
        rows[place, :holes] = 0
    rows[0, 5:9] = 0  # a hole in the middle, as an item that the towers never knew leaves one
    columns = {name: column[[1, 2, 3, 4, 5, 6, 0]] for name, column in retriever.dataset.users.items()}
    columns["history_age_s"] = np.sort(np.random.default_rng(0).integers(0, 10**8, rows.shape), axis=1)[:, ::-1].copy()
    columns["history_age_s"][:, -8:] = [16, 12, 9, 6, 4, 2, 1, 0][-length:]  # at the bounds of the shortest gaps
    vectors, encoder = retriever.encode(columns, rows), Encoder(tmp_path / "encoder.onnx", threads=1)
    together = encoder.encode(columns, rows)
    assert np.abs(together - vectors).max() < 1e-5
    assert np.abs(vectors[1] - vectors[2]).max() > 1e-4 or length == 1, "what was taken tells users apart"
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for place in range(7):
        alone = encoder.encode({name: column[[place]] for name, column in columns.items()}, rows[[place]])
        assert np.abs(alone - together[place]).max() < 1e-6, "nobody's vector depends on the others' histories"
    if retriever.model.is_lifted:
        assert np.abs(vectors[5] - vectors[6]).max() > 1e-4, "without a past, features tell users apart"
        later = {**columns, "history_age_s": columns["history_age_s"] + 86_400}
        changed = np.abs(retriever.encode(later, rows) - vectors).max(axis=1)
        assert (changed[:5] > 1e-4).all() and not changed[5:].any(), "how long somebody was away counts, if ever there"


@pytest.mark.parametrize(
    ("history", "sees"), [("transformer", 5), ("gru", 5), ("mean", 5), ("attention", 5), ("fold_in", 30)]
)
def test_what_goes_by_order_sees_the_newest_events_and_fold_in_all(
    parts: Split, tmp_path: Path, history: str, sees: int
) -> None:
    config = ModelConfig(**{**SMALL, "history": history, "history_length": 30, "sequence_length": 5})
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    retriever.export(tmp_path / "encoder.onnx")
    rows = np.tile(np.random.default_rng(0).integers(1, retriever.dataset.n_items, 30), (31, 1))
    for place in range(30):  # each line but the last has another item at one place
        rows[place, place] = rows[place, place] % (retriever.dataset.n_items - 1) + 1
    columns = {name: column[np.ones(31, dtype=int)] for name, column in retriever.dataset.users.items()}
    columns["history_age_s"] = np.tile(np.arange(30)[::-1], (31, 1))
    for vectors in (
        retriever.encode(columns, rows),
        Encoder(tmp_path / "encoder.onnx", threads=1).encode(columns, rows),
    ):
        moved = np.abs(vectors[:-1] - vectors[-1]).max(axis=1) > 1e-6
        assert moved.tolist() == [False] * (30 - sees) + [True] * sees


@pytest.mark.parametrize("history", ["fold_in", "transformer"])
def test_features_of_users_begin_small_and_are_learnt(parts: Split, history: str) -> None:
    config = ModelConfig(**{**SMALL, "history": history})
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    columns = {name: column[:64] for name, column in retriever.dataset.users.items()}
    columns["history_age_s"] = np.zeros((64, 1), dtype=np.int64)
    nobody = np.zeros((64, 1), dtype=np.int64)

    def apart() -> float:
        return float(retriever.encode(columns, nobody).std(axis=0).max())

    before = apart()
    retriever.fit(Plan("made", 2, 2, 1e-2, 0.0))
    assert 0 < before < 0.05 and apart() > 0.1


@pytest.mark.parametrize("history", ["mean", "attention", "fold_in", "transformer"])
def test_tables_taught_by_rows_give_the_towers_that_whole_ones_give(
    parts: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str
) -> None:
    monkeypatch.setattr(alternating, "is_exact", lambda items, queries: False)
    monkeypatch.setattr(sequences, "_ALL", 0)
    config = ModelConfig(**{**SMALL, "history": history, "history_length": 20, "negatives": 8})
    processor, taught = DataProcessor(config).fit(parts.train), []
    for least in (rowwise.LARGE_ROWS, 1):
        monkeypatch.setattr(rowwise, "LARGE_ROWS", least)
        retriever = Retriever(processor, config, processor.dataset(parts.train))
        before = retriever.item_vectors()
        retriever.fit(Plan("made", 1, 1, 1e-3, 0.0, averaging=0.9))
        taught.append(retriever.item_vectors())
    assert any(table.sparse for table in retriever.model.modules() if isinstance(table, rowwise.Table))
    assert np.abs(taught[0] - before).max() > 0.03 and np.abs(taught[1] - taught[0]).max() < 2e-3
    if history not in ("mean", "attention"):
        return  # no large table is exported
    retriever.export(tmp_path / "encoder.onnx")
    columns = {name: column[:3] for name, column in retriever.dataset.users.items()}
    rows = np.array([[0, 1, 2], [3, 4, 5], [0, 0, 0]])
    exported = Encoder(tmp_path / "encoder.onnx", threads=1).encode(columns, rows)
    assert np.abs(exported - retriever.encode(columns, rows)).max() < 1e-5


def test_the_tower_is_shown_no_more_empty_places_than_a_history_needs(
    parts: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(**{**SMALL, "history_length": 40})
    processor = DataProcessor(config).fit(parts.train)
    retriever = Retriever(processor, config, processor.dataset(parts.train))
    retriever.export(tmp_path / "encoder.onnx")
    encoder, shown = Encoder(tmp_path / "encoder.onnx", threads=1), []
    run = _Network.run

    def listen(network: _Network, columns: Columns, *, chunk: int) -> list[Floats]:
        shown.append(columns["history"].shape)
        return run(network, columns, chunk=chunk)

    monkeypatch.setattr(_Network, "run", listen)
    rows = np.zeros((6, 40), dtype=np.int64)
    for place, past in enumerate([0, 16, 17, 32, 33, 40]):
        rows[place, 40 - past :] = 1
    columns = {name: column[:6] for name, column in retriever.dataset.users.items()}
    columns["history_age_s"] = np.zeros_like(rows)
    assert encoder.encode(columns, rows).shape == (6, retriever.item_vectors().shape[1])
    assert shown == [(2, 16), (2, 32), (2, 40)]
    assert encoder.encode({name: column[:0] for name, column in columns.items()}, rows[:0]).size == 0


@pytest.mark.parametrize("history", ["transformer", "gru", "fold_in"])
def test_who_goes_by_the_history_knows_no_user_by_id(parts: Split, history: str) -> None:
    config = ModelConfig(**{**SMALL, "history": history})
    processor = DataProcessor(config).fit(parts.train)
    model = Retriever(processor, config, processor.dataset(parts.train)).model
    assert "user_id" not in model.user_names and "item_id" in model.item_names


def test_lifted_vectors_are_of_length_1_and_order_items_as_the_dot_products_do(parts: Split) -> None:
    config = ModelConfig(**{**SMALL, "history": "transformer"})
    processor = DataProcessor(config).fit(parts.train)
    model = Retriever(processor, config, processor.dataset(parts.train)).model
    queries, items = torch.randn(7, 16), torch.randn(90, 16) * torch.rand(90, 1)
    model.note(items)
    met, lifted = model.meet(queries), model.lift(items)
    assert torch.allclose(met.norm(dim=1), torch.ones(7)) and torch.allclose(lifted.norm(dim=1), torch.ones(90))
    assert torch.equal((met @ lifted.T).argsort(dim=1), (queries @ items.T).argsort(dim=1))
    wanted = queries @ items.T / queries.norm(dim=1, keepdim=True) / items.norm(dim=1).max()
    assert torch.allclose(met @ lifted.T, wanted, atol=1e-6), "divided by one number for each user"
    longer = model.lift(items[:1] * 1000.0)
    assert longer.norm().item() == pytest.approx(1.0) and longer[0, -1].item() == pytest.approx(0.0, abs=1e-3)


def test_views_are_negatives_that_count_and_a_buy_is_learnt_from_what_lay_before_its_visit() -> None:
    hour = 3600
    rows = [
        ("a", "x", 0, "view"),
        ("a", "y", hour, "view"),
        ("a", "z", 2 * hour, "view"),
        ("a", "z", 2 * hour + 9, "buy"),
        ("a", "w", 3 * hour, "buy"),
    ]
    log = to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_type"], orient="row"))
    dials = {"history": "mean", "embedding_dim": 8, "user_tower_dims": [8], "item_tower_dims": [8]}
    for further, before in (({}, 2), ({"horizon": "next"}, 3)):
        config = ModelConfig(**dials, positive_event_types="buy", **further)
        processor = DataProcessor(config).fit(log)
        lessons = Retriever(processor, config, processor.dataset(log)).lessons
        assert isinstance(lessons, SingleEvents)
        assert lessons._ends[3] == before  # x and y; at any moment the view of z as well
        drawn = torch.from_numpy(processor.items.rows(["x", "y", "z", "w"]))
        mask = lessons.hits(np.array([1]), drawn[2:3], drawn)
        assert mask.tolist() == [[False, False, True, True]]
