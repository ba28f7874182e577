"""Every baseline is a source: it recommends from the history, leaves out what is excluded, and says who it is."""

import numpy as np
import pytest

from enterprise_recsys.baselines.table import BASELINES, QUICK, SEEDED, SPACES
from enterprise_recsys.baselines.tuning import settings
from enterprise_recsys.records import Events, Queries, Ragged
from tests.baselines.worlds import events_of

EVENTS = events_of([(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4), (6, 1)])
EVERYTHING = ("popularity", "recent_popularity", "item_knn", "item_knn_bm25", "ease", "edlae", "ials", "bpr")
"""Those that can fill a list for anybody."""


def source(name: str, events: Events = EVENTS, n_users: int = 7, n_items: int = 5):
    dials = {"width": 3, "epochs": 5, "seed": 1} if name in SEEDED else {}
    return BASELINES[name](events, n_users, n_items, **dials)


def ragged(*rows: list[int]) -> Ragged:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    return Ragged(offsets, np.array([item for row in rows for item in row], dtype=np.int64))


@pytest.mark.parametrize("name", EVERYTHING)
def test_lists_are_full_fresh_and_falling(name: str) -> None:
    found = source(name).candidates(Queries(ragged([3], [])), 4)
    assert sorted(found.rows[1].tolist()) == [1, 2, 3, 4] and sorted(found.rows[0].tolist()) == [0, 1, 2, 4]
    assert found.rows[0, -1] == 0 and np.isneginf(found.scores[0, -1])
    assert (found.scores[:, 1:] <= found.scores[:, :-1]).all() and np.isfinite(found.scores[1]).all()
    assert found.rows.dtype == np.int64 and found.scores.dtype == np.float32


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_history_and_exclusions_are_two_things(name: str) -> None:
    method = source(name)
    free = method.candidates(Queries(ragged([3, 4]), exclude=ragged([])), 4)
    barred = method.candidates(Queries(ragged([3, 4]), exclude=ragged([3])), 4)
    assert 3 in free.rows and 3 not in barred.rows
    kept = free.rows[0][(free.rows[0] != 3) & (free.rows[0] > 0)]
    assert barred.rows[0][: len(kept)].tolist() == kept.tolist()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_source_says_its_own_name_and_answers_in_any_company(name: str) -> None:
    method = source(name)
    assert method.tag == name
    histories = [[1], [], [2, 3], [4, 4, 1], [3]]
    nothing = ragged(*([] for _ in histories))
    together = method.candidates(Queries(ragged(*histories), exclude=nothing, users=np.array([1, 0, 0, 4, 5])), 3)
    for place, (history, user) in enumerate(zip(histories, [1, 0, 0, 4, 5], strict=True)):
        alone = method.candidates(Queries(ragged(history), exclude=ragged([]), users=np.array([user])), 3)
        assert alone.rows[0].tolist() == together.rows[place].tolist()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_same_seed_gives_the_same_scores(name: str) -> None:
    queries = Queries(ragged([1, 3]), exclude=ragged([]))
    first, second = source(name).candidates(queries, 4), source(name).candidates(queries, 4)
    assert np.array_equal(first.rows, second.rows) and np.array_equal(first.scores, second.scores)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_no_event_at_all_is_no_fault(name: str) -> None:
    found = source(name, events_of([]), 3, 4).candidates(Queries(ragged([2], [])), 2)
    assert found.rows.shape == (2, 2) and (found.rows < 4).all()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_every_value_that_the_search_may_take_is_taken(name: str) -> None:
    grid = settings(SPACES[name], 10_000, np.random.default_rng(0))
    for dials in grid if name not in SEEDED else grid[:3]:
        source(name)
        if name not in SEEDED:
            BASELINES[name](EVENTS, 7, 5, **dials)


def test_the_tables_hold_the_same_names() -> None:
    assert set(SPACES) == set(BASELINES) and set(QUICK) | set(SEEDED) <= set(BASELINES)
