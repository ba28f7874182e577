"""What cannot be the answer to a question stands in no list, whoever made it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.protocols.barring import Bar, allowed
from enterprise_recsys.protocols.contextual import questions
from enterprise_recsys.protocols.measuring import figures_of
from enterprise_recsys.protocols.tasks import Answer, ListTask
from enterprise_recsys.records import Interactions, Ints, Ranked

LISTED = pl.Series(["a", "b", "c", "d"])


def _events(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame([(user, item, 0, place) for user, item, place in rows], orient="row")
    frame.columns = ["user_id", "item_id", "timestamp", "place"]
    return to_interactions(frame).events


def _task() -> ListTask:
    """Of three users one had a at home and b at work, and asks at home for c and at work for a."""
    had = _events([("u", "a", "home"), ("u", "b", "work"), ("w", "d", "home")])
    asked = _events([("u", "c", "home"), ("u", "a", "work"), ("v", "a", "home")])
    trial = questions(Interactions(had), had, asked, ["place"], is_unique=True)
    return ListTask(LISTED, trial, trial, "made", has_times=False, repeats=True)


def in_order(at: Ints, k: int) -> Ints:
    return np.tile(np.arange(1, 5)[:k], (len(at), 1))


def test_lists_lack_what_was_had_in_the_same_context_and_are_as_long_as_before() -> None:
    task = _task()
    assert task.judge.barred is not None
    assert sorted(task.judge.barred.rows()) == [("u/000000000", "a"), ("u/000000001", "b")]
    found = allowed(in_order, task.judge, LISTED)
    assert found(np.arange(3), 3).tolist() == [[2, 3, 4], [1, 3, 4], [1, 2, 3]]
    assert found(np.array([2]), 2).tolist() == [[1, 2]], "nothing is barred from v"
    assert found(np.array([0]), 4).tolist() == [[2, 3, 4, 0]], "an empty place, and not what is barred"


def test_figures_are_of_the_lists_without_it() -> None:
    told = {one.metric: one.value for one in figures_of(_task(), Answer({"retrieval": in_order}), ("HR@2",), seed=0)}
    assert told["HR@2"] == 1.0, "at home u is shown b and c, at work a and c"
    plain = replace(_task(), judge=replace(_task().judge, barred=None))
    told = {one.metric: one.value for one in figures_of(plain, Answer({"retrieval": in_order}), ("HR@2",), seed=0)}
    assert told["HR@2"] == 2 / 3 and allowed(in_order, plain.judge, LISTED) is in_order


def test_what_is_found_loses_what_is_barred_and_keeps_its_scores() -> None:
    bar, at = Bar(_task().judge, LISTED), np.arange(3)
    found = Ranked(np.array([[1, 3, 2], [2, 0, 4], [1, 2, 3]]), np.array([[9.0, 8, 7], [9, -np.inf, 7], [9, 8, 7]]))
    kept = bar.without(at, found, 3)
    assert kept.rows.tolist() == [[3, 2, 0], [0, 4, 0], [1, 2, 3]]
    assert kept.scores.tolist() == [[8, 7, -np.inf], [-np.inf, 7, -np.inf], [9, 8, 7]]
    assert bar.most(at) == 1 and bar.most(np.array([2])) == 0
    free = Bar(replace(_task().judge, barred=None), LISTED)
    assert free.most(at) == 0 and free.without(at, found, 2).rows.tolist() == [[1, 3], [2, 0], [1, 2]]
