"""The work of `recsys prepare` by other libraries, as far as a short script goes: run by `benchmarks/prepare.py`.

Read, number the ids, sort by time, count, mean and deviation of each event's user and item from earlier rows, seconds
since the last and the first event, cut by time, write. They do less than ours: no row is checked, no duplicate looked
for, equal timestamps see each other, and nothing is counted in windows of 1, 7 and 30 days.
"""

import json
import resource
import sys
import time
from pathlib import Path

SHARES = (0.8, 0.9)


def by_pandas(source: Path, out: Path) -> None:
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(source)
    frame["user"], frame["item"] = pd.factorize(frame["user_id"])[0], pd.factorize(frame["item_id"])[0]
    frame = frame.sort_values("timestamp", kind="stable", ignore_index=True)
    frame["square"] = frame["rating"].astype("float64") ** 2
    for key in ("user", "item"):
        groups = frame.groupby(key, sort=False)
        count = groups.cumcount()
        known = count.where(count > 0)
        mean = (groups["rating"].cumsum() - frame["rating"]) / known
        square = (groups["square"].cumsum() - frame["square"]) / known
        frame[f"{key}_count"], frame[f"{key}_mean"] = count, mean
        frame[f"{key}_std"] = np.sqrt((square - mean**2).clip(lower=0))
        frame[f"{key}_since"] = groups["timestamp"].diff()
        frame[f"{key}_age"] = frame["timestamp"] - groups["timestamp"].transform("first")
    first, second = (frame["timestamp"].iloc[int(len(frame) * share) - 1] for share in SHARES)
    late = (frame["timestamp"] > first).astype("int8") + (frame["timestamp"] > second).astype("int8")
    for number, part in enumerate(("train", "val", "test")):
        frame[late == number].drop(columns="square").to_parquet(out / f"{part}.parquet", compression="zstd")


def by_polars(source: Path, out: Path) -> None:
    import polars as pl

    frame = pl.read_parquet(source).with_columns(
        user=pl.col("user_id").rank("dense"), item=pl.col("item_id").rank("dense")
    )
    frame = frame.sort("timestamp", maintain_order=True)
    rating, time = pl.col("rating").cast(pl.Float64), pl.col("timestamp")
    for key in ("user", "item"):
        frame = frame.with_columns(
            (pl.int_range(pl.len()).over(key)).alias(f"{key}_count"),
            (rating.cum_sum().over(key) - rating).alias("total"),
            ((rating**2).cum_sum().over(key) - rating**2).alias("squares"),
            time.diff().over(key).alias(f"{key}_since"),
            (time - time.first().over(key)).alias(f"{key}_age"),
        )
        mean = pl.col("total") / pl.col(f"{key}_count")
        frame = frame.with_columns(
            mean.alias(f"{key}_mean"),
            (pl.col("squares") / pl.col(f"{key}_count") - mean**2).clip(0).sqrt().alias(f"{key}_std"),
        ).drop("total", "squares")
    first, second = (frame["timestamp"][int(len(frame) * share) - 1] for share in SHARES)
    late = (frame["timestamp"] > first).cast(pl.Int8) + (frame["timestamp"] > second).cast(pl.Int8)
    for number, part in enumerate(("train", "val", "test")):
        frame.filter(late == number).write_parquet(out / f"{part}.parquet", compression_level=1)


def by_duckdb(source: Path, out: Path) -> None:
    import duckdb

    base = duckdb.connect(config={"threads": 2, "temp_directory": str(out / "spill")})
    before = "order by timestamp, row rows between unbounded preceding and 1 preceding"
    told = ", ".join(
        f"count(*) over {key} as {key}_count, avg(rating) over {key} as {key}_mean, "
        f"stddev_pop(rating) over {key} as {key}_std, timestamp - max(timestamp) over {key} as {key}_since, "
        f"timestamp - min(timestamp) over {key} as {key}_age"
        for key in ("users", "items")
    )
    base.execute(
        f"create table log as with raw as (select *, row_number() over () as row from read_parquet('{source}')) "
        f"select user_id, item_id, rating, timestamp, {told} from raw "
        f"window users as (partition by user_id {before}), items as (partition by item_id {before})"
    )
    found = base.execute(f"select quantile_disc(timestamp, {list(SHARES)}) from log").fetchone()[0]
    conditions = (f"<= {found[0]}", f"between {found[0] + 1} and {found[1]}", f"> {found[1]}")
    for part, condition in zip(("train", "val", "test"), conditions, strict=True):
        target = f"'{out / part}.parquet' (format parquet, compression zstd)"
        base.execute(f"copy (select * from log where timestamp {condition} order by timestamp) to {target}")


def by_ours(source: Path, out: Path) -> None:
    from enterprise_recsys.data.preparation import prepare

    prepare(str(source), out / "prepared")


WAYS = {"ours": by_ours, "polars": by_polars, "pandas": by_pandas, "duckdb": by_duckdb}

if __name__ == "__main__":
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    wall, cpu = time.perf_counter(), time.process_time()
    WAYS[name](source, out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "peak_mb": peak}))
