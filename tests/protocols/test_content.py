"""Content k-NN by hand; and items that may be listed in one round alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.protocols.content import content_knn
from enterprise_recsys.protocols.listers import LISTERS
from enterprise_recsys.protocols.measuring import run_lists
from enterprise_recsys.protocols.tasks import ListTask, Trial
from enterprise_recsys.records import Interactions
from tests.protocols.worlds import of

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "x", "y", "z"],
        "genres": [["war"], ["war"], ["love"], ["love"], ["war"], ["love"], ["war", "love"]],
        "year": [1, 2, 3, 4, 5, 6, 7],
    }
)


def task(items: pl.DataFrame | None = ITEMS) -> ListTask:
    """Two users with one genre each; only the new films x, y and z may be listed in the end."""
    known = of([("1", "a", 1), ("1", "b", 2), ("2", "c", 3), ("2", "d", 4)])
    log = Interactions(known.events, items=items)
    targets = of([("1", "x", 9), ("2", "y", 9)]).events
    val = of([("1", "c", 8), ("2", "a", 8)]).events
    judge = Trial(log, known.events, targets, listed=pl.Series(["x", "y", "z"]))
    return ListTask(pl.Series(["a", "b", "c", "d"]), Trial(log, known.events, val), judge, "made", has_times=True)


def answer(task: ListTask) -> list[list[int]]:
    system = content_knn(task, metric="NDCG@10", seed=0, trials=0, dials={}).stages["retrieval"]
    rows: list[list[int]] = system(np.arange(2), 3).tolist()
    return rows


def test_the_nearest_by_words_come_first() -> None:
    # Rows of what may be listed: x 1, y 2, z 3. Who had war alone: x (cosine 1), z (.71), y (0); and the other way.
    assert answer(task()) == [[1, 3, 2], [2, 3, 1]]


def test_a_word_that_more_items_have_says_less() -> None:
    table = ITEMS.with_columns(kind=pl.Series(["film"] * 7))
    assert answer(task(table)) == answer(task()), "what all have says nothing"
    maker = ITEMS.with_columns(maker=pl.Series(["m", "n", "n", "n", "n", "m", "n"]))
    # User 2 had love twice and n twice; z has both, which outweighs that y has love alone.
    assert answer(task(maker))[1][0] == 3


def test_the_figures_are_of_what_may_be_listed() -> None:
    run = run_lists(task(), content_knn, ("HR@1", "HR@3", "Coverage@1"), seed=0, trials=0, dials={})
    assert {figure.metric: round(figure.value, 3) for figure in run.figures} == {
        "HR@1": 1.0,
        "HR@3": 1.0,
        "Coverage@1": round(2 / 3, 3),
    }
    popular = run_lists(task(), LISTERS["popularity"], ("HR@3",), seed=0, trials=0, dials={})
    assert popular.figures[0].value == 1.0, "of three all are listed, though nobody took one"


def test_what_it_cannot_do_is_told() -> None:
    with pytest.raises(DataError, match="goes by the features of items, and this protocol has none; take item_knn"):
        answer(task(None))
    with pytest.raises(DataError, match="text or lists of text"):
        answer(task(ITEMS.select("item_id", "year")))
    with pytest.raises(ConfigError, match="content_knn has no dials; got ridge"):
        content_knn(task(), metric="NDCG@10", seed=0, trials=0, dials={"ridge": 1})


def test_listed_is_the_catalogue_where_a_round_says_nothing() -> None:
    one = task()
    assert one.listed(one.choose).to_list() == ["a", "b", "c", "d"]
    assert one.listed(replace(one.judge, listed=None)).to_list() == ["a", "b", "c", "d"]
