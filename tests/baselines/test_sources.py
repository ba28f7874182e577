"""The shared step from scores to lists: exact order, ties by row, any block size."""

import numpy as np
import pytest

from enterprise_recsys.baselines import sources
from enterprise_recsys.baselines.sources import histories, popularity_nudge, ranked, taken
from enterprise_recsys.records import Queries
from tests.baselines.worlds import asked, events_of


@pytest.mark.parametrize("k", [1, 3, 7, 12, 15])
def test_the_k_best_are_those_of_a_full_stable_sort(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(k)
    table = generator.integers(0, 4, size=(30, 12)).astype(np.float32)  # many ties
    table[generator.random(table.shape) < 0.1] = -np.inf
    had = [generator.integers(1, 12, size=generator.integers(0, 6)).tolist() for _ in range(30)]
    users = np.arange(30)

    def score(part: Queries) -> np.ndarray:
        assert part.users is not None
        return table[part.users].copy()

    monkeypatch.setattr(sources, "CELLS", 12 * 7)  # 7 users at a time
    found = ranked(score, asked(*had, users=users.tolist()), k, n_items=12)
    for user in users:
        allowed = [item for item in range(1, 12) if item not in had[user] and np.isfinite(table[user, item])]
        best = sorted(allowed, key=lambda item, user=user: (-table[user, item], item))[:k]
        assert found.rows[user].tolist() == best + [0] * (k - len(best))
        assert found.scores[user, : len(best)].tolist() == table[user, best].tolist()
        assert np.isneginf(found.scores[user, len(best) :]).all()


def test_matrices_count_a_repetition_once_and_leave_strangers_out() -> None:
    events = events_of([(1, 2), (1, 2), (0, 1), (2, 0), (2, 3)])
    assert taken(events, 3, 4).toarray().tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert histories(asked([3, 3, 0], []).history, 4).toarray().tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_an_event_without_success_is_not_taken() -> None:
    events = events_of([(1, 1), (1, 2)])
    events.relevant[0] = False
    assert taken(events, 2, 3).toarray()[1].tolist() == [0, 0, 1]


def test_the_nudge_orders_by_count_and_is_small() -> None:
    assert np.allclose(popularity_nudge(np.array([0, 5, 10], dtype=np.float32)), [0, 5e-7, 1e-6])
    assert popularity_nudge(np.zeros(2, dtype=np.float32)).tolist() == [0, 0]


def test_parts_of_queries_are_the_queries_themselves() -> None:
    whole = asked([1, 2], [], [3], users=[7, 8, 9])
    part = whole.part(1, 9)
    assert (len(part), part.history.rows.tolist(), part.history.owners.tolist()) == (2, [3], [1])
    assert part.users is not None and part.users.tolist() == [8, 9]
    turned = whole.history.take(np.array([2, 0, 0]))
    assert (turned.offsets.tolist(), turned.rows.tolist()) == ([0, 1, 3, 5], [3, 1, 2, 1, 2])
