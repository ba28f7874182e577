"""LISTERS: what can answer a list task by name; each baseline is one, and other parts bring their own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import numpy as np

from enterprise_recsys.baselines.sources import Fit, Source
from enterprise_recsys.baselines.table import BASELINES, NEEDS_TIMES, SEEDED, SPACES
from enterprise_recsys.baselines.tuning import search
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.protocol import System, measure
from enterprise_recsys.protocols.barring import allowed
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, Lister, ListTask, numbers
from enterprise_recsys.records import Ints, Queries, Ragged, Ranked


def found_for(source: Source, asked: Encoded, at: Ints, k: int, *, repeats: bool) -> Ranked:
    """The candidates of those at some places [B, k]; with repeats nothing is left out of them, else the history is.

    A source knows no context, so whoever asks several times is looked up once.
    """
    assert asked.queries.users is not None
    own = asked.owners[at]
    _, first, back = np.unique(own, return_index=True, return_inverse=True)
    some = at[first]
    nothing = Ragged(np.zeros(len(some) + 1, dtype=np.int64), np.empty(0, dtype=np.int64)) if repeats else None
    queries = Queries(asked.queries.history.take(some), exclude=nothing, users=asked.queries.users[some])
    found = source.candidates(queries, k)
    return Ranked(found.rows[back], found.scores[back])


def system_of(source: Source, asked: Encoded, *, repeats: bool = False) -> System:
    """A source of candidates as something that `measure` can ask, with the history left out unless it may repeat."""
    return lambda at, k: found_for(source, asked, at, k, repeats=repeats).rows


def of_baseline(name: str) -> Lister:
    """A baseline as a lister: dials by the search of `baselines.tuning`, then learnt anew on what `judge` allows.

    Raises on a call:
        ConfigError: the baseline has no such dial, or its value is no number.
        DataError: the baseline goes by time, and the data has none.
    """
    fit, seeded = BASELINES[name], name in SEEDED
    known = [one for one in inspect.signature(fit).parameters if one not in ("events", "n_users", "n_items")]

    def answer(task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
        if name in NEEDS_TIMES and not task.has_times:
            raise DataError(f"{name} goes by time, and the data of this protocol has none; take popularity.")
        own: Mapping[str, float] = numbers(dials, known, system=name)
        fixed = {"seed": seed} if seeded and "seed" not in own else {}
        if not own and trials > 1 and SPACES[name]:
            own = _chosen(fit, name, task, metric, seed, trials)
        judge = Encoded.of(task.judge, task.listed(task.judge))
        source = fit(judge.events, judge.n_users, judge.n_items, **fixed, **own)
        return Answer({"retrieval": system_of(source, judge, repeats=task.repeats)}, own)

    return answer


def _chosen(fit: Fit, name: str, task: ListTask, metric: str, seed: int, trials: int) -> Mapping[str, float]:
    choose = Encoded.of(task.choose, task.listed(task.choose))
    fixed = {"seed": seed} if name in SEEDED else {}
    k = int(metric.split("@")[1])

    def score(dials: Mapping[str, float]) -> float:
        source = fit(choose.events, choose.n_users, choose.n_items, **fixed, **dials)
        system = allowed(system_of(source, choose, repeats=task.repeats), task.choose, task.listed(task.choose))
        measured = measure(system, choose.truth, n_items=choose.n_items, ks=(k,))
        return measured.means().get(metric, float("nan"))

    return search(score, SPACES[name], trials=trials, generator=np.random.default_rng(seed))[0].dials


LISTERS: Mapping[str, Lister] = {name: of_baseline(name) for name in BASELINES}
