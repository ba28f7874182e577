"""Models and files of lists beside each other, on the same users: is the difference real?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.impressions import without_impressions
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.detail import Detail
from enterprise_recsys.evaluation.findings import LISTED_USERS
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.evaluation.report import evaluation_of
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.examining.examine import measured_together, split_of
from enterprise_recsys.examining.listed import ListFrame, read_lists
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Interactions, Ints
from enterprise_recsys.reporting.provenance import made_here

Compared = Recommender | ListFrame
"""What can stand in a comparison: a saved model, or lists that somebody else made."""

RELEVANCE = ("positive_rating", "positive_event_types")
"""Dials that say what counts as a success: models that differ in them were not made for one question."""


def compare(
    given: Mapping[str, Compared],
    parts: Split,
    *,
    ks: Sequence[int] = (10,),
    seed: int = 0,
    depth: int = 0,
    slices: Sequence[str] = (),
) -> Detail:
    """Measure several systems on one truth; the first one's difference from each other is told.

    The history is train and validation of `parts`, the catalogue what they hold, the targets what users of the test
    part took and had not had before. A model answers from what it has learnt itself. Items that the catalogue lacks
    are misses, and so is the list of a user whom a file does not hold ("name/ListedUsers" then tells the share).

    Args:
        given: name -> system, two or more.
        parts: of the log.
        ks: lengths of list; the first one is that of the sentences.
        seed: draws the users of the bootstrap.
        depth: longest list in curves; 0 = none.
        slices: features of users or items whose values are shown as groups.

    Raises:
        ConfigError: there are fewer than two systems, or no such feature, or models differ in what is a success.
        DataError: a system shares no user or no item with the log, or has learnt from the test part.
    """
    if len(given) < 2:
        raise ConfigError(f"a comparison needs two systems or more, got {', '.join(given) or 'none'}.")
    config = _config(given)
    parts = Split(*(without_impressions(config, one)[0] for one in (parts.train, parts.val, parts.test)))
    history = joined(parts.train, parts.val)
    exam = Exam(DataProcessor(config).fit(history), history, parts.test, features=slices)
    systems = {name: _system(name, system, exam, parts.test) for name, system in given.items()}
    if depth:
        models = [one.engine.depth for one in given.values() if isinstance(one, Recommender)]
        depth = min([depth, exam.n_items - 1, *(max(one, *ks) for one in models)])
    measured, curves = measured_together(exam, systems, ks=ks, depth=depth)
    first, *others = given
    evaluation = evaluation_of(
        measured, generator=np.random.default_rng(seed), pairs=[(first, other) for other in others]
    )
    asked = exam.user_ids.gather(np.flatnonzero(exam.truth.counts))
    shares = {
        f"{name}/{LISTED_USERS}": float(asked.is_in(system.user_ids).mean())  # type: ignore[arg-type]
        for name, system in given.items()
        if isinstance(system, ListFrame)
    }
    if any(share < 1 for share in shares.values()):
        evaluation.update(shares)
    return Detail(evaluation, curves)


def opened(paths: Sequence[Path]) -> dict[str, Compared]:
    """Models (folders that `recsys train` wrote) and files of lists (CSV, Parquet) by name.

    The name is that of the file or folder; where two are alike, with the folder above.

    Raises:
        DataError: a path does not exist, or a file holds no lists.
        ArtifactError: a folder holds no model.
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; name a folder that `recsys train` wrote, or a file of lists.")
    names = [_name(path.stem) for path in paths]
    if len(set(names)) < len(names):
        names = [_name(f"{path.resolve().parent.name}_{path.stem}") for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name}_{place}" for place, name in enumerate(names, start=1)]
    return {
        name: Recommender.load(path) if path.is_dir() else read_lists(path)
        for name, path in zip(names, paths, strict=True)
    }


def provenance_of_comparison(
    given: Mapping[str, Compared], parts: Split, command: str | None = None, *, seed: int = 0
) -> dict[str, object]:
    """What is needed to compare again; see `examining.provenance_of`."""
    told: dict[str, object] = {**split_of(parts.test), "seed": seed, **made_here(command)}
    for name, system in given.items():
        if isinstance(system, Recommender):
            config = system.engine.processor.config.model_dump(mode="json")
            told[f"configuration of {name}"] = {"model": system.model_version, **config}
    return told


def _name(text: str) -> str:
    # "-" and "/" have a meaning in the keys of an evaluation.
    return text.replace("-", "_").replace("/", "_") or "unnamed"


def _config(given: Mapping[str, Compared]) -> ModelConfig:
    configs = {name: one.engine.processor.config for name, one in given.items() if isinstance(one, Recommender)}
    if not configs:
        return ModelConfig()
    first, *others = configs
    for other in others:
        for dial in RELEVANCE:
            here, there = getattr(configs[first], dial), getattr(configs[other], dial)
            if here != there:
                raise ConfigError(
                    f"{first} has {dial}={here!r} and {other} has {there!r}: they were made for different questions. "
                    "Compare models with one idea of a success."
                )
    # One may have learnt from what was shown, and another not: it is no event to either.
    shown = sorted({kind for one in configs.values() for kind in one.impression_event_types or ()})
    return configs[first].model_copy(update={"impression_event_types": tuple(shown) or None})


def _system(name: str, given: Compared, exam: Exam, test: Interactions) -> System:
    asked = exam.user_ids
    if isinstance(given, ListFrame):
        _check_shared(name, "users", given.user_ids, asked.to_list())
        _check_shared(name, "items", sorted(given.item_ids), exam.processor.items.ids.to_list())
        return exam.outside(given)
    items = given.engine.processor.items.ids
    _check_shared(name, "items", items.to_list(), exam.processor.items.ids.to_list())
    newest, first = given.log.events["timestamp"].max(), test.events["timestamp"].min()
    if newest >= first:  # type: ignore[operator]
        raise DataError(
            f"{name} has learnt from events up to {str(newest)[:19]}, and the test begins at {str(first)[:19]}: it has "
            "seen what it is asked. Train it without --all, on the same log."
        )
    own = Exam(given.engine.processor, given.log, test).system(given.lists)
    there = np.concatenate([[0], exam.processor.items.rows(items)])

    def rows(at: Ints, k: int) -> Ints:
        answer: Ints = there[own(at, k)]
        return answer

    return rows


def _check_shared(name: str, what: str, theirs: Sequence[str], ours: Sequence[str]) -> None:
    if set(theirs).isdisjoint(ours):
        raise DataError(
            f"{name} and the log share no {what}: {name} has {', '.join(map(repr, theirs[:3]))} ..., the log "
            f"{', '.join(map(repr, ours[:3]))} .... Check that both write ids alike."
        )
