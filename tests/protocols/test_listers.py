"""A baseline answers a list task: it chooses on `choose` alone, learns from what `judge` allows, in the task's rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.baselines.table import BASELINES, NEEDS_TIMES
from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols.listers import LISTERS
from enterprise_recsys.protocols.measuring import figures_of, run_lists
from tests.protocols.worlds import blocks_task


@pytest.mark.parametrize("name", ["item_knn", "item_knn_bm25", "ease", "edlae"])
def test_a_personal_baseline_finds_the_users_half(name: str) -> None:
    task = blocks_task()
    run = run_lists(task, LISTERS[name], ("HR@1", "HR@10", "Coverage@1"), seed=0, trials=0, dials={})
    hits = {figure.metric: figure.value for figure in run.figures}
    # Nine of ten items of the user's half are had: the one that is left is the target.
    assert hits["HR@1"] == 1.0 and hits["HR@10"] == 1.0 and 0 < hits["Coverage@1"] <= 1
    assert {figure.stage for figure in run.figures} == {"retrieval"} and run.dials == {}


def test_popularity_cannot() -> None:
    run = run_lists(blocks_task(), LISTERS["popularity"], ("HR@1",), seed=0, trials=5, dials={})
    assert run.figures[0].value < 0.5
    assert run.figures[0].low is not None and run.figures[0].low <= run.figures[0].value <= (run.figures[0].high or 0)


def test_dials_are_chosen_without_a_look_at_judge() -> None:
    task = blocks_task()
    other = replace(task.judge, targets=task.judge.targets.with_columns(pl.lit("i00").alias("item_id")))
    first, second = (
        LISTERS["item_knn"](one, metric="NDCG@10", seed=1, trials=6, dials={}).dials
        for one in (task, replace(task, judge=other))
    )
    assert first == second


def test_given_dials_are_taken_as_they_are() -> None:
    answer = LISTERS["ease"](blocks_task(), metric="NDCG@10", seed=0, trials=9, dials={"ridge": 3.0})
    assert answer.dials == {"ridge": 3.0}


@pytest.mark.parametrize("name", NEEDS_TIMES)
def test_a_baseline_by_time_is_refused_where_there_are_no_times(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} goes by time, and the data of this protocol has none"):
        LISTERS[name](blocks_task(has_times=False), metric="NDCG@10", seed=0, trials=0, dials={})


def test_rows_are_those_of_the_catalogue() -> None:
    task = blocks_task()
    answer = LISTERS["ease"](task, metric="NDCG@10", seed=0, trials=0, dials={})
    rows = answer.stages["retrieval"](np.array([3]), 1)
    wanted = task.judge.targets.filter(user_id=task.judge.asked[3])["item_id"][0]
    assert task.catalogue[int(rows[0, 0]) - 1] == wanted
    assert [figure.value for figure in figures_of(task, answer, ("HR@1",), seed=0)] == [1.0]


def test_every_baseline_is_a_lister() -> None:
    assert set(LISTERS) == set(BASELINES)
