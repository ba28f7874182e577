"""The price of diversity: accuracy against the likeness of lists over the dial, for MMR and a determinantal process."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

import numpy as np  # noqa: E402

from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.data.sources import read  # noqa: E402
from enterprise_recsys.data.splits import SPLITS  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.examining.exam import Exam  # noqa: E402
from enterprise_recsys.records import Floats, Ranked  # noqa: E402
from enterprise_recsys.reranking.diversity import mmr  # noqa: E402
from enterprise_recsys.trainer import ProductionTrainer  # noqa: E402
from enterprise_recsys.wishes import Wish  # noqa: E402

DIALS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
Order = Callable[[Ranked, Floats, int, float], Ranked]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train once, order the same candidates at every dial, print the table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20, help="of each stage, at most")
    parser.add_argument("--plot", type=Path, help="a .png file to draw accuracy against diversity in")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    parts = SPLITS["global_time"](read(chosen.data))
    config = ModelConfig(seed=chosen.seed, epochs=chosen.epochs, ranker_epochs=min(chosen.epochs, 10), threads=1)
    trainer = ProductionTrainer(config, progress=False).fit(parts.train, parts.val)
    exam = Exam(trainer.recommender.engine.processor, trainer.recommender.log, parts.test)
    users = np.flatnonzero(exam.truth.counts)
    pool, vectors = pooled(trainer, exam, users, chosen.k), directions(trainer)
    points: dict[str, list[tuple[float, dict[str, float]]]] = {}
    lines = []
    for name, order in ORDERS.items():
        for dial in DIALS:
            start = time.process_time()
            found = order(pool, vectors, chosen.k, dial)
            spent = (time.process_time() - start) / len(users) * 1e3
            figures = {**judged(found.rows[:, : chosen.k], exam, users, trainer, chosen.k), "cpu_ms": spent}
            points.setdefault(name, []).append((dial, figures))
            print(f"{name} {dial:.1f}  " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
            lines += [line(f"{name}, dial {dial}", metric, value, chosen) for metric, value in figures.items()]
    if chosen.plot:
        draw(points, chosen)
    if chosen.record:
        append(chosen.record, lines)


def pooled(trainer: ProductionTrainer, exam: Exam, users: np.ndarray, k: int) -> Ranked:
    """The ranker's candidates of every user, in its order."""
    finder = trainer.recommender.finder
    parts = [finder.scored(exam.requests(part), Wish(), k) for part in np.array_split(users, len(users) // 256 + 1)]
    return Ranked(np.concatenate([part.rows for part in parts]), np.concatenate([part.scores for part in parts]))


def directions(trainer: ProductionTrainer) -> Floats:
    """[I, W] of length 1, without the entry that lifts the vectors: what the product compares items by."""
    raw = trainer.recommender.engine.directions
    return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)


def judged(rows: np.ndarray, exam: Exam, users: np.ndarray, trainer: ProductionTrainer, k: int) -> dict[str, float]:
    """NDCG@k and Recall@k, the mean cosine distance in the lists, their two most alike, the share of the catalogue."""
    truth, gains = exam.truth, 1.0 / np.log2(np.arange(2, k + 2))
    ndcg, recall = [], []
    for user, found in zip(users, rows, strict=True):
        relevant = truth.items[truth.offsets[user] : truth.offsets[user + 1]]
        hits = np.isin(found, relevant)
        ndcg.append(float((hits * gains).sum() / gains[: len(relevant)].sum()))
        recall.append(hits.sum() / len(relevant))
    vectors = directions(trainer)[rows]
    alike = np.matmul(vectors, vectors.transpose(0, 2, 1))
    upper = np.triu_indices(k, 1)
    return {
        f"NDCG@{k}": float(np.mean(ndcg)),
        f"Recall@{k}": float(np.mean(recall)),
        f"Diversity@{k}": float(1.0 - alike[:, upper[0], upper[1]].mean()),
        f"Nearest@{k}": float(alike[:, upper[0], upper[1]].max(axis=1).mean()),
        f"Coverage@{k}": len(np.unique(rows)) / trainer.recommender.n_items,
    }


def dpp(ranked: Ranked, vectors: Floats, k: int, dial: float) -> Ranked:
    """The greedy most likely set of a determinantal point process with L = q_i q_j <v_i, v_j>.

    log q is the relevance (0..1 within the list) times (1 - dial) / dial, the trade-off of the source. It stands here
    to be compared; it joins the package if it wins.

    Source: Chen, Zhang and Zhou, NeurIPS 2018, arXiv:1709.05135, algorithm 1.
    """
    if dial == 0.0:
        return ranked
    held = ranked.rows > 0
    quality = np.where(held, (1.0 - dial) / dial * np.where(held, relevance(ranked), 0.0), -np.inf)  # log q
    embedded = vectors[ranked.rows]
    size, width = ranked.rows.shape
    everyone, left = np.arange(size), np.ones((size, width))
    taken = np.zeros((size, k), dtype=np.int64)
    factors = np.zeros((size, width, k))
    free = np.ones((size, width), dtype=bool)
    for place in range(k):
        gain = np.where(free, 2 * quality + np.log(np.maximum(left, 1e-12)), -np.inf)
        best = np.argmax(gain, axis=1) if place else np.argmax(ranked.scores, axis=1)
        taken[:, place], free[everyone, best] = best, False
        alike = np.matmul(embedded, embedded[everyone, best][:, :, None])[:, :, 0]
        own = np.einsum("bwp,bp->bw", factors, factors[everyone, best])
        factors[:, :, place] = (alike - own) / np.sqrt(np.maximum(left[everyone, best], 1e-12))[:, None]
        left = left - factors[:, :, place] ** 2
    rows, scores = np.take_along_axis(ranked.rows, taken, 1), np.take_along_axis(ranked.scores, taken, 1)
    return Ranked(rows, scores)


def relevance(ranked: Ranked) -> np.ndarray:
    """[B, K] scores scaled to 0..1 within each list; -inf at empty places."""
    held = ranked.rows > 0
    low = np.min(ranked.scores, axis=1, keepdims=True, where=held, initial=np.inf)
    span = np.maximum(ranked.scores.max(1, keepdims=True) - low, 1e-9)
    return np.where(held, (np.where(held, ranked.scores, 0.0) - low) / span, -np.inf)


def mmr_max(ranked: Ranked, vectors: Floats, k: int, dial: float) -> Ranked:
    """MMR as its source has it, with the highest cosine to what was chosen in place of the mean."""
    if dial == 0.0:
        return ranked
    gain = np.where(ranked.rows > 0, (1.0 - dial) * np.where(ranked.rows > 0, relevance(ranked), 0.0), -np.inf)
    embedded, everyone = vectors[ranked.rows], np.arange(len(ranked.rows))
    taken, nearest = np.zeros((len(gain), k), dtype=np.int64), np.full(gain.shape, -1.0)
    for place in range(k):
        best = np.argmax(gain - dial * nearest if place else ranked.scores, axis=1)
        taken[:, place], gain[everyone, best] = best, -np.inf
        nearest = np.maximum(nearest, np.matmul(embedded, embedded[everyone, best][:, :, None])[:, :, 0])
    rows, scores = np.take_along_axis(ranked.rows, taken, 1), np.take_along_axis(ranked.scores, taken, 1)
    return Ranked(rows, scores)


def draw(points: dict[str, list[tuple[float, dict[str, float]]]], chosen: argparse.Namespace) -> None:
    """Accuracy over diversity, a point for each dial."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name, found in points.items():
        across = [figures[f"Diversity@{chosen.k}"] for _, figures in found]
        up = [figures[f"NDCG@{chosen.k}"] for _, figures in found]
        axes.plot(across, up, marker="o", label=name)
        for (dial, _), x, y in zip(found, across, up, strict=True):
            axes.annotate(str(dial), (x, y), fontsize=7)
    axes.set_xlabel("mean cosine distance in the list")
    axes.set_ylabel(f"NDCG@{chosen.k}")
    axes.legend()
    figure.savefig(chosen.plot, dpi=150, bbox_inches="tight")


def line(system: str, metric: str, value: float, chosen: argparse.Namespace) -> ResultLine:
    """One figure as a result."""
    return ResultLine(
        protocol=f"diversity-{chosen.data}",
        system=system,
        stage="two_stage",
        metric=metric,
        value=value,
        seed=chosen.seed,
        threads=1,
        commit=commit(ROOT),
        command=f"python benchmarks/diversity.py --data {chosen.data} --epochs {chosen.epochs}",
        machine=machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


ORDERS: dict[str, Order] = {"mmr": mmr, "mmr_max": mmr_max, "dpp": dpp}

if __name__ == "__main__":
    main()
