"""Answers: rows and scores become what is told outside; ids, fields, and how the list came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import ITEM_ID, USER_ID, Floats, Ranked


class Recommendations(list[dict[str, object]]):
    """A list of `{"item_id", "score", "rank", ...}`, best first, which also says how it came about.

    Attributes:
        user_id: who it is for; None for a list without a user.
        fallback_level: 0 = personal; 1 = the model does not know the user, the answer rests on the history or the
            features at hand; 2 = nothing is known: popular items.
        model_version: the artifact that answered.
        unknown: of `Recommender.rank`: ids that were given and that the catalogue does not hold.
        ignored: names of told features (of the user, of the moment) that the model can make nothing of: unknown ones,
            and values of the wrong type.
        sources: of each item, what brought it: names in `SOURCES`, "popular"; nothing where a rule or the request did.
        took_ms: milliseconds of each stage, and `total`.
    """

    def __init__(
        self,
        items: Sequence[dict[str, object]],
        *,
        user_id: str | None,
        fallback_level: int,
        model_version: str,
        unknown: Sequence[str] = (),
        ignored: Sequence[str] = (),
        sources: Sequence[Sequence[str]] = (),
        took_ms: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(items)
        self.user_id, self.fallback_level, self.model_version = user_id, fallback_level, model_version
        self.unknown, self.ignored = list(unknown), list(ignored)
        self.sources, self.took_ms = [list(one) for one in sources], dict(took_ms or {})


TASKS = "tasks"
"""Field of an item that is no column of the catalogue: what the ranker says of the click and of each task."""


def items_of(
    ranked: Ranked,
    processor: DataProcessor,
    names: Sequence[str],
    reasons: Mapping[int, Sequence[str]] | None = None,
    explained: Sequence[Mapping[str, object]] = (),
    tasks: Mapping[str, Floats] | None = None,
) -> list[dict[str, object]]:
    """The first list of a batch as dicts.

    Args:
        ranked: [1, K].
        processor: whose ids and catalogue are meant.
        names: columns of the catalogue to add, see `field_names`.
        reasons: item row -> which rules moved it; None = say nothing.
        explained: what moved the score of each item, in their order; none = say nothing.
        tasks: name -> what is said of each item [N], in their order; None = say nothing.
    """
    held = ranked.rows[0] > 0
    rows, scores = ranked.rows[0][held], ranked.scores[0][held]
    items: list[dict[str, object]] = [
        {"item_id": item, "score": score, "rank": rank}
        for rank, (item, score) in enumerate(zip(processor.items.listed(rows), scores.tolist(), strict=True), start=1)
    ]
    for name in names:
        if name == TASKS:
            continue
        for item, value in zip(items, processor.catalogue[name].gather(rows - 1).to_list(), strict=True):
            item[name.removeprefix("item_") if name != ITEM_ID else name] = value
    if reasons is not None:
        for item, row in zip(items, rows.tolist(), strict=True):
            item["reasons"] = list(reasons.get(row, ()))
    for place, item in enumerate(items if tasks is not None else ()):
        item[TASKS] = {name: float(said[place]) for name, said in (tasks or {}).items()}
    for item, explanation in zip(items, explained, strict=False):
        item["explanation"] = dict(explanation)
    return items


def table_of(parts: Sequence[Ranked], user_ids: Sequence[str], k: int, processor: DataProcessor) -> pl.DataFrame:
    """The lists of many users, batch by batch, as `user_id, item_id, score, rank`."""
    rows = np.concatenate([part.rows for part in parts]) if parts else np.zeros((0, k), dtype=np.int64)
    scores = np.concatenate([part.scores for part in parts]) if parts else np.zeros((0, k), dtype=np.float32)
    held = rows > 0
    users, ranks = np.nonzero(held)
    return pl.DataFrame(
        {
            USER_ID: pl.Series(user_ids, dtype=pl.String).gather(users),
            ITEM_ID: processor.items.of_rows(rows[held]),
            "score": scores[held],
            "rank": ranks + 1,
        }
    )


def check_k(k: int) -> None:
    """Refuse a length of list that is no whole number of at least 1."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ConfigError(f"k={k!r} is wrong: it should be a whole number of at least 1.")


def field_names(fields: Sequence[str], processor: DataProcessor) -> list[str]:
    """The catalogue's columns for fields, each once; the prefix `item_` may be left out; others are refused.

    TASKS is a field, too, of a model that has some.
    """
    columns, fields = processor.catalogue.columns, list(dict.fromkeys(fields))
    further = [TASKS] if processor.config.tasks else []
    names = [name if name in columns + further else f"item_{name}" for name in fields]
    for name, asked in zip(names, fields, strict=True):
        if name not in columns + further:
            also = "; and there is 'tasks'" if further else ""
            also += "; name each by itself, as in fields=title&fields=price" if "," in asked else ""
            raise ConfigError(f"field {asked!r} is unknown; the catalogue has: {', '.join(sorted(columns))}{also}.")
    return names
