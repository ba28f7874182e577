"""What impressions are worth: lists of models that know what was shown, and of one that knows the clicks alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.data.clicks import CLICK  # noqa: E402
from enterprise_recsys.data.showing import make_shown_world  # noqa: E402
from enterprise_recsys.data.worlds import World  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions  # noqa: E402
from enterprise_recsys.trainer import ProductionTrainer  # noqa: E402

K = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn the made world's first nine tenths each way, and hold the lists against its true chances."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chance", type=float, default=1.0, help="in the old system's lists; see `make_shown_world`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    world = make_shown_world(chance=chosen.chance, seed=chosen.seed)
    lines = [line for unshown in (None, "negative", "unlabelled") for line in measured(world, chosen, unshown)]
    for one in lines:
        print(f"{one.system:>26} {one.stage:>10} {one.metric:<18} {one.value:.4f}")
    if chosen.record:
        append(chosen.record, lines)


def measured(world: World, chosen: argparse.Namespace, unshown: str | None) -> list[ResultLine]:
    """Train, and tell the share of the best chance and, by the clicks of the old system's lists, NDCG.

    `unshown` is the dial; None: nobody tells of impressions.
    """
    events = world.interactions.events
    times = events[TIMESTAMP].to_physical()
    bounds = [int(times.quantile(share) or 0) for share in (0.0, 0.8, 0.9, 1.0)]

    def part(first: int, last: int, *, clicks: bool) -> Interactions:
        held = events.filter((times >= bounds[first]) & (times < bounds[last] + (last == 3)))
        clicked = held.filter(pl.col("event_type") == CLICK).drop("position")
        return world.interactions.with_events(clicked if clicks else held)

    dials = {"unshown": unshown} if unshown else {}
    config = ModelConfig(threads=1, seed=chosen.seed, **dials)
    begin = time.process_time()
    trainer = ProductionTrainer(config, progress=False)
    trainer.fit(part(0, 1, clicks=not unshown), part(1, 2, clicks=not unshown))
    spent = time.process_time() - begin
    found = trainer.evaluate(part(2, 3, clicks=True), baselines=False)
    figures = {
        ("two_stage", f"ShareOfBest@{K}"): share_of_best(world, trainer, bounds[2], bounds[3]),
        **{(stage, f"NDCG@{K}"): float(found[f"{stage}/NDCG@{K}"]) for stage in ("retrieval", "two_stage")},
        ("two_stage", "fit_cpu_s"): spent,
    }
    command = f"python benchmarks/impressions.py --chance {chosen.chance:g} --seed {chosen.seed}"
    date, system = datetime.now(UTC).date().isoformat(), f"impressions, {unshown}" if unshown else "clicks alone"
    return [
        ResultLine(
            f"made-world-shown-{chosen.chance:g}",
            system,
            stage,
            metric,
            round(value, 4),
            seed=chosen.seed,
            command=command,
            machine=machine(),
            commit=commit(),
            date=date,
        )
        for (stage, metric), value in figures.items()
    ]


def share_of_best(world: World, trainer: ProductionTrainer, start: int, end: int) -> float:
    """The true chance that the lists of all users hold, of that of the best lists that there are."""
    assert world.interactions.users is not None and world.interactions.items is not None
    users = world.interactions.users[USER_ID].to_list()
    clicked = world.interactions.events.filter(
        (pl.col("event_type") == CLICK) & (pl.col(TIMESTAMP).to_physical() < start)
    )
    had = dict(clicked.group_by(USER_ID).agg(ITEM_ID).iter_rows())
    best = world.best_lists(users, K, start=start, end=end, seen=[set(had.get(user, ())) for user in users])
    answered = trainer.recommender.recommend_many(users, K, frame="polars")
    assert isinstance(answered, pl.DataFrame)
    own = dict(answered.group_by(USER_ID).agg(ITEM_ID).iter_rows())
    chances = world.preferences(users, start=start, end=end)
    row_of = {item: row for row, item in enumerate(world.interactions.items[ITEM_ID])}

    def chance(lists: Sequence[Sequence[str]]) -> float:
        return float(sum(chances[user, [row_of[item] for item in one]].sum() for user, one in enumerate(lists)))

    return chance([own[user] for user in users]) / max(chance(best), float(np.finfo(np.float32).tiny))


if __name__ == "__main__":
    main()
