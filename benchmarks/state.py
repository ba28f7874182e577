"""Measure what state costs: an answer's line in the slate log, events, new items, and looking for changes.

Prints CPU time (of the whole process, writer thread included) and wall time; run on a quiet machine for wall times.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from enterprise_recsys import ModelConfig
from enterprise_recsys.answers import Recommendations
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.engine.indexes import exact
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.keeping import Keeping
from enterprise_recsys.service.living import Living
from enterprise_recsys.service.slates import Page
from enterprise_recsys.state.interface import Event, Row
from enterprise_recsys.trainer import ProductionTrainer


def timed(name: str, times: int, work: Callable[[int], object], end: Callable[[], object] = lambda: None) -> None:
    """Print CPU and wall time of one of so many calls; `end` belongs to them all."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(times):
        work(number)
    end()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<58} {1e6 * cpu / times:>9.1f} us CPU {1e6 * wall / times:>9.1f} us wall", flush=True)


def main() -> None:
    """Measure; see --help."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3000)
    parser.add_argument("--sync", choices=["full", "normal"], default="full")
    options = parser.parse_args()
    log = make_world(users=500, items=300, days=60, events_per_user=30).interactions
    trainer = ProductionTrainer(ModelConfig(epochs=2, ranker_epochs=1, threads=1), progress=False).fit(log)
    print(f"load average {os.getloadavg()[0]:.2f}; times {options.times}; synchronous={options.sync}")
    gc.freeze()  # a service has no training framework in memory for the collector to look through
    with tempfile.TemporaryDirectory() as folder:
        trainer.save(folder)
        keeping = Keeping(Path(folder) / "live", options.sync)
        living = Living(Recommender.load(folder), keeping.opened(), keeping)
        answers(living, options.times)
        writes(living, options.times)
        living.close()


def answers(living: Living, times: int) -> None:
    """The slate log and pages beside the answer itself."""
    users = living.recommender.log.events["user_id"].unique().sort().to_list()

    def answer(number: int) -> Recommendations:
        return living.recommender.recommend(users[number % len(users)], 10)

    def logged(number: int, dials: Keeping | None = None, flush: bool = True) -> None:
        living.keeping = dials or living.keeping
        Page(living, users[number % len(users)], 10, "home").shown(found)
        if flush and number % 50 == 49:  # 500 requests a second, looked after ten times a second
            living.flush()

    found = answer(0)
    plain = living.keeping
    timed("an answer of 10 from 200 candidates, without state", times, answer)
    timed("  its page and line in the slate log, written", times, logged, lambda: living.store.log([]).result())
    explored = replace(plain, explore_items=0.1, explore_positions=0.1)
    timed("  the same, with exploration", times, lambda number: logged(number, explored))
    living.keeping = plain
    living.store.log([]).result()
    timed("  what a user was shown in the last half hour", times, lambda n: living.served(users[n % 50], "home", 0))
    timed("looking for changes where there are none", times, lambda _: living.follow())


def writes(living: Living, times: int) -> None:
    """Events and items: kept, and known to the next answer."""
    items = living.recommender.engine.processor.items.ids.to_list()
    now = time.time_ns() // 1000

    def event(number: int) -> Event:
        return Event(f"e{number}", f"new-{number % 997}", items[number % len(items)], now + number)

    def batch(number: int, size: int, base: int) -> None:
        living.store.append([event(base + number * size + at) for at in range(size)]).result()
        living.follow()

    few = max(times // 20, 20)
    timed("one event, kept and known", few, lambda n: batch(n, 1, 0))
    timed("500 events in one batch, kept and known", few // 5, lambda n: batch(n, 500, 10_000))
    waiting = []
    timed(
        "one event of many that are sent together (group commit)",
        few * 10,
        lambda n: waiting.append(living.store.append([event(10_000_000 + n)])),
        lambda: [one.result() for one in waiting],
    )
    living.follow()
    for size in (0, 20_000, 80_000):
        enlarge(living, size)
        print(f"catalogue of {living.recommender.n_items:,} items")
        timed("  one new item, kept and found", 20, lambda number, at=size: put(living, f"n-{at}-{number}"))
        timed("  an answer of 10", 100, lambda _: living.recommender.recommend("new-1", 10))


def enlarge(living: Living, size: int) -> None:
    """Further items, all alike but for their id, in the index as if they had been trained."""
    features = living.recommender.engine.processor.catalogue.drop("item_id").row(0, named=True)
    living.changes.items(
        {f"more-{size}-{n}": features for n in range(size)}, whole={f"more-{size}-{n}": True for n in range(size)}
    )
    recommender = living.recommender
    changed = replace(recommender.engine, index=exact(recommender.engine.vectors))
    recommender.renew(changed, recommender.item_columns)


def put(living: Living, name: str) -> None:
    """One item, as PUT /v1/items does it."""
    features = living.recommender.engine.processor.catalogue.drop("item_id").row(0, named=True)
    living.changes.check_item(name, features)
    living.store.put("items", name, Row(features)).result()
    living.follow()


if __name__ == "__main__":
    main()
