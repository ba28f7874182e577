"""The slate log as Parquet: one line a place, with the events that followed it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from enterprise_recsys.cli import app
from enterprise_recsys.commands import log
from enterprise_recsys.errors import StoreError
from enterprise_recsys.state.interface import Event, Slate
from enterprise_recsys.state.sqlite import SqliteStore


def filled(folder: Path) -> None:
    store = SqliteStore(folder, sync="normal")
    store.log(
        [
            Slate("r1", "u", "home", 1_000_000, "v1", 0, 1, ("a", "b"), (0.5, 0.25), (1.0, 0.1)),
            Slate("r2", None, "cart", 2_000_000, "v1", 2, 11, ("a",), (0.9,), (0.5,)),
        ]
    )
    store.append(
        [
            Event("e1", "u", "b", 3_000_000, "click", None, None, "r1", 2),
            Event("e2", "u", "b", 4_000_000, "rating", 4.0, None, "r1", 2),
            Event("e3", "u", "a", 5_000_000, "click"),
            Event("e4", "u", "c", 6_000_000, "click", None, None, "r1", 3),
        ]
    ).result()
    store.close()


def test_every_place_is_a_line_with_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE", 1)
    filled(tmp_path / "model" / "live")
    out = tmp_path / "slates.parquet"
    done = CliRunner().invoke(app, ["log", "export", str(tmp_path / "model"), "--out", str(out)])
    assert done.output == f"{out}: 3 places of 2 answers, 1 of them followed by an event\n"
    frame = pl.read_parquet(out)
    columns = (
        "recommendation_id",
        "user_id",
        "surface",
        "position",
        "item_id",
        "score",
        "propensity",
        "events",
        "rating",
    )
    assert frame.select(columns).rows() == [
        ("r1", "u", "home", 1, "a", 0.5, 1.0, [], None),
        ("r1", "u", "home", 2, "b", 0.25, 0.1, ["click", "rating"], 4.0),
        ("r2", None, "cart", 11, "a", 0.9, 0.5, [], None),
    ]
    assert frame["timestamp"].to_physical().to_list() == [1_000_000, 1_000_000, 2_000_000]
    assert frame["event_times"].list.eval(pl.element().to_physical()).to_list()[1] == [3_000_000, 4_000_000]


def test_an_empty_log_is_an_empty_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live", sync="normal")
    assert log.written(store, tmp_path / "out.parquet") == (0, 0, 0)
    store.close()
    assert pl.read_parquet(tmp_path / "out.parquet").shape == (0, 14)


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["log", "export", str(tmp_path)])
    assert isinstance(done.exception, StoreError) and "holds no store" in str(done.exception)
