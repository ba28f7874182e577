"""One of Surprise's models, at its defaults, in its own environment: learns ratings from a file, predicts others.

Started by `benchmarks/ratings.py`; imports nothing but numpy and Surprise. Ends with one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np


def main(name: str, source: str, out: str, seed: str) -> None:
    """Learn users, items and ratings [N] of `source`, and write what is said [M] of asked_users and asked_items."""
    from surprise import SVD, Dataset, Reader, SVDpp

    data = dict(np.load(source))
    learnt = list(zip(data["users"].tolist(), data["items"].tolist(), data["ratings"].tolist(), strict=True))
    reader = Reader(rating_scale=(float(data["ratings"].min()), float(data["ratings"].max())))
    begin = time.process_time()
    train = Dataset(reader).construct_trainset([(*one, None) for one in learnt])
    model = {"svd": SVD, "svd_plus_plus": SVDpp}[name](random_state=int(seed)).fit(train)
    asked = zip(data["asked_users"].tolist(), data["asked_items"].tolist(), strict=True)
    np.save(out, np.array([model.predict(user, item).est for user, item in asked]))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"cpu_s": time.process_time() - begin, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
