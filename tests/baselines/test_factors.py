"""iALS is at the least of its loss and agrees with the library; both find the blocks of a made world."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from enterprise_recsys.baselines import ials
from enterprise_recsys.baselines.bpr import BPR
from enterprise_recsys.baselines.ials import IALS
from enterprise_recsys.baselines.sources import taken
from enterprise_recsys.errors import ConfigError
from tests.baselines.worlds import asked, blocks, events_of

EVENTS = events_of(blocks())


def test_ials_recommends_what_is_left_of_ones_own_block() -> None:
    source = IALS(EVENTS, 41, 21, width=4, ridge=0.01, seed=1)
    found = source.candidates(asked([2, 4, 6], [1, 3, 5, 7]), 5)
    assert (found.rows[0] % 2 == 0).all() and (found.rows[1] % 2 == 1).all()
    assert (found.scores > 0.5).all()


@pytest.mark.parametrize("scaling", [0.0, 1.0, 0.5])
def test_the_vector_of_a_user_is_the_least_of_the_loss_that_the_docstring_tells(scaling: float) -> None:
    source = IALS(EVENTS, 41, 21, width=3, ridge=0.07, unobserved=0.3, scaling=scaling, seed=2)
    items = source._items.astype(float)
    had = np.zeros(21)
    had[[2, 4, 9]] = 1.0
    weights = np.where(had > 0, 1.3, 0.3)
    penalty = 0.07 * (3 + 0.3 * 20) ** scaling
    best = np.linalg.solve(
        (items * weights[:, None]).T @ items + penalty * np.eye(3), (items * weights[:, None]).T @ had
    )
    found = source.candidates(asked([2, 4, 9], repeats=True), 20)
    assert np.allclose(found.scores[0], (items @ best)[found.rows[0]], atol=1e-4)


def test_rows_are_solved_alike_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = IALS(EVENTS, 41, 21, width=5, epochs=3).candidates(asked([2], [1, 3]), 10)
    monkeypatch.setattr(ials, "CELLS", 200)
    parts = IALS(EVENTS, 41, 21, width=5, epochs=3).candidates(asked([2], [1, 3]), 10)
    assert np.array_equal(whole.rows, parts.rows) and np.allclose(whole.scores, parts.scores, atol=1e-5)


def test_ials_without_scaling_comes_to_the_loss_of_the_library() -> None:
    generator = np.random.default_rng(5)
    events = events_of([(u, i) for u in range(1, 60) for i in range(1, 30) if generator.random() < 0.2])
    mine = IALS(events, 60, 30, width=4, ridge=1.5, unobserved=0.25, scaling=0.0, epochs=200, seed=1)
    als = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed")
    matrix = taken(events, 60, 30)
    with threadpool_limits(1, "blas"):  # or the library warns
        model = als.AlternatingLeastSquares(
            factors=4, regularization=1.5 / 0.25, iterations=200, use_cg=False, random_state=1, num_threads=1
        )
        model.fit(matrix * np.float32(1 + 1 / 0.25), show_progress=False)
    vectors = mine._solved(matrix, mine._items, mine._n_items)
    dense = matrix.toarray().astype(float)

    def loss(users: np.ndarray, items: np.ndarray) -> float:
        scores = users.astype(float) @ items.astype(float).T
        pairs = np.where(dense > 0, 1.25 * (1 - scores) ** 2, 0.25 * scores**2)[1:, 1:].sum()
        return float(pairs + 1.5 * ((users[1:] ** 2).sum() + (items[1:] ** 2).sum()))

    assert np.isclose(loss(vectors, mine._items), loss(model.user_factors, model.item_factors), rtol=1e-3)


def test_bpr_orders_ones_own_block_first_for_learnt_users_and_for_strangers() -> None:
    source = BPR(EVENTS, 41, 21, width=8, epochs=60, batch_size=64, seed=1)
    found = source.candidates(asked([2], [1], [4, 6], [], users=[2, 1, 0, 0]), 6)
    assert (found.rows[0] % 2 == 0).all() and (found.rows[1] % 2 == 1).all() and (found.rows[2] % 2 == 0).all()
    assert np.isfinite(found.scores).all()


def test_the_bias_of_bpr_answers_a_user_without_a_past() -> None:
    skewed = events_of([(user, item) for user in range(1, 60) for item in range(1, 9) if user % item == 0])
    found = BPR(skewed, 60, 9, width=4, epochs=60, batch_size=64).candidates(asked([]), 2)
    assert found.rows[0].tolist() == [1, 2]  # taken by all, and by a half


def test_the_steps_of_bpr_go_up_the_slope_of_its_loss() -> None:
    source = BPR(EVENTS, 41, 21, width=3, epochs=1, seed=3)
    users, items, drawn = np.array([2, 2, 5]), np.array([4, 6, 7]), np.array([3, 4, 2])
    source._users, source._items = (table.astype(np.float64) for table in (source._users, source._items))  # type: ignore[assignment]
    steps = source._gradients(users, items, drawn, 0.1)

    def gain() -> float:
        one, other, third = source._users[users], source._items[items], source._items[drawn]
        apart = (one * (other - third)).sum(axis=1)
        squares = sum((part**2).sum() for part in (one, other, third))
        return float(-np.log1p(np.exp(-apart)).sum() - 0.05 * squares)

    for table, step in ((source._users, steps[0]), (source._items, steps[1])):
        for row, column in ((2, 0), (4, 1), (7, 2), (3, 3)):
            table[row, column] += 1e-4
            above = gain()
            table[row, column] -= 2e-4
            below = gain()
            table[row, column] += 1e-4
            assert np.isclose((above - below) / 2e-4, step[row, column], atol=1e-3)


def test_another_seed_gives_other_scores() -> None:
    one, other = (IALS(EVENTS, 41, 21, width=4, epochs=2, seed=seed).candidates(asked([2]), 3) for seed in (1, 2))
    assert not np.array_equal(one.scores, other.scores)


def test_dials_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="width=64, ridge=0, unobserved=0.2, epochs=12"):
        IALS(EVENTS, 41, 21, ridge=0)
    with pytest.raises(ConfigError, match="width=64, learning_rate=0, ridge=0.01, epochs=50"):
        BPR(EVENTS, 41, 21, learning_rate=0)
