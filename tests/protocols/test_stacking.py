"""Boosted trees as a second stage: they learn from the context what no first stage knows, and never look at judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols import stacking
from enterprise_recsys.protocols.evidence import Evidence
from enterprise_recsys.protocols.measuring import run_lists
from enterprise_recsys.protocols.stacking import stacked
from enterprise_recsys.protocols.tasks import Encoded, ListTask
from enterprise_recsys.records import Ranked
from tests.protocols.worlds import blocks_task, places_task


def test_the_context_decides_among_what_a_user_has_had() -> None:
    run = run_lists(places_task(), stacked, ("HR@1", "HR@2"), seed=0, trials=0, dials={})
    figures = {(figure.stage, figure.metric): figure for figure in run.figures}
    # Each user has two apps, one at home and one at work: without the place it is a coin, with it no question.
    assert figures["retrieval", "HR@2"].value == figures["two_stage", "HR@2"].value == 1.0
    assert 0.3 < figures["retrieval", "HR@1"].value < 0.7
    assert figures["two_stage", "HR@1"].value > 0.95
    assert (figures["two_stage", "HR@1"].low or 0.0) > (figures["retrieval", "HR@1"].high or 1.0)


def test_dials_are_chosen_without_a_look_at_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "SPACE", {"leaves": (2, 7)})
    task = blocks_task(users=60)
    other = replace(task.judge, targets=task.judge.targets.with_columns(pl.lit("i00").alias("item_id")))
    first, second = (
        stacked(one, metric="NDCG@10", seed=1, trials=3, dials={}).dials for one in (task, replace(task, judge=other))
    )
    assert first == second and set(first) <= {"leaves"}
    assert stacked(task, metric="NDCG@10", seed=1, trials=3, dials={"leaves": 3}).dials == {"leaves": 3}


def test_beyond_the_candidates_lists_go_on_as_the_first_stage_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "DEPTH", 4)
    monkeypatch.setattr(stacking, "BLOCK", 7)
    task = blocks_task(users=60)
    answer = stacked(task, metric="NDCG@10", seed=0, trials=0, dials={})
    at = np.arange(len(task.judge.asked))
    first, second = (answer.stages[stage](at, 10) for stage in ("retrieval", "two_stage"))
    assert (first[:, 4:] == second[:, 4:]).all()
    assert (np.sort(first[:, :4], axis=1) == np.sort(second[:, :4], axis=1)).all()
    assert answer.stages["two_stage"](at, 2).tolist() == second[:, :2].tolist()


def test_a_round_without_a_target_among_its_candidates_is_told() -> None:
    task = blocks_task()
    lost = replace(task.choose, targets=task.choose.targets.with_columns(pl.lit("elsewhere").alias("item_id")))
    with pytest.raises(DataError, match="no target of the round that chooses is among its candidates"):
        stacked(replace(task, choose=lost), metric="NDCG@10", seed=0, trials=0, dials={})


def test_the_evidence_is_counted_by_hand() -> None:
    task: ListTask = places_task(users=4)
    asked = Encoded.of(task.choose, task.catalogue)
    evidence = Evidence(task.choose, asked, task.catalogue)
    question = task.choose.contexts.row(0, named=True)
    log = task.choose.log.events
    items = ["home_app", "work_app"]
    rows = np.array([[task.catalogue.to_list().index(f"{item}0") + 1 for item in items]])
    columns = evidence.columns(np.array([0]), Ranked(rows, np.array([[2.0, 1.0]], dtype=np.float32)))
    own = log.filter(user_id=question["owner"])
    here = own.filter(place=question["place"])
    for spot, item in enumerate(items):
        taken = log.filter(item_id=f"{item}0")
        seen = len(taken.filter(place=question["place"]))
        expected = len(taken) / len(log) * len(log.filter(place=question["place"]))
        assert columns["popularity"][spot] == pytest.approx(np.log1p(len(taken)))
        assert columns["had"][spot] == len(own.filter(item_id=f"{item}0"))
        assert columns["place_had"][spot] == len(here.filter(item_id=f"{item}0"))
        assert columns["place_lift"][spot] == pytest.approx(np.log((seen + 1) / (expected + 1)))
    assert columns["length"].tolist() == [len(own)] * 2
    assert columns["score_of_best"].tolist() == [1.0, 0.5]
