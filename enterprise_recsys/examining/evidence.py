"""What the ranker said, beside what came of it: of the candidates that users were given, and of test events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.data.moments import Moments
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.evaluation.metrics import judge
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Bools, Doubles, Events, Floats, Interactions, Ints

CHUNK = 1024
"""Users asked at a time; bounds the memory."""
SAMPLED_USERS = 2000
"""Users whose candidates judge the index and the CTR head: with 200 candidates, 400,000 predictions."""
SAMPLED_RATINGS = 50_000
"""Test ratings that judge the rating head, and numbers that judge a task."""


@dataclass(frozen=True)
class Shown:
    """Candidates that users were given, those of one user together.

    Attributes:
        owners: [R] place in the truth of who was given each.
        keys: [R] owner * n_items + item.
        taken: [R] whether the user took it later.
        said: what the ranker said of it, [R] each: see `Scorer.logits`.
    """

    owners: Ints
    keys: Ints
    taken: Bools
    said: tuple[Floats, ...]


def shown_to(recommender: Recommender, exam: Exam, generator: np.random.Generator) -> Shown:
    """The candidates of the users, or of SAMPLED_USERS, who took something."""
    users = sample(np.flatnonzero(exam.truth.counts), SAMPLED_USERS, generator)
    depth = min(recommender.engine.depth, recommender.n_items)
    liked, disliked = _judgements(exam)
    owners, every, labels = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.bool_)]
    said: list[tuple[Floats, ...]] = []
    for begin in range(0, len(users), CHUNK // 4):
        part = users[begin : begin + CHUNK // 4]
        requests = exam.requests(part)
        found = recommender.finder.gather(requests, 1)
        columns = recommender.state.pair_columns(requests, recommender.item_columns, found)
        outputs = recommender.engine.scorer.logits(columns)
        held = found.rows.ravel() > 0
        keys = (part[:, None] * exam.n_items + found.rows).ravel()[held]
        taken = judge(found.rows, part, exam.truth, depth=depth).grades.ravel()[held] > 0
        owners.append(keys // exam.n_items)
        every.append(keys)
        labels.append((taken | np.isin(keys, liked)) & ~np.isin(keys, disliked))
        said.append(tuple(one[held] for one in outputs))
    together = tuple(np.concatenate(one) for one in zip(*said, strict=True))
    return Shown(np.concatenate(owners), np.concatenate(every), np.concatenate(labels), together)


def _judgements(exam: Exam) -> tuple[Ints, Ints]:
    """Keys user * n_items + item of test events at or over, and under, `ctr_positive_rating`; none without it."""
    threshold = exam.processor.config.ctr_positive_rating
    nothing = np.empty(0, np.int64)
    if threshold is None:
        return nothing, nothing
    keys = exam.owners * exam.n_items + exam.events.items
    over, under = exam.events.ratings >= threshold, exam.events.ratings < threshold
    return keys[over], np.setdiff1d(keys[under], keys[over])


def said_of_events(
    recommender: Recommender,
    exam: Exam,
    known: Callable[[Events], Floats],
    output: int,
    generator: np.random.Generator,
) -> tuple[Doubles, Doubles]:
    """What test events of known items tell [R], and what the ranker said of it [R], as of each event.

    Args:
        recommender: whose ranker is asked.
        exam: with the test log.
        known: what events tell [E]; NaN: nothing, and the event is passed over.
        output: place among what `Scorer.logits` gives.
        generator: draws SAMPLED_RATINGS of them where there are more.
    """
    processor, engine = exam.processor, recommender.engine
    both = pl.concat([exam.log.events, exam.test.events], how="diagonal_relaxed")
    moments = Moments(processor, Interactions(both, exam.log.users))
    events, start = moments.events, int(exam.events.times[0])
    labels = known(events)
    judged = np.flatnonzero((events.times >= start) & (events.items > 0) & ~np.isnan(labels))
    judged = sample(judged, SAMPLED_RATINGS, generator)
    said = [np.empty(0)]
    for begin in range(0, len(judged), CHUNK * 4):
        part = judged[begin : begin + CHUNK * 4]
        slots, times, rows = events.users[part], events.times[part], events.items[part]
        context = {name: column[part] for name, column in events.context.items()}
        requests = moments.requests(slots, times, context)
        queries: Floats = engine.encoder.encode(requests.query, requests.history)
        scores = np.einsum("bd,bd->b", queries, engine.vectors[rows])
        said_of = engine.related.said(requests.history).of(rows[:, None])
        pairs = Candidates(rows[:, None], scores[:, None], said_of, np.zeros((len(part), 1), dtype=np.int64))
        columns = moments.pair_columns(requests, recommender.item_columns, pairs)
        said.append(engine.scorer.logits(columns)[output].astype(np.float64))
    return labels[judged].astype(np.float64), np.concatenate(said)


def sample(values: Ints, size: int, generator: np.random.Generator) -> Ints:
    """At most `size` of some numbers, drawn without replacement, in rising order."""
    return values if len(values) <= size else np.sort(generator.choice(values, size, replace=False))
