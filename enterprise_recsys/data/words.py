"""Values and words become numbers of buckets, the same in every process and version; nothing is looped over by row."""

from __future__ import annotations

import zlib

import numpy as np
import polars as pl

from enterprise_recsys.records import Ints

_WORD = r"[\p{L}\p{N}]+"


def buckets_of(values: pl.Series, buckets: int) -> Ints:
    """[R] a number from 0 to buckets - 1 for each value that is not null, the same for the same value; -1 for null.

    CRC-32 of the UTF-8 bytes; taken once for each different value.
    """
    distinct = values.drop_nulls().unique()
    hashes = [zlib.crc32(value.encode()) % buckets for value in distinct.to_list()]
    if not hashes:
        return np.full(len(values), -1, dtype=np.int64)
    found = values.replace_strict(distinct, pl.Series(hashes, dtype=pl.Int64), default=-1, return_dtype=pl.Int64)
    return found.fill_null(-1).to_numpy().astype(np.int64)


def hashed_words(texts: pl.Series, buckets: int, width: int) -> Ints:
    """[R, width] bucket + 1 of the first words of each text and then of its pairs of neighbours; 0 where no more are.

    Words are runs of letters and digits of any script, in lower case. Half of the width is for words.
    """
    out = np.zeros((len(texts), width), dtype=np.int64)
    words = texts.cast(pl.String, strict=False).str.to_lowercase().str.extract_all(_WORD).list.head(width // 2)
    listed = pl.DataFrame({"row": pl.int_range(len(texts), eager=True), "word": words})
    listed = listed.explode("word").drop_nulls("word")
    if listed.is_empty():
        return out
    inside = pl.col("row") == pl.col("row").shift(-1)
    pairs = listed.select("row", pl.when(inside).then(pl.col("word") + " " + pl.col("word").shift(-1)).alias("word"))
    both = pl.concat([listed, pairs.drop_nulls("word")]).sort("row", maintain_order=True)
    places = both.select(pl.int_range(pl.len()).over("row")).to_series().to_numpy()
    out[both["row"].to_numpy(), places] = buckets_of(both["word"], buckets) + 1
    return out
