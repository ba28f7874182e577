"""One evaluator, in its own environment, on lists from a file: seconds, memory and figures as one line of JSON.

Started by `benchmarks/evaluators.py`; imports nothing but numpy and the evaluator that is named.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

KS = (10, 20)
Lists = dict[str, np.ndarray]
"""users [T], items [T]: what was relevant; rows [U, 20]: the lists, best first; n_items."""
Figures = dict[str, float]


def ours(lists: Lists) -> tuple[Callable[[], object], Callable[[object], Figures]]:
    """Every metric of users and of lists that needs no further table, more than is asked of the others."""
    from enterprise_recsys.evaluation.protocol import measure
    from enterprise_recsys.evaluation.truth import Truth

    rows, n_items = lists["rows"], int(lists["n_items"])

    def build() -> object:
        return Truth.of(lists["users"], lists["items"], n_users=len(rows))

    def run(truth: object) -> Figures:
        return measure(lambda users, k: rows[users, :k], truth, n_items=n_items, ks=KS).means()  # type: ignore[arg-type]

    return build, run


def rectools(lists: Lists) -> tuple[Callable[[], object], Callable[[object], Figures]]:
    """`calc_metrics` on its two data frames, as its documentation has it."""
    import pandas as pd
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    kinds = {"HR": HitRate, "Recall": Recall, "Precision": Precision, "MAP": MAP, "MRR": MRR}
    metrics = {f"{name}@{k}": kind(k=k) for k in KS for name, kind in kinds.items()}
    metrics |= {f"NDCG@{k}": NDCG(k=k, divide_by_achievable=True) for k in KS}
    rows = lists["rows"]

    def build() -> object:
        places = rows.shape[1]
        told = pd.DataFrame(
            {
                "user_id": np.repeat(np.arange(len(rows)), places),
                "item_id": rows.reshape(-1),
                "rank": np.tile(np.arange(1, places + 1), len(rows)),
            }
        )
        return told, pd.DataFrame({"user_id": lists["users"], "item_id": lists["items"]})

    def run(frames: object) -> Figures:
        told, taken = frames  # type: ignore[misc]
        return {name: float(value) for name, value in calc_metrics(metrics, reco=told, interactions=taken).items()}

    return build, run


def ranx(lists: Lists) -> tuple[Callable[[], object], Callable[[object], Figures]]:
    """`evaluate` on Qrels and Run made from data frames; compiled before the clock starts."""
    import pandas as pd
    from ranx import Qrels, Run, evaluate

    names = {"HR": "hit_rate", "Recall": "recall", "Precision": "precision", "NDCG": "ndcg", "MAP": "map", "MRR": "mrr"}
    asked = {f"{theirs}@{k}": f"{ours}@{k}" for k in KS for ours, theirs in names.items()}

    def of(users: np.ndarray, items: np.ndarray, rows: np.ndarray) -> object:
        places = rows.shape[1]
        taken = pd.DataFrame({"q_id": users.astype(str), "doc_id": items.astype(str), "score": 1})
        told = pd.DataFrame(
            {
                "q_id": np.repeat(np.arange(len(rows)), places).astype(str),
                "doc_id": rows.reshape(-1).astype(str),
                "score": np.tile(np.arange(places, 0, -1).astype(float), len(rows)),
            }
        )
        return Qrels.from_df(taken, "q_id", "doc_id", "score"), Run.from_df(told, "q_id", "doc_id", "score")

    def run(both: object) -> Figures:
        qrels, lists_of = both  # type: ignore[misc]
        return {asked[name]: float(value) for name, value in evaluate(qrels, lists_of, list(asked)).items()}

    few = lists["users"] < 50
    run(of(lists["users"][few], lists["items"][few], lists["rows"][:50]))
    return lambda: of(lists["users"], lists["items"], lists["rows"]), run


def recbole(lists: Lists) -> tuple[Callable[[], object], Callable[[object], Figures]]:
    """`Evaluator` on its matrix of hits, which is looked up as its `Collector` does: dense, in batches."""
    import torch
    from recbole.evaluator import Evaluator
    from recbole.evaluator.collector import DataStruct

    names = {"hit": "HR", "recall": "Recall", "precision": "Precision", "ndcg": "NDCG", "map": "MAP_min", "mrr": "MRR"}
    config = {"metrics": list(names), "topk": list(KS), "metric_decimal_place": 12}
    rows, n_items = torch.from_numpy(lists["rows"]), int(lists["n_items"])
    users, items = torch.from_numpy(lists["users"]), torch.from_numpy(lists["items"])

    def build() -> object:
        told, step = DataStruct(), 4096
        bounds = torch.searchsorted(users, torch.arange(0, len(rows) + step, step))
        for batch, start in enumerate(range(0, len(rows), step)):
            part = rows[start : start + step]
            at = slice(int(bounds[batch]), int(bounds[batch + 1]))
            relevant = torch.zeros((len(part), n_items), dtype=torch.int)
            relevant[users[at] - start, items[at]] = 1
            hits = torch.gather(relevant, dim=1, index=part)
            told.update_tensor("rec.topk", torch.cat((hits, relevant.sum(dim=1, keepdim=True)), dim=1))
        return told

    def run(told: object) -> Figures:
        found = Evaluator(config).evaluate(told)
        return {f"{names[key.split('@')[0]]}@{key.split('@')[1]}": float(value) for key, value in found.items()}

    return build, run


EVALUATORS = {"ours": ours, "rectools": rectools, "ranx": ranx, "recbole": recbole}


def held_mb() -> float:
    """Largest memory so far. Not getrusage where /proc is: its figure begins with that of the process that forked."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main(name: str, path: str) -> None:
    with np.load(path) as file:
        lists = {key: file[key] for key in file.files}
    build, run = EVALUATORS[name](lists)
    before = held_mb()
    start, cpu = time.perf_counter(), time.process_time()
    built = build()
    middle = time.process_time()
    figures = run(built)
    told = {
        "seconds": time.perf_counter() - start,
        "seconds_cpu": time.process_time() - cpu,
        "seconds_cpu_metrics": time.process_time() - middle,
        "peak_mb": held_mb(),
        "added_mb": held_mb() - before,
        "figures": figures,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
