"""Recommender: one user or many in, k items out; save, load; the engine only, no training framework."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from enterprise_recsys import saving
from enterprise_recsys.answers import TASKS, Recommendations, check_k, field_names, items_of, table_of
from enterprise_recsys.asking import Asked, taken
from enterprise_recsys.attribution import MOST_EXPLAINED, attribute
from enterprise_recsys.data.aggregates import Counts
from enterprise_recsys.data.live import State
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.vocabulary import spelt
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.trace import Trace
from enterprise_recsys.errors import ConfigError, MissingExtraError, UnknownItemError
from enterprise_recsys.finding import Engine, Finder, at_least, in_order
from enterprise_recsys.questions import FROM_REQUEST, PERSONAL, POPULAR, Question
from enterprise_recsys.records import USER_ID, WINDOWS_DAYS, Columns, Doubles, Interactions, Ints, PastItem, Ranked
from enterprise_recsys.wishes import Wish, Wishes, shaped, widened

if TYPE_CHECKING:
    import pandas as pd

_NOTHING = np.zeros(0, dtype=np.int64)


class Recommender:
    """A trained two-stage recommender that answers; made by `ProductionTrainer.fit` or `Recommender.load`.

    Args:
        engine: the model.
        log: the events and users known so far; they stay out of the model's artifact.
    """

    def __init__(self, engine: Engine, log: Interactions) -> None:
        self.engine, self.log = engine, log
        self.state = State(engine.processor, log)
        self.item_columns: Columns = engine.processor.item_columns()
        self.finder = Finder(engine, self.state, self.item_columns)
        self.wishes = Wishes(engine.processor)
        self._gone = 0

    def renew(self, engine: Engine, item_columns: Columns, gone: Collection[int] = ()) -> None:
        """Answer from a changed catalogue, without the rows that are gone; see `changing`."""
        mask = np.zeros(len(engine.processor.items), dtype=bool) if gone else None
        if mask is not None:
            mask[list(gone)] = True
        if engine.processor is not self.engine.processor:
            # Filters and rules speak of fields: their masks are worked out anew, over the new rows too.
            self.wishes = Wishes(engine.processor)
        self.engine, self.item_columns, self._gone = engine, item_columns, len(gone)
        self.finder = Finder(engine, self.state, item_columns, mask)

    @property
    def model_version(self) -> str:
        """The version of the artifact that answers."""
        return self.engine.version

    @property
    def n_items(self) -> int:
        """Items of the catalogue that can be recommended."""
        return len(self.engine.processor.items) - 1 - self._gone

    @property
    def n_users(self) -> int:
        """Users of whom something is known."""
        return len(self.state.users) - 1

    def recommend(
        self,
        user_id: str | None,
        k: int = 10,
        *,
        history: Sequence[PastItem] | None = None,
        user_features: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        filter: str | None = None,
        include: Collection[str] = (),
        exclude: Collection[str] = (),
        exclude_seen: bool | None = None,
        diversity: float | None = None,
        rules: Sequence[str] = (),
        reasons: bool = False,
        fields: Sequence[str] = (),
    ) -> Recommendations:
        """The k best items for one user, fewer only where no more are allowed.

        Args:
            user_id, history, user_features, context, filter, include, exclude, exclude_seen, diversity, rules: what is
                told and wanted, see `Asked`.
            k: at least 1.
            reasons: add to each item which rules moved it, and from where to where, and, where the model ranks, to the
                first `attribution.MOST_EXPLAINED` an `explanation` of the score: see `attribution.Attribution`.
            fields: columns of the catalogue to add to each item (`item_title`, or `title` for short); `tasks` adds what
                the ranker says of the click and of each of `ModelConfig.tasks`, where it ranks.

        Raises:
            ConfigError: k < 1, a wrong filter, or a field or rule that there is not.
        """
        asked = Asked(
            user_id=user_id,
            history=history,
            user_features=user_features,
            context=context,
            filter=filter,
            include=include,
            exclude=exclude,
            exclude_seen=exclude_seen,
            diversity=diversity,
            rules=rules,
        )
        return self.answer(asked, k, reasons=reasons, fields=fields)

    def answer(self, asked: Asked, k: int, *, reasons: bool = False, fields: Sequence[str] = ()) -> Recommendations:
        """The list of k for a request; see `recommend`."""
        check_k(k)
        names, trace = field_names(fields, self.engine.processor), Trace()
        question = self.question(asked)
        trace.lap("features")
        request, wish, find = question.request, question.wish, question.find(self.finder, k, trace)
        told, moved, vectors = None, [], self.engine.directions
        if reasons:
            pool = widened(request, k, wish, find, vectors, find(request, wish))
            ranked, told = wish.shape.shown(pool, vectors, k), wish.shape.reasons(pool, vectors, k)
            trace.lap("rules")
            if question.level != POPULAR:
                rows = ranked.rows[0][ranked.rows[0] > 0][:MOST_EXPLAINED]
                moved = [one.to_json() for one in attribute(self.finder, request, rows)]
                trace.lap("reasons")
        else:
            ranked = shaped(request, k, wish, find, vectors)
            trace.lap("rules")
        return self._answer(ranked, question, names, reasons=told, explained=moved, trace=trace)

    def question(self, asked: Asked) -> Question:
        """What is asked, in rows and columns, as of now."""
        known = spelt(asked.user_id) if asked.user_id is not None else None
        features, wrong = taken(asked.user_features, "user", self.engine.processor)
        context, useless = taken(asked.context, "context", self.engine.processor)
        request = self.state.of_one(
            known,
            time.time_ns() // 1000,
            history=asked.history,
            features=features,
            context=context,
            exclude=asked.exclude,
            exclude_seen=asked.exclude_seen,
        )
        included = (
            self._rows(item for item in asked.include if item not in asked.exclude) if asked.include else _NOTHING
        )
        if len(included):
            seen = request.seen[~np.isin(request.seen, included)]
            request = replace(request, seen=seen, offsets=np.array([0, len(seen)]))
        wish = self.wishes.wish(
            int(request.times[0]),
            filter=asked.filter,
            include=included.tolist(),
            diversity=asked.diversity,
            rules=asked.rules,
        )
        return Question(known, request, wish, int(self._levels(request, bool(features))[0]), [*wrong, *useless])

    def recommend_many(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        filter: str | None = None,
        diversity: float | None = None,
        rules: Sequence[str] = (),
        frame: Literal["pandas", "polars"] = "pandas",
    ) -> pd.DataFrame | pl.DataFrame:
        """The lists of many users as a data frame `user_id, item_id, score, rank`, in the order of the users."""
        check_k(k)
        outside = [spelt(user_id) for user_id in user_ids]
        slots, now = self.state.users.rows(outside), time.time_ns() // 1000
        moment = int(self.state.overlay.now(np.array([now]))[0])
        wish = self.wishes.wish(moment, filter=filter, diversity=diversity, rules=rules)
        parts = []
        for begin in range(0, len(slots), 1024):
            part = slots[begin : begin + 1024]
            parts.append(self.lists(self.state.of_users(part, np.full(len(part), now)), k, wish))
        out = table_of(parts, outside, k, self.engine.processor)
        if frame == "polars":
            return out
        try:
            return out.to_pandas()
        except ImportError as error:
            raise MissingExtraError(
                "pandas is not installed: pip install 'enterprise_recsys[train]', or ask for frame='polars'."
            ) from error

    def similar_items(
        self, item_id: str, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()
    ) -> Recommendations:
        """The k items, among those that a filter lets through, whose vectors are nearest to an item's (cosine).

        Raises:
            UnknownItemError: the catalogue does not hold the item.
        """
        check_k(k)
        names, trace = field_names(fields, self.engine.processor), Trace("similar")
        row = self.engine.processor.items.row(spelt(item_id))
        if not self.finder.holds(np.array([row]))[0]:
            raise UnknownItemError(
                f"item {item_id!r} is not in the catalogue of {self.n_items} items; ids are those of the training log."
            )
        allowed = None if filter is None else self.wishes.filters.allowed(filter)
        found = self.engine.alike(row, min(k, self.n_items), allowed)
        trace.lap("retrieve")
        return self._answer(found, None, names, level=PERSONAL, trace=trace)

    def popular_items(self, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()) -> Recommendations:
        """The k most taken items of all time, for nobody in particular; scores are shares of the largest count."""
        return self._counted(self.state.item_counts, k, filter, fields, "popular")

    def trending_items(
        self, k: int = 10, *, days: int = 7, filter: str | None = None, fields: Sequence[str] = ()
    ) -> Recommendations:
        """The k most taken items of the last days (1, 7 or 30) up to now, or to the log's end if that is earlier.

        Raises:
            ConfigError: other days than those that are counted.
        """
        if days not in WINDOWS_DAYS:
            raise ConfigError(f"days={days!r} is wrong; counted are the last {', '.join(map(str, WINDOWS_DAYS))}.")
        counts = self.state.item_counts_of_late(time.time_ns() // 1000)[:, WINDOWS_DAYS.index(days)]
        return self._counted(counts, k, filter, fields, "trending")

    def rank(
        self,
        user_id: str | None,
        items: Sequence[str],
        *,
        history: Sequence[PastItem] | None = None,
        user_features: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        diversity: float | None = None,
        fields: Sequence[str] = (),
    ) -> Recommendations:
        """Given items in the order that suits a user, each once, seen or not; see `Recommendations.unknown`."""
        asked = Asked(
            user_id=user_id, history=history, user_features=user_features, context=context, diversity=diversity
        )
        return self.ranked(asked, items, fields=fields)

    def ranked(self, asked: Asked, items: Sequence[str], *, fields: Sequence[str] = ()) -> Recommendations:
        """What `rank` gives, for a request; rules, filters and what the user has had do not count here."""
        names, trace = field_names(fields, self.engine.processor), Trace("given")
        rows = self._rows(items)
        held = set(self.engine.processor.items.of_rows(rows))
        unknown = [item for item in dict.fromkeys(map(str, items)) if item not in held]
        question = self.question(replace(asked, exclude_seen=False))
        shape = replace(question.wish.shape, effects=())
        find = self.finder.popularity_of if question.level == POPULAR else self.finder.scores_of
        trace.lap("features")
        scored = find(question.request, rows[None, :])
        trace.lap("rank")
        ranked = shape.shown(scored, self.engine.directions, len(rows))
        trace.lap("rules")
        return self._answer(ranked, question, names, unknown=unknown, trace=trace)

    # The stages, for B requests at once: what is evaluated is what is served. ---------------------------------------

    def retrieve(self, requests: Requests, k: int) -> Ranked:
        """The first stage alone: the k nearest items [B, k] by cosine, with no rules."""
        queries = self.engine.encoder.encode(requests.query, requests.history)
        return self.engine.index.search(queries, min(k, self.n_items), requests.offsets, requests.seen)

    def two_stage(self, requests: Requests, k: int, wish: Wish | None = None) -> Ranked:
        """Both stages and the rules: candidates, scored by the ranker; scores are CTR probabilities.

        Args:
            wish: None = the rules that always hold, at the last moment of the requests.
        """
        wish = self._usual(requests) if wish is None else wish
        return shaped(requests, k, wish, at_least(self.finder.scored, k), self.engine.directions)

    def popular(self, requests: Requests, k: int, wish: Wish | None = None) -> Ranked:
        """The most taken items, without what each request leaves out; scores are shares of the largest count."""
        wish = self._usual(requests) if wish is None else wish
        return shaped(requests, k, wish, at_least(self.finder.most_taken, k), self.engine.directions)

    def candidates(self, requests: Requests, k: int) -> Candidates:
        """What a list of k is drawn from: what the ranker is handed; for strangers popular items (source -1)."""
        found = self.finder.gather(requests, k)
        nothing = (self._levels(requests, False) == POPULAR)[:, None]
        if not nothing.any():
            return found
        popular = self.popular(requests, found.rows.shape[1], Wish())
        fill = ((0, 0), (0, found.rows.shape[1] - popular.rows.shape[1]))
        return Candidates(
            np.where(nothing, np.pad(popular.rows, fill), found.rows),
            np.where(nothing, np.pad(popular.scores, fill), found.scores),
            np.where(nothing[:, :, None], 0.0, found.said).astype(np.float32),
            np.where(nothing, -1, found.sources),
        )

    def lists(self, requests: Requests, k: int, wish: Wish | None = None) -> Ranked:
        """What each request is answered: both stages, or popular items where nothing is known."""
        levels = self._levels(requests, False)
        ranked = self.two_stage(requests, k, wish)
        if (levels == POPULAR).any():
            popular = self.popular(requests, k, wish)
            nothing = (levels == POPULAR)[:, None]
            return Ranked(
                np.where(nothing, popular.rows, ranked.rows), np.where(nothing, popular.scores, ranked.scores)
            )
        return ranked

    def _usual(self, requests: Requests) -> Wish:
        return self.wishes.wish(int(requests.times.max(initial=0)))

    def _counted(
        self, counts: Counts | Doubles, k: int, filter: str | None, fields: Sequence[str], source: str
    ) -> Recommendations:
        check_k(k)
        names, trace = field_names(fields, self.engine.processor), Trace(source)
        mask = counts > 0 if filter is None else self.wishes.filters.mask(filter) & (counts > 0)
        rows = np.flatnonzero(mask)
        rows = rows[self.finder.holds(rows)]
        ranked = in_order(rows[None, :], (counts[rows] / max(float(counts.max()), 1.0))[None, :])
        trace.lap("retrieve")
        return self._answer(Ranked(ranked.rows[:, :k], ranked.scores[:, :k]), None, names, trace=trace)

    def _rows(self, items: Iterable[str]) -> Ints:
        """The rows of the items that can be found, each once, in the order given."""
        rows = self.engine.processor.items.rows(list(dict.fromkeys(map(str, items))))
        return rows[self.finder.holds(rows)]

    def _levels(self, requests: Requests, told: bool) -> Ints:
        known = np.asarray(requests.columns[USER_ID], dtype=np.int64) > 0
        hints = (requests.history > 0).any(axis=1) | told
        for feature in self.engine.processor.of("user"):
            if feature.kind == "category":
                hints |= np.asarray(requests.columns[feature.name], dtype=np.int64) > 0
        return np.where(known, PERSONAL, np.where(hints, FROM_REQUEST, POPULAR)).astype(np.int64)

    def _answer(
        self,
        ranked: Ranked,
        question: Question | None,
        names: Sequence[str],
        *,
        level: int = POPULAR,
        reasons: Mapping[int, Sequence[str]] | None = None,
        explained: Sequence[Mapping[str, object]] = (),
        unknown: Sequence[str] = (),
        trace: Trace,
    ) -> Recommendations:
        rows, tasks = ranked.rows[0][ranked.rows[0] > 0], None
        if TASKS in names and question is not None and question.level != POPULAR:
            tasks = {name: said[0] for name, said in self.finder.told(question.request, rows[None, :]).items()}
        items = items_of(ranked, self.engine.processor, names, reasons, explained, tasks)
        sources = trace.sources(rows)
        trace.lap("answer")
        return Recommendations(
            items,
            user_id=None if question is None else question.user_id,
            fallback_level=level if question is None else question.level,
            model_version=self.model_version,
            unknown=unknown,
            ignored=() if question is None else question.ignored,
            sources=sources,
            took_ms=trace.took_ms(),
        )

    def save(self, folder: Path | str) -> None:
        """Write `folder/model` (the artifact, which holds no user's history) and `folder/state` (events and users).

        Each is written whole or not at all; what stood there before stays readable until then.

        Raises:
            ArtifactError: items were put or taken away since the model was trained.
        """
        saving.save(Path(folder), self.engine, self.log)

    @classmethod
    def load(cls, folder: Path | str, *, threads: int = 1) -> Recommender:
        """Read what `save` wrote; every file is checked against its hash before it is parsed.

        Args:
            folder: the folder given to `save`.
            threads: of ONNX Runtime, for one request at a time 1 is best.

        Raises:
            ArtifactError: the folder is absent, half-written, damaged, or of another format version.
        """
        return cls(*saving.load(Path(folder), threads=threads))
