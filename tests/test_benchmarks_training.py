"""The comparison of training counts what it says, and its side of ours still fits the code that it measures."""

import json
import re
import runpy
import time
from pathlib import Path

import numpy as np
import pytest

from enterprise_recsys.evaluation.results import read

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TRAINING = runpy.run_path(str(BENCHMARKS / "training.py"))
CURVE = TRAINING["Curve"](
    cpu_s=[3.0, 1.0, 2.0], seconds=[6.0, 2.0, 4.0], scores=[0.1, 0.3, 0.2], peak_mb=50.0, load=1.0
)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder whose scripts find one another, as they do when they are started."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    return BENCHMARKS / "peers"


def test_an_epoch_costs_the_median_and_the_score_is_that_of_whole_epochs_in_the_budget() -> None:
    figures = TRAINING["figures_of"](CURVE, "AUC", 4.5, None)
    assert figures["cpu_s an epoch"] == (2.0, 1.0, 3.0)
    assert figures["epochs"][0] == 2  # they end after 3, 4 and 6 seconds
    assert figures["AUC then"][0] == 0.3
    assert "cpu_s to that" not in figures


def test_the_way_to_a_shared_score_ends_with_the_first_epoch_that_reaches_it() -> None:
    figures = TRAINING["figures_of"](CURVE, "AUC", 100.0, 0.2)
    assert figures["cpu_s to that"][0] == 4.0
    assert figures["AUC of all"][0] == 0.2


def test_a_budget_under_one_epoch_still_tells_the_first() -> None:
    assert TRAINING["figures_of"](CURVE, "AUC", 0.5, None)["AUC then"][0] == 0.1


def test_the_clock_of_epochs_stands_still_while_the_model_answers(peers: Path) -> None:
    parts = runpy.run_path(str(peers / "epochs.py"))
    epochs = parts["Epochs"](100.0, 2)

    def answer() -> np.ndarray:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return np.zeros(3)

    epochs.begin()
    epochs.end(answer)
    with pytest.raises(parts["Enough"]):
        epochs.end(answer)
    assert len(epochs.answers) == 2
    assert max(epochs.cpu_s) < 0.04
    assert epochs.peak_mb > 0


def test_no_epoch_begins_once_the_budget_is_spent(peers: Path) -> None:
    parts = runpy.run_path(str(peers / "epochs.py"))
    epochs = parts["Epochs"](0.0, 100)
    epochs.begin()
    with pytest.raises(parts["Enough"]):
        epochs.end(lambda: np.zeros(1))


def test_what_is_kept_is_not_trained_again_and_becomes_lines(tmp_path: Path) -> None:
    part = TRAINING["Part"]("made", "ranking", "AUC", "none.py", ("ours", "other"), lambda: ({}, len), 3)
    for name, score in (("ours", 0.4), ("other", 0.2)):
        kept = {"cpu_s": [2.0], "seconds": [4.0], "scores": [score], "peak_mb": 1.0, "load": 1.0}
        (tmp_path / f"made-{name}.json").write_text(json.dumps(kept), encoding="utf-8")
    TRAINING["PARTS"]["made"] = part
    TRAINING["main"](["made", "--keep", str(tmp_path), "--record", str(tmp_path / "lines.jsonl")])
    lines = {(line.system, line.metric): line.value for line in read(tmp_path)}
    assert lines["ours", "AUC then"] == 0.4
    assert lines["ours", "AUC of all"] == lines["other", "AUC of all"] == 0.2
    assert lines["other", "cpu_s to that"] == 2.0
    del TRAINING["PARTS"]["made"]


def test_our_rows_are_taught_and_answered_by_the_script(peers: Path) -> None:
    generator = np.random.default_rng(0)
    data: dict[str, np.ndarray] = {"train/label": generator.integers(0, 2, 3000)}
    for part, rows in (("train", 3000), ("test", 500)):
        label = data["train/label"] if part == "train" else generator.integers(0, 2, rows)
        data |= {f"{part}/user_id": generator.integers(1, 9, rows), f"{part}/item_id": 1 + label}
        data[f"{part}/genres"] = generator.integers(0, 4, (rows, 2))
    epochs = _taught(peers, "clicks.py", "ours-small-start", data, most=6)
    likely = epochs.answers[-1]
    assert likely[data["test/item_id"] == 2].min() > likely[data["test/item_id"] == 1].max()


def test_our_sequences_are_taught_and_answered_without_what_was_had(peers: Path) -> None:
    users, items = np.repeat(np.arange(1, 41), 8), np.tile(np.arange(1, 9), 40) + np.repeat(np.arange(40) % 6, 8)
    epochs = _taught(peers, "sequences.py", "ours", {"users": users, "items": items}, most=2)
    lists = epochs.answers[-1]
    assert lists.shape == (40, 10)
    for user, row in enumerate(lists, start=1):
        assert not set(row[row > 0]) & set(items[users == user])


def test_each_library_has_a_frozen_environment() -> None:
    for part in TRAINING["PARTS"].values():
        for name in part.systems[1:]:
            if not name.startswith("ours"):
                lines = (BENCHMARKS / "peers" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
                pinned = [line for line in lines if not line.startswith("#")]
                assert pinned
                assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pinned), name


def _taught(peers: Path, script: str, system: str, data: dict[str, np.ndarray], *, most: int):  # type: ignore[no-untyped-def]
    parts = runpy.run_path(str(peers / script))
    epochs = parts["Epochs"](1000.0, most)
    systems = parts["SYSTEMS"]
    import epochs as beside

    with pytest.raises(beside.Enough):
        systems[system](data, epochs)
    return epochs
