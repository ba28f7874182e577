"""What is told to the library that is measured beside ours, and what is done with its answers."""

import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.protocols.tasks import ListTask, Trial
from enterprise_recsys.records import Ints

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks" / "sasrec.py"))
CATALOGUE = pl.Series(["a", "b", "c", "d"])


def _task() -> ListTask:
    """Users v and u; both take d next in validation, and c in the test."""
    log = to_interactions(
        pl.DataFrame(
            {
                "user_id": ["v", "u", "v", "u", "w"],
                "item_id": ["b", "a", "a", "b", "c"],
                "timestamp": [1, 2, 3, 4, 5],
            }
        )
    )
    past = log.events.filter(pl.col("user_id") != "w")
    next_ones = (pl.DataFrame({"user_id": ["u", "v"], "item_id": [item, item]}) for item in "dc")
    choose, judge = (Trial(log, past, targets) for targets in next_ones)
    return ListTask(CATALOGUE, choose, judge, "made", has_times=True, is_next=True)


def test_the_library_gets_each_users_items_in_order_and_the_pasts_of_those_who_ask() -> None:
    told = SCRIPT["_histories"](_task(), _task().judge)
    assert told["users"].tolist() == [1, 1, 2, 2, 3]  # u, v, w
    assert told["items"].tolist() == [1, 2, 2, 1, 3]
    assert told["asked_users"].tolist() == [1, 1, 2, 2]
    assert told["asked_items"].tolist() == [1, 2, 2, 1]


def test_somebody_without_a_past_is_refused() -> None:
    task = _task()
    strangers = Trial(task.judge.log, task.judge.past.filter(pl.col("user_id") == "u"), task.judge.targets)
    with pytest.raises(SystemExit, match="of whom a past is known"):
        SCRIPT["_histories"](task, strangers)


def test_validation_chooses_the_epoch_after_which_the_test_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def answer_of(python: Path, script: str, name: str, words: list[str], *, threads: int) -> dict[str, object]:
        source, out, budget, most = words
        assert (script, name, budget, threads) == ("sequences.py", "replay", "inf", 2)
        with np.load(source) as data:
            asked.append((int(most), int(data["seed"])))
            assert int(data["n_items"]) == 4
        lists: Ints = np.tile(np.array([3, 4, 1, 2]), (int(most), 2, 1))
        if int(most) > 1:
            lists[1, :, :2] = [4, 3]  # d, which validation asks for, is first after the second epoch alone
        np.save(out, lists)
        return {}

    monkeypatch.setitem(SCRIPT["sasrec"].__globals__, "answer_of", answer_of)
    further = {"python": Path("python"), "epochs": 3, "device": "cpu", "threads": 2}
    answer = SCRIPT["sasrec"](_task(), metric="NDCG@10", seed=7, trials=0, dials={}, **further)
    assert asked == [(3, 7), (2, 7)]
    assert answer.dials == {"epoch": 2, "validation": 1.0}
    assert answer.stages["retrieval"](np.array([1, 0]), 2).tolist() == [[4, 3], [4, 3]]
