"""iALS and BPR find the blocks of a made world; iALS is at the least of its loss."""

import sys

import numpy as np
import pytest

from enterprise_recsys.baselines.factors import BPR, IALS
from enterprise_recsys.errors import ConfigError, MissingExtraError
from tests.baselines.worlds import asked, blocks, events_of

EVENTS = events_of(blocks())


@pytest.fixture(autouse=True)
def _library() -> None:
    pytest.importorskip("implicit", reason="the extra `baselines` is not installed")


def test_ials_recommends_what_is_left_of_ones_own_block() -> None:
    source = IALS(EVENTS, 41, 21, width=4, ridge=0.1, seed=1)
    found = source.candidates(asked([2, 4, 6], [1, 3, 5, 7]), 5)
    assert (found.rows[0] % 2 == 0).all() and (found.rows[1] % 2 == 1).all()
    assert (found.scores > 0.5).all()


def test_the_vector_of_a_user_is_the_least_of_the_loss_that_the_docstring_tells() -> None:
    source = IALS(EVENTS, 41, 21, width=3, ridge=0.7, unobserved=0.3, seed=2)
    items = source._model.item_factors.astype(float)
    had = np.zeros(21)
    had[[2, 4, 9]] = 1.0
    weights = np.where(had > 0, 1.3, 0.3)
    best = np.linalg.solve((items * weights[:, None]).T @ items + 0.7 * np.eye(3), (items * weights[:, None]).T @ had)
    found = source.candidates(asked([2, 4, 9], repeats=True), 20)
    assert np.allclose(found.scores[0], (items @ best)[found.rows[0]], atol=1e-4)


def test_bpr_orders_ones_own_block_first_for_learnt_users_and_for_strangers() -> None:
    source = BPR(EVENTS, 41, 21, width=8, epochs=200, seed=1)
    found = source.candidates(asked([2], [1], [4, 6], [], users=[2, 1, 0, 0]), 6)
    assert (found.rows[0] % 2 == 0).all() and (found.rows[1] % 2 == 1).all() and (found.rows[2] % 2 == 0).all()
    assert np.isfinite(found.scores).all()


def test_another_seed_gives_other_scores() -> None:
    one, other = (IALS(EVENTS, 41, 21, width=4, epochs=2, seed=seed).candidates(asked([2]), 3) for seed in (1, 2))
    assert not np.array_equal(one.scores, other.scores)


@pytest.mark.parametrize(("fit", "name"), [(IALS, "ials"), (BPR, "bpr")])
def test_without_the_library_the_extra_is_named(fit, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    monkeypatch.setitem(sys.modules, "implicit.cpu.bpr", None)
    with pytest.raises(MissingExtraError, match=rf"the baseline '{name}' needs .* 'enterprise_recsys\[baselines\]'"):
        fit(EVENTS, 41, 21)


def test_dials_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="width=64, ridge=0, unobserved=0.1, epochs=15"):
        IALS(EVENTS, 41, 21, ridge=0)
    with pytest.raises(ConfigError, match="width=64, learning_rate=0, ridge=0.01, epochs=100"):
        BPR(EVENTS, 41, 21, learning_rate=0)
