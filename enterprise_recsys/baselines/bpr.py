"""BPR by the library `implicit`: of a taken and a drawn item, the taken one should stand higher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enterprise_recsys.baselines.sources import histories, popularity_nudge, ranked, taken
from enterprise_recsys.errors import ConfigError, MissingExtraError
from enterprise_recsys.records import Events, Floats, Queries, Ranked

if TYPE_CHECKING:
    from threadpoolctl import threadpool_limits


class BPR:
    """Two tables of vectors, fitted by drawing pairs: what a user took should stand above what the user did not.

    loss = -log sigmoid(s(u, taken) - s(u, drawn)) + ridge / 2 * (norms), by steps on single pairs. A user who was not
    learnt from gets the mean of the item vectors of his history, and without one the popular items.

    Args:
        events, n_users, n_items: see `Source`.
        width: of the vectors, 1 or more.
        learning_rate: step size, over 0.
        ridge: lambda, 0 or more.
        epochs: passes over the events.
        seed: of the first vectors and the draws.

    Raises:
        ConfigError: a dial is out of its range.
        MissingExtraError: `implicit` is not installed.

    Source: Rendle et al., UAI 2009, arXiv:1205.2618.
    """

    tag = "bpr"

    def __init__(
        self,
        events: Events,
        n_users: int,
        n_items: int,
        *,
        width: int = 64,
        learning_rate: float = 0.05,
        ridge: float = 0.01,
        epochs: int = 100,
        seed: int = 0,
    ) -> None:
        if not (width >= 1 and learning_rate > 0 and ridge >= 0 and epochs >= 1):
            raise ConfigError(
                f"width={width}, learning_rate={learning_rate}, ridge={ridge}, epochs={epochs}: "
                "width and epochs are 1 or more, learning_rate over 0, ridge 0 or more."
            )
        try:
            from implicit.cpu.bpr import BayesianPersonalizedRanking
        except ImportError:
            raise MissingExtraError(
                "the baseline 'bpr' needs the package implicit; install it with "
                "pip install 'enterprise_recsys[baselines]'."
            ) from None
        users = taken(events, n_users, n_items)
        self._popular = popularity_nudge(np.asarray(users.sum(axis=0), dtype=np.float32).ravel())
        self._learnt = np.diff(users.indptr) > 0
        with _one_blas_thread():
            model = BayesianPersonalizedRanking(
                factors=width,
                learning_rate=learning_rate,
                regularization=ridge,
                iterations=epochs,
                num_threads=1,  # threads write over each other's steps, and no run is like another
                random_state=seed,
            )
            model.fit(users, show_progress=False)
        self._users, self._items = model.user_factors, model.item_factors

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return ranked(self._scored, queries, k, n_items=len(self._popular))

    def _scored(self, queries: Queries) -> Floats:
        history = histories(queries.history, len(self._popular))
        lengths = np.maximum(np.diff(history.indptr), 1).astype(np.float32)
        vectors = (history @ self._items) / lengths[:, None]
        if queries.users is not None:
            learnt = self._learnt[queries.users]
            vectors[learnt] = self._users[queries.users[learnt]]
        scores: Floats = vectors @ self._items.T + self._popular[None, :]
        return scores


def _one_blas_thread() -> threadpool_limits:
    """The library solves many small systems and warns that a BLAS with threads of its own slows it down."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")
