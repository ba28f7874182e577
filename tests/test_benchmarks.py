"""The scripts in benchmarks/ that measure the data part still fit the code that they measure."""

import runpy
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.data import sources
from enterprise_recsys.data.worlds import World

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
