"""The race between evaluators is of the same work, and its lines say so."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "evaluators.py"
PEERS = SCRIPT.parent / "peers"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluators", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lists_are_lists_and_the_same_every_time(script: ModuleType) -> None:
    lists, again = script.made_lists(300, 100), script.made_lists(300, 100)
    assert all(np.array_equal(lists[name], again[name]) for name in lists)
    assert lists["rows"].shape == (300, 20) and lists["rows"].min() >= 1 and lists["rows"].max() < 100
    assert all(len(set(row)) == 20 for row in lists["rows"].tolist())
    pairs = lists["users"] * 100 + lists["items"]
    assert (np.diff(pairs) > 0).all() and set(lists["users"].tolist()) == set(range(300))


def test_ours_is_measured_in_a_process_of_its_own(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "lists.npz"
    np.savez(path, **script.made_lists(200, 100))
    told = script.answer_of(Path(sys.executable), "measure.py", "ours", [str(path)], threads=1)
    assert told["seconds"] > 0 and told["seconds_cpu"] >= told["seconds_cpu_metrics"] > 0
    assert told["peak_mb"] > told["added_mb"] >= 0
    assert 0 < told["figures"]["NDCG@10"] < 1


def test_evaluators_that_disagree_are_not_timed(script: ModuleType) -> None:
    script.compared({"ours": {"MAP@10": 0.5}, "theirs": {"MAP@10": 0.5 + 1e-12, "other": 9.0}})
    with pytest.raises(SystemExit, match="theirs has MAP@10 = 0.6, ours is 0.5: not the same work"):
        script.compared({"ours": {"MAP@10": 0.5}, "theirs": {"MAP@10": 0.6}})


def test_the_median_is_told_with_its_range_and_wall_time_only_when_it_is_quiet(script: ModuleType) -> None:
    chosen = argparse.Namespace(stage="judge", users=5, items=9, threads=2)

    def lines(load: float) -> dict[str, tuple[float, float, float]]:
        runs = {"ours": [{"seconds": value, "seconds_cpu": 1.0, "load": load} for value in (3.0, 1.0, 2.0)]}
        told = script.lines_of("evaluate-0k", runs, chosen)
        assert {(line.seeds, line.stage) for line in told} == {(3, "evaluate")}
        assert told[0].command == "python benchmarks/evaluators.py --stage judge --users 5 --items 9"
        return {line.metric: (line.value, line.low, line.high) for line in told}

    assert lines(0.5)["seconds"] == (2.0, 1.0, 3.0)
    assert lines(7.0).keys() == {"seconds_cpu", "load"}


@pytest.mark.parametrize("peer", ["rectools", "ranx", "recbole"])
def test_every_peer_is_frozen(peer: str) -> None:
    lines = [line for line in (PEERS / f"{peer}.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines and all("==" in line for line in lines)
    assert any(line.lower().startswith(f"{peer}==") for line in lines)
