"""What is served is what is measured: the recommender's own lists, its stages, and simple methods beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from enterprise_recsys.baselines.sources import Fit
from enterprise_recsys.data.splits import checksum
from enterprise_recsys.evaluation.detail import Detail, curves_of
from enterprise_recsys.evaluation.protocol import Measured, System, measure
from enterprise_recsys.evaluation.report import evaluation_of
from enterprise_recsys.evaluation.truth import at_depth
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.listed import Lists
from enterprise_recsys.examining.stages import index_recall, losses_of, predictions_of
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Floats, Interactions, Ints
from enterprise_recsys.reporting.provenance import made_here

DEPTH = 50
"""Longest list in the curves of a report."""
TITLE = "How good are the lists?"
"""Of the report of an evaluation."""


class Deep:
    """A system that is asked for longer lists than are measured, and keeps them for the curves."""

    def __init__(self, system: System, n_users: int, depth: int) -> None:
        self._system, self._depth = system, depth
        self.lists = np.zeros((n_users, depth), dtype=np.int64)

    def __call__(self, at: Ints, k: int) -> Ints:
        """The first k places, as a `System`."""
        rows = np.asarray(self._system(at, max(k, self._depth)))
        if rows.ndim == 2 and len(rows) == len(at) and np.issubdtype(rows.dtype, np.integer):
            self.lists[at] = at_depth(rows, self._depth)
        return rows[:, :k] if rows.ndim == 2 else rows


def measured_together(
    exam: Exam,
    systems: Mapping[str, System],
    *,
    ks: Sequence[int],
    depth: int = 0,
    vectors: Floats | None = None,
) -> tuple[dict[str, Measured], dict[str, dict[str, list[float]]]]:
    """Measure systems on the same users; with curves (see `curves_of`) down to `depth` if it is over 0."""
    deep = {name: Deep(system, len(exam.user_ids), max(depth, *ks)) for name, system in systems.items()}
    catalogue = exam.catalogue(vectors)
    measured = {
        name: measure(system, exam.truth, ks=ks, slices=exam.slices, catalogue=catalogue)
        for name, system in deep.items()
    }
    lists = {name: system.lists for name, system in deep.items()}
    return measured, curves_of(lists, exam.truth, depth=depth) if depth else {}


def examine(
    recommender: Recommender,
    test: Interactions,
    *,
    ks: Sequence[int],
    extra: Mapping[str, Lists],
    baselines: Mapping[str, Fit],
    seed: int,
    depth: int = 0,
    slices: Sequence[str] = (),
) -> Detail:
    """Measure every system and every stage on the same users; see `ProductionTrainer.evaluate`.

    Args:
        recommender: what answers; its own log is the history.
        test: later events.
        ks: lengths of list.
        extra: name -> further lists.
        baselines: name -> how it is fitted to the events that the recommender knows.
        seed: draws the users of the bootstrap, and a sample where there are very many predictions.
        depth: of the curves; 0 = none. No deeper than the candidates: beyond, a list would not be the served one.
        slices: features of users or items whose values are shown as groups.
    """
    engine = recommender.engine
    exam = Exam(engine.processor, recommender.log, test, features=slices)
    events = engine.processor.events(exam.log, exam.state.users)
    systems: dict[str, System] = {
        name: exam.baseline(fit(events, len(exam.state.users), exam.n_items)) for name, fit in baselines.items()
    }
    systems["retrieval"] = exam.system(recommender.retrieve)
    systems["two_stage"] = exam.system(recommender.lists)
    systems |= {name: exam.outside(lists) for name, lists in extra.items()}
    depth = min(depth, max(engine.depth, *ks), recommender.n_items)
    measured, curves = measured_together(exam, systems, ks=ks, depth=depth, vectors=engine.directions)
    evaluation = evaluation_of(
        measured,
        generator=np.random.default_rng(seed),
        pairs=[("two_stage", name) for name in systems if name not in ("two_stage", "best_possible")],
        further=losses_of(recommender, exam, measured["two_stage"], ks=ks),
    )
    evaluation.update(index_recall(recommender, exam, seed=seed))
    predicted, reliable = predictions_of(recommender, exam, seed=seed)
    evaluation.update(predicted)
    return Detail(evaluation, curves, reliable.told, reliable.before)


def provenance_of(recommender: Recommender, test: Interactions, command: str | None = None) -> dict[str, object]:
    """What is needed to measure this model on this test log again: name -> value, for the foot of a report."""
    config = recommender.engine.processor.config
    return {
        **split_of(test),
        "model": recommender.model_version,
        "seed": config.seed,
        **made_here(command),
        "configuration": config.model_dump(mode="json"),
    }


def split_of(test: Interactions) -> dict[str, object]:
    """Which events were asked for."""
    times = test.events["timestamp"]
    return {
        "data": test.name,
        "test events": f"{len(test.events):,}, {str(times.min())[:16]} to {str(times.max())[:16]} UTC",
        "split checksum": checksum(test),
    }
