"""Two tables of 64 numbers a row by alternating least squares, 12 sweeps: ours and `implicit`'s, of one loss.

A pair that was taken weighs 1.2 and any other 0.2, and the ridge is the same for all rows. Ours solves each row
exactly; `implicit` goes three steps of conjugate gradients from where it stood, as it does by default. All sweeps
count as one epoch here. An answer is as in `sequences`.
"""

from __future__ import annotations

import numpy as np
from epochs import Data, Epochs, main

WIDTH, SWEEPS, UNOBSERVED, RIDGE, K = 64, 12, 0.2, 10.0, 10


def ours(data: Data, epochs: Epochs) -> None:
    """The baseline `ials`."""
    from enterprise_recsys.baselines.ials import IALS
    from enterprise_recsys.records import Events, Queries, Ragged

    users, items = data["users"].astype(np.int64), data["items"].astype(np.int64)
    ones = np.ones(len(users), dtype=np.float32)
    events = Events(users, items, np.arange(len(users)), ones, ones, ones > 0)
    offsets = np.searchsorted(users, np.arange(1, users.max() + 2))
    size = (int(users.max()) + 1, int(items.max()) + 1)
    dials = {"width": WIDTH, "ridge": RIDGE, "unobserved": UNOBSERVED, "scaling": 0.0, "epochs": SWEEPS}
    epochs.begin()
    made = IALS(events, *size, **dials)
    epochs.end(lambda: made.candidates(Queries(Ragged(offsets, items)), K).rows)


def implicit(data: Data, epochs: Epochs) -> None:
    """`AlternatingLeastSquares`; its loss is ours divided by the weight of what was not taken."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    users, items = data["users"], data["items"]
    confidence = np.full(len(users), (1.0 + UNOBSERVED) / UNOBSERVED, dtype=np.float32)
    taken = csr_matrix((confidence, (users, items)))
    everyone = np.unique(users)
    dials = {"alpha": 1.0, "iterations": SWEEPS, "num_threads": 1, "random_state": 0}
    made = AlternatingLeastSquares(WIDTH, regularization=RIDGE / UNOBSERVED, **dials)
    epochs.begin()
    made.fit(taken, show_progress=False)
    epochs.end(lambda: made.recommend(everyone, taken[everyone], N=K, filter_already_liked_items=True)[0])


SYSTEMS = {"ours": ours, "implicit": implicit}

if __name__ == "__main__":
    main(SYSTEMS)
