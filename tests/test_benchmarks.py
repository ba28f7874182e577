"""The scripts in benchmarks/ that measure the data part and teaching still fit the code that they measure."""

import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data import sources
from enterprise_recsys.data.worlds import World
from enterprise_recsys.retrieval.history import HISTORIES

TEACHING = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "teaching.py"))
GROWTH = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "growth.py"))
PREPARE = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "prepare.py"))


def test_one_requests_features_are_timed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "read", lambda name: world.interactions)
    lines = PREPARE["request"]("world", candidates=5, times=3)
    assert {line.metric for line in lines} == {"user_us", "candidates_us"}
    assert all(line.value > 0 and line.seeds == 3 for line in lines)


def test_a_made_log_is_the_same_each_time_and_its_chunks_have_the_same_busy_users(tmp_path: Path) -> None:
    make = PREPARE["made_log"]
    for name in ("one", "two"):
        make(5_000, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    make.__globals__["CHUNK"] = 2_000
    make(5_000, tmp_path / "parts")
    parts = [pl.read_parquet(file) for file in sorted((tmp_path / "parts").iterdir())]
    assert [len(part) for part in parts] == [2_000, 2_000, 1_000]
    busiest = {part["item_id"].value_counts(sort=True)["item_id"][0] for part in parts}
    assert len(busiest) == 1


def test_what_makes_a_batch_is_a_small_share_of_teaching_each_history_part(world: World) -> None:
    log = world.interactions.with_events(world.interactions.events[:2_000])
    assert set(TEACHING["LOADING"]) == set(TEACHING["MASKING"]) == set(HISTORIES)
    for history in HISTORIES:
        figures = {line.metric: line.value for line in TEACHING["taught"](history, log, "")}
        assert figures["events_s"] > 0
        assert 0 < figures["loading_percent"] < 25  # what is recorded is below 5; here steps are small
        assert ("masking_percent" in figures) == (history in ("mean", "attention"))


def test_teaching_is_timed_by_the_size_of_the_catalogue() -> None:
    for history in HISTORIES:
        figures = GROWTH["taught"](history, 500, 2)
        assert figures["example_us"] * figures["examples_s"] == pytest.approx(1e6)
        assert figures["tables_mb"] > 500 * 64 * 4 / 1e6
    made = GROWTH["made"](500, 5_000).events
    assert (GROWTH["made"](500, 5_000).events.items == made.items).all()
    counts = sorted(np.bincount(made.items), reverse=True)
    assert counts[0] > 5 * counts[250] and made.users.min() >= 1 and made.items.max() <= 500
