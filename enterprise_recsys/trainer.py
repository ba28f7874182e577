"""ProductionTrainer: from a log to a recommender in one call; evaluates and answers through the engine alone."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import polars as pl

from enterprise_recsys.answers import Recommendations
from enterprise_recsys.baselines.table import BASELINES, QUICK
from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.frames import to_interactions, to_polars
from enterprise_recsys.data.having import with_positive_rating
from enterprise_recsys.data.impressions import check_impressions, without_impressions
from enterprise_recsys.data.joining import is_mixed, joined, moved_after
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.owners import as_before
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.vocabulary import spelt
from enterprise_recsys.data.watching import Leaks, watch
from enterprise_recsys.devices import device_of, make_repeatable
from enterprise_recsys.engine.indexes import INDEXES
from enterprise_recsys.engine.runtime import Encoder, ItemEncoder, Scorer
from enterprise_recsys.errors import DataError, NotFittedError
from enterprise_recsys.evaluation.detail import Detail
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.examining.examine import DEPTH, TITLE, examine, provenance_of
from enterprise_recsys.examining.listed import lists_of
from enterprise_recsys.finding import Engine
from enterprise_recsys.learning.staging import Chosen, Learnt, choose, relearn
from enterprise_recsys.loop import Report
from enterprise_recsys.progress import bar, remarks
from enterprise_recsys.ranking.networks import NETWORKS
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Interactions, PastItem
from enterprise_recsys.reporting.drawing import require_drawing
from enterprise_recsys.reporting.write import check_target, write_report
from enterprise_recsys.retrieval.history import AUTO, HISTORIES
from enterprise_recsys.retrieval.losses import LOSSES
from enterprise_recsys.retrieval.negatives import SAMPLERS
from enterprise_recsys.wishes import Wishes


class ProductionTrainer:
    """Fit, evaluate, recommend, save and load a two-stage recommender.

    Example::

        trainer = ProductionTrainer(ModelConfig(embedding_dim=64))
        trainer.fit(train_df, val_df)
        print(trainer.evaluate(test_df))
        print(trainer.recommend(user_id="42", k=10))

    Args:
        config: every dial; see `ModelConfig`.
        progress: show a progress bar while training (on a terminal), or hand in a function that is called with
            `loop.Progress`.

    Raises:
        ConfigError: a part is named that there is not; at once, before any data is read.
    """

    def __init__(self, config: ModelConfig | None = None, *, progress: bool | Report = True) -> None:
        self.config = config or ModelConfig()
        pick(SAMPLERS, self.config.negative_sampling_strategy, what="negative_sampling_strategy")
        pick(LOSSES, self.config.retrieval_loss, what="retrieval_loss")
        pick({AUTO: AUTO, **HISTORIES}, self.config.history, what="history")
        pick(NETWORKS, self.config.ranking_network, what="ranking_network")
        pick(INDEXES, self.config.index, what="index")
        self._progress = progress
        self._recommender: Recommender | None = None
        self.chosen: Chosen | None = None

    @property
    def recommender(self) -> Recommender:
        """What answers.

        Raises:
            NotFittedError: nothing was fitted or loaded yet.
        """
        if self._recommender is None:
            raise NotFittedError("this trainer has nothing to answer with yet; call fit(train, val) or load(folder).")
        return self._recommender

    def fit(
        self,
        train: object,
        val: object | None = None,
        *,
        users: object | None = None,
        items: object | None = None,
        checkpoint: Path | str | None = None,
        leaks: Leaks = "refuse",
    ) -> ProductionTrainer:
        """Learn both stages and export them to the engine.

        Validation chooses how long to train; then both stages learn from train and val together (`refit`), so that
        the newest events count.

        Args:
            train: the log to learn from: a pandas, polars or Arrow frame, raw or processed, or Interactions.
            val: later events; None: the newest part of train (`ranker_slice`) takes its place.
            users, items: optional frames with static features by `user_id` and `item_id`.
            checkpoint: a folder; an interrupted fit that is run again with it goes on where it stood.
            leaks: what is done if train knows what val asks (an event in both, a column with the future in it):
                "refuse" it, "warn" and go on, or "allow" it and do not look. Parts that merely overlap in time, as
                random splits do, are warned of. See `data.watching`.

        Raises:
            DataError: the log cannot be used, or leaks; the message says why.
        """
        device_of(self.config.device)  # one that is not there is refused before any data is read
        make_repeatable(self.config.threads)
        with remarks(self._progress):
            early = _log(train, users, items)
        check_impressions(self.config, early)
        early, shown = without_impressions(self.config, early)
        if val is None:
            early, late = _halve(early, self.config.ranker_slice)
        else:
            late, more = without_impressions(self.config, _log(val, users, items, _columns(early)))
            frames = [one for one in (shown, more) if one is not None]
            shown = pl.concat(frames, how="diagonal_relaxed") if frames else None
        both = joined(early, late)
        config = with_positive_rating(self.config, both.events)
        watch({"train": early, "val": late}, leaks=leaks, positive_rating=config.positive_rating)
        processor = DataProcessor(config).fit(both)
        Wishes(processor)  # a rule that does not fit the catalogue is refused before the training, not after
        # Events drawn by lot are asked for as a test is, knowing all others of the user, and not in their own time.
        later = moved_after(early, late) if (by_lot := is_mixed(early, late)) else late
        moments = Moments(processor, joined(early, later), shown=None if by_lot else shown)
        folder = Path(checkpoint) if checkpoint is not None else None
        with bar(self._progress) as report:
            chosen, learnt = choose(processor, early, later, moments, folder, report, by_lot=by_lot)
            if self.config.refit:
                whole = Moments(processor, both) if by_lot else moments
                learnt = relearn(processor, both, whole, chosen, learnt, folder, report)
        self.chosen = chosen
        self._recommender = Recommender(self._export(learnt), both)
        return self

    def _tested(self, test: object) -> Interactions:
        """What is measured by: impressions ask for nothing."""
        processor = self.recommender.engine.processor
        known = [one.name for one in processor.features]
        return without_impressions(processor.config, _log(test, None, None, known))[0]

    def _export(self, learnt: Learnt) -> Engine:
        vectors = learnt.retriever.item_vectors()
        if not np.isfinite(vectors).all():
            raise DataError("the item vectors hold values that are not finite; lower learning_rate and train again.")
        with TemporaryDirectory() as folder:
            encoder, scorer, items = (Path(folder) / f"{name}.onnx" for name in ("encoder", "scorer", "item_encoder"))
            learnt.retriever.export(encoder)
            learnt.retriever.export_items(items)
            learnt.ranker.export(learnt.sample, scorer)
            return Engine(
                learnt.processor,
                Encoder(encoder, threads=self.config.threads),
                Scorer(scorer, threads=self.config.threads, calibration=learnt.calibration, tasks=learnt.tasks),
                INDEXES[self.config.index](vectors),
                vectors,
                learnt.related,
                f"{self.config.training}-{_version()}",
                ItemEncoder(items, threads=self.config.threads),
                learnt.retriever.compared,
            )

    def evaluate(
        self,
        test: object,
        *,
        k: int | Sequence[int] = 10,
        extra: Mapping[str, object] | None = None,
        baselines: bool = True,
        report: Path | str | None = None,
        leaks: Leaks = "refuse",
        slices: Sequence[str] = (),
    ) -> Evaluation:
        """Measure the served lists on later events, with their stages and simple baselines beside them.

        The history of each user is what `fit` saw (train and validation); the whole catalogue is ranked; items that
        a user has had are neither recommended nor asked for; users without a history count too.

        Args:
            test: later events, in any form that `fit` takes.
            k: list length, or several; the first one is that of the sentences.
            extra: name -> further lists to measure: a function of user ids and k that gives lists of item ids, or a
                frame with `user_id`, `item_id` and `rank` or `score`.
            baselines: measure popularity, item k-nearest-neighbours and sequential rules too.
            report: an .html file to write; a .json and a folder of plots go beside it (see `reporting`).
            leaks: what is done if the model has learnt from what it is asked; as in `fit`.
            slices: features of users or items, such as "user_gender", whose values are shown as groups.

        Returns:
            A flat dict such as `{"two_stage/NDCG@10": 0.123, ...}` which prints as tables and sentences.

        Raises:
            ConfigError: a slice is no feature of users or items.
            DataError: the test log or a further list cannot be used, or the test leaks; the message says why.
            MissingExtraError: a report is asked for and the extra `report` is not installed.
        """
        if report is None:
            return self.examine(test, k=k, extra=extra, baselines=baselines, leaks=leaks, slices=slices).evaluation
        require_drawing()
        check_target(Path(report))
        log = self._tested(test)
        detail = self.examine(log, k=k, extra=extra, baselines=baselines, depth=DEPTH, leaks=leaks, slices=slices)
        write_report(detail, Path(report), title=TITLE, provenance=provenance_of(self.recommender, log))
        return detail.evaluation

    def examine(
        self,
        test: object,
        *,
        k: int | Sequence[int] = 10,
        extra: Mapping[str, object] | None = None,
        baselines: bool = True,
        depth: int = 0,
        leaks: Leaks = "refuse",
        slices: Sequence[str] = (),
    ) -> Detail:
        """What `evaluate` measures, and what a report draws; `depth` is the longest list in its curves, 0 = none."""
        log, processor = self._tested(test), self.recommender.engine.processor
        parts = {"what is learnt": self.recommender.log, "test": log}
        beside = (*QUICK, *(["repeats"] if processor.config.lists_past else []))
        watch(parts, leaks=leaks, processor=processor, positive_rating=processor.config.positive_rating)
        return examine(
            self.recommender,
            log,
            ks=[k] if isinstance(k, int) else list(k),
            extra={name: lists_of(given, name) for name, given in (extra or {}).items()},
            baselines={name: BASELINES[name] for name in beside} if baselines else {},
            seed=self.config.seed,
            depth=depth,
            slices=slices,
        )

    def recommend(
        self,
        user_id: str | int,
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
        """The k best items for one user; see `Recommender.recommend`."""
        return self.recommender.recommend(
            spelt(user_id),
            k,
            history=history,
            user_features=user_features,
            context=context,
            filter=filter,
            include=include,
            exclude=exclude,
            exclude_seen=exclude_seen,
            diversity=diversity,
            rules=rules,
            reasons=reasons,
            fields=fields,
        )

    def recommend_many(
        self,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        filter: str | None = None,
        diversity: float | None = None,
        rules: Sequence[str] = (),
        frame: Literal["pandas", "polars"] = "pandas",
    ) -> object:
        """The lists of many users as one data frame; see `Recommender.recommend_many`."""
        return self.recommender.recommend_many(
            user_ids, k, filter=filter, diversity=diversity, rules=rules, frame=frame
        )

    def similar_items(
        self, item_id: str, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()
    ) -> Recommendations:
        """The k nearest items; see `Recommender.similar_items`."""
        return self.recommender.similar_items(spelt(item_id), k, filter=filter, fields=fields)

    def save(self, folder: Path | str) -> None:
        """Write the model and its state to a folder; see `Recommender.save`."""
        self.recommender.save(folder)

    @classmethod
    def load(cls, folder: Path | str) -> ProductionTrainer:
        """A trainer that answers with what `save` wrote."""
        recommender = Recommender.load(folder)
        trainer = cls(recommender.engine.processor.config)
        trainer._recommender = recommender
        return trainer


def _version() -> str:
    return uuid.uuid4().hex[:8]


def _log(
    frame: object, users: object | None, items: object | None, like: Collection[str] | None = None
) -> Interactions:
    """A log of any form; `like`: the columns of an earlier part, as which those of this one are named."""
    if isinstance(frame, Interactions):
        return frame
    static = None
    if like is not None:
        frame = to_polars(frame, "log")
        static = as_before(frame.columns, like)
    return to_interactions(frame, users, items, static=static)


def _columns(log: Interactions) -> list[str]:
    return [name for table in (log.events, log.users, log.items) if table is not None for name in table.columns]


def _halve(log: Interactions, share: float) -> tuple[Interactions, Interactions]:
    cut = log.events["timestamp"].to_physical().quantile(1.0 - share, interpolation="nearest")
    late = log.events["timestamp"].to_physical() >= cut
    if late.all():
        raise DataError(
            "all events have the same time, so no later part can be set aside for validation; "
            "pass val, or check the column 'timestamp'."
        )
    return log.with_events(log.events.filter(~late)), log.with_events(log.events.filter(late))
