"""Content k-NN: what is like the items that a user had, by the words that their features consist of."""

from __future__ import annotations

import numpy as np
import polars as pl
import scipy.sparse

from enterprise_recsys.baselines.sources import best
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, ListTask
from enterprise_recsys.records import ITEM_ID, Floats, Ints, Ragged


def content_knn(task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
    """Items by the cosine of their words with the sum of the user's past items; it has no dials.

    Words are the values of item features that are text or lists of text, weighed by log(items / items that have it);
    each item's are of length 1. Ties are in the order of rows.

    Raises on a call:
        ConfigError: a dial is given.
        DataError: items have no such features.
    """
    if dials:
        raise ConfigError(f"content_knn has no dials; got {', '.join(dials)}.")
    trial = task.judge
    if trial.log.items is None:
        raise DataError("content_knn goes by the features of items, and this protocol has none; take item_knn.")
    everything = pl.concat([task.listed(trial), trial.log.events[ITEM_ID]]).unique().sort()
    words = _words(trial.log.items, everything)
    listed = Vocabulary(everything).rows(task.listed(trial))
    past = Encoded.of(trial, everything).queries.history
    asked = Encoded.of(trial, task.listed(trial)).queries

    def system(at: Ints, k: int) -> Ints:
        scores = np.zeros((len(at), len(listed) + 1), dtype=np.float32)
        scores[:, 1:] = (_ones(past.take(at), len(everything) + 1) @ words @ words[listed].T).toarray()
        out = asked.excluded.take(at)
        scores[out.owners, out.rows] = -np.inf
        scores[:, 0] = -np.inf
        return best(scores, k)[0]

    return Answer({"retrieval": system})


def _words(table: pl.DataFrame, ids: pl.Series) -> scipy.sparse.csr_array:
    """[I + 1, W] the weighed words of items, a row of nothing first."""
    kinds = {name: kind for name, kind in table.schema.items() if kind in (pl.String, pl.List(pl.String))}
    names = [name for name in kinds if name != ITEM_ID]
    if not names:
        raise DataError("content_knn needs item features that are text or lists of text; those here are neither.")
    rows = pl.DataFrame({ITEM_ID: ids}).join(table, on=ITEM_ID, how="left", maintain_order="left")
    rows = rows.with_row_index("row", 1)
    parts = [rows.select("row", word=name) for name in names]
    parts = [part.explode("word") if part["word"].dtype == pl.List(pl.String) else part for part in parts]
    named = zip(names, parts, strict=True)
    said = pl.concat([part.with_columns(word=pl.format(f"{name}={{}}", "word")) for name, part in named]).drop_nulls()
    words = Vocabulary.of(said["word"])
    column = words.rows(said["word"])
    weights = np.log(len(ids) / np.maximum(np.bincount(column, minlength=len(words)), 1))
    shape = (len(ids) + 1, len(words))
    matrix = scipy.sparse.csr_array((weights[column], (said["row"].to_numpy(), column)), shape=shape)
    lengths = np.sqrt((matrix * matrix).sum(axis=1))
    unit: scipy.sparse.csr_array = scipy.sparse.diags_array(1.0 / np.maximum(lengths, 1e-12)) @ matrix
    return unit.tocsr()


def _ones(rows: Ragged, width: int) -> scipy.sparse.csr_array:
    values: Floats = np.ones(len(rows.rows), dtype=np.float32)
    return scipy.sparse.csr_array((values, rows.rows, rows.offsets), shape=(len(rows), width))
