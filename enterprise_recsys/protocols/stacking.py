"""A second stage for list tasks: boosted trees put the candidates of a linear first stage in another order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from enterprise_recsys.baselines.boosted import BoostedRanker
from enterprise_recsys.baselines.linear import EASE, MOST_ITEMS
from enterprise_recsys.baselines.neighbours import ItemKNN
from enterprise_recsys.baselines.popular import Repeats
from enterprise_recsys.baselines.sources import Source
from enterprise_recsys.baselines.tuning import search
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.protocol import System, measure
from enterprise_recsys.evaluation.results import threads
from enterprise_recsys.evaluation.truth import Truth, judge
from enterprise_recsys.protocols.barring import Bar, allowed
from enterprise_recsys.protocols.evidence import Evidence
from enterprise_recsys.protocols.listers import found_for, system_of
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, ListTask, Trial, numbers
from enterprise_recsys.records import Bools, Columns, Doubles, Events, Ints, Queries, Ranked

DEPTH = 100
"""Candidates that are put in order; longer lists go on in the order of the first stage."""
MOST_ASKED = 20_000
"""Lists that the trees learn from; of more, some are drawn."""
HELD = 0.2
"""Share of those of `choose` who are asked that says when to stop and which dials are best."""
OWN = 1e6
"""What lifts the score of an item that the user had over that of any other."""
BLOCK = 512
"""Lists whose columns are made at once; bounds the memory."""
SPACE: Mapping[str, Sequence[float]] = {"leaves": (7, 15, 31, 63), "learning_rate": (0.03, 0.1), "least": (20, 100)}


def stacked(task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
    """EASE (item k-NN beyond 25,000 items), with its defaults, finds candidates; LightGBM's LambdaMART orders them.

    Where repeats are asked for, what the user had comes before what EASE finds.

    The trees learn on `choose`: columns from its log, labels from its targets, a fifth of those who are asked set aside
    for the early stop and the choice of dials. Then the first stage is learnt anew on what `judge` allows, and the
    trees order its candidates. The columns are those of `Evidence`: score and place in the first stage, counts, ids and
    features of user and item, and of a question its context.

    Raises on a call:
        ConfigError: a dial that the trees do not have, or no number.
        DataError: no target of `choose` is among its candidates.
        MissingExtraError: LightGBM is not installed.
    """
    own: Mapping[str, float] = numbers(dials, list(SPACE), system="lightgbm")
    generator = np.random.default_rng(seed)
    stage = _Stage(task, task.choose)
    drawn = generator.permutation(len(stage.asked.queries))[:MOST_ASKED]
    cut = int(HELD * len(drawn))
    held = np.sort(drawn[:cut])
    val, train = stage.examples(held), stage.examples(np.sort(drawn[cut:]))

    def learnt(dials: Mapping[str, float]) -> BoostedRanker:
        settings = {"leaves": 31, "learning_rate": 0.05, "least": 50, **dials}
        whole = {name: int(settings[name]) for name in ("leaves", "least")}
        model = BoostedRanker("list", learning_rate=settings["learning_rate"], threads=threads(), seed=seed, **whole)
        return model.fit(*train, val=val)

    def score(dials: Mapping[str, float]) -> float:
        system = allowed(stage.ordered(learnt(dials)), task.choose, task.catalogue)
        k = int(metric.split("@")[1])
        figures = measure(system, stage.truth_of(held), n_items=stage.asked.n_items, ks=(k,))
        return figures.means().get(metric, float("nan"))

    if not own and trials > 1:
        own = search(score, SPACE, trials=trials, generator=generator)[0].dials
    model = learnt(own)
    final = _Stage(task, task.judge)
    first = system_of(final.source, final.asked, repeats=task.repeats)
    return Answer({"retrieval": first, "two_stage": final.ordered(model)}, own)


class _OwnFirst:
    """Where repeats are asked for: what the user had, the often taken first, then what another source would add."""

    tag = "own_first"

    def __init__(self, other: Source, events: Events, n_items: int) -> None:
        self._own, self._other = Repeats(events, 0, n_items, half_life_events=np.inf), other

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`; the scores of one's own lie above the others."""
        own, new = self._own.candidates(queries, k), self._other.candidates(replace(queries, exclude=None), k)
        rows, scores = np.hstack([own.rows, new.rows]), np.hstack([own.scores + OWN, new.scores])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return Ranked(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))


class _Stage:
    """One round: the first stage on its log, and what is known of its candidates."""

    def __init__(self, task: ListTask, trial: Trial) -> None:
        self.asked, self._repeats = Encoded.of(trial, task.catalogue), task.repeats
        fit = EASE if self.asked.n_items <= MOST_ITEMS else ItemKNN
        new: Source = fit(self.asked.events, self.asked.n_users, self.asked.n_items)
        self.source = _OwnFirst(new, self.asked.events, self.asked.n_items) if task.repeats else new
        self._evidence, self._bar = Evidence(trial, self.asked, task.catalogue), Bar(trial, task.catalogue)

    def truth_of(self, held: Ints) -> Truth:
        """The truth of some of those who are asked; the others have none."""
        truth = self.asked.truth
        owners = np.repeat(np.arange(truth.n_users), truth.counts)
        kept = np.isin(owners, held)
        return Truth.of(owners[kept], truth.items[kept], n_users=truth.n_users)

    def _found(self, at: Ints, k: int = 0) -> Ranked:
        wanted = max(k, DEPTH)
        found = found_for(self.source, self.asked, at, wanted + self._bar.most(at), repeats=self._repeats)
        return self._bar.without(at, found, wanted)

    def examples(self, asked: Ints) -> tuple[Columns, Doubles, Ints]:
        """Columns [R], labels [R] and the sizes of the lists [G], for lists with a target among their candidates."""
        columns: list[Columns] = []
        labels, sizes = [], []
        for at in _blocks(asked):
            found = self._found(at)
            taken: Bools = judge(found.rows, at, self.asked.truth, depth=DEPTH).grades > 0
            told = taken.any(axis=1)
            kept = (found.rows > 0) & told.reshape(-1, 1)
            columns.append({name: one[kept.reshape(-1)] for name, one in self._evidence.columns(at, found).items()})
            labels.append(taken[kept].astype(np.float64))
            sizes.append(kept.sum(axis=1)[told])
        if not sum(map(len, sizes)):
            raise DataError("no target of the round that chooses is among its candidates: there is no order to learn.")
        table = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
        return table, np.concatenate(labels), np.concatenate(sizes).astype(np.int64)

    def ordered(self, model: BoostedRanker) -> System:
        """The candidates as the model orders them, and after them what else the first stage would give."""

        def rows(at: Ints, k: int) -> Ints:
            out = np.zeros((len(at), k), dtype=np.int64)
            for start in range(0, len(at), BLOCK):
                part = at[start : start + BLOCK]
                found = self._found(part, k)
                near, rest = Ranked(found.rows[:, :DEPTH], found.scores[:, :DEPTH]), found.rows[:, DEPTH:]
                scores = model.score(self._evidence.columns(part, near)).reshape(near.rows.shape)
                scores[near.rows == 0] = -np.inf
                order = np.argsort(-scores, axis=1, kind="stable")
                best = np.take_along_axis(near.rows, order, axis=1)
                out[start : start + BLOCK] = np.hstack([best, rest])[:, :k]
            return out

        return rows


def _blocks(asked: Ints) -> Iterator[Ints]:
    for start in range(0, len(asked), BLOCK):
        yield asked[start : start + BLOCK]
