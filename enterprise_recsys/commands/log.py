"""`recsys log export`: what was shown, and what came of it, as Parquet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enterprise_recsys.errors import StoreError

if TYPE_CHECKING:
    import polars as pl

    from enterprise_recsys.state.interface import Event, Slate, Store

PAGE = 5_000


def export(
    folder: Annotated[Path, typer.Argument(help="The store's folder: RECSYS_STATE, or live in the model's folder.")],
    out: Annotated[Path, typer.Option(help="The Parquet file.")] = Path("slates.parquet"),
) -> None:
    """Write one line for each place of each answer, with the events that followed it by recommendation_id."""
    from enterprise_recsys.state.sqlite import SqliteStore

    path = folder if (folder / "store.sqlite").exists() else folder / "live"
    if not (path / "store.sqlite").exists():
        raise StoreError(f"{folder} holds no store; give the folder of RECSYS_STATE, or the model that is served.")
    store = SqliteStore(path)
    try:
        places, answers, followed = written(store, out)
    finally:
        store.close()
    print(f"{out}: {places:,} places of {answers:,} answers, {followed:,} of them followed by an event")


def written(store: Store, out: Path) -> tuple[int, int, int]:
    """Write the slate log of a store, page by page.

    Returns:
        Places, answers, and places that an event followed.
    """
    import pyarrow.parquet as parquet

    places = answers = followed = after = 0
    writer: parquet.ParquetWriter | None = None
    try:
        while True:
            page = store.slates(after, PAGE)
            if writer is not None and not page:
                return places, answers, followed
            slates = [slate for _, slate in page]
            frame = lines_of(slates, store.events_of([one.recommendation_id for one in slates]))
            table = frame.to_arrow()
            writer = writer or parquet.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
            places, answers = places + len(frame), answers + len(slates)
            followed += int((frame["events"].list.len() > 0).sum())
            after = page[-1][0] if page else after
    finally:
        if writer is not None:
            writer.close()


def lines_of(slates: Sequence[Slate], events: Sequence[Event]) -> pl.DataFrame:
    """One line for each place: the answer, the item, its score and propensity, and the types and times of its events.

    An event belongs to the place of its item; its own `position` is not needed, since no item stands twice.
    """
    import polars as pl

    from enterprise_recsys.records import TIME_TYPE

    by_place: dict[tuple[str | None, str], list[Event]] = defaultdict(list)
    for event in events:
        by_place[event.recommendation_id, event.item_id].append(event)
    rows = []
    for slate in slates:
        answer = (slate.recommendation_id, slate.user_id, slate.surface, slate.time)
        sources = slate.sources or ("",) * len(slate.items)
        for place, (item, score, propensity, source) in enumerate(
            zip(slate.items, slate.scores, slate.propensities, sources, strict=True)
        ):
            own = by_place[slate.recommendation_id, item]
            rows.append(
                (
                    *answer,
                    slate.model_version,
                    slate.fallback_level,
                    slate.first + place,
                    item,
                    score,
                    propensity,
                    [name for name in source.split(",") if name],
                    [one.event_type for one in own],
                    [one.time for one in own],
                    next((one.rating for one in own if one.rating is not None), None),
                )
            )
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "recommendation_id": pl.String,
        "user_id": pl.String,
        "surface": pl.String,
        "timestamp": pl.Int64,
        "model_version": pl.String,
        "fallback_level": pl.Int8,
        "position": pl.Int32,
        "item_id": pl.String,
        "score": pl.Float64,
        "propensity": pl.Float64,
        "sources": pl.List(pl.String),
        "events": pl.List(pl.String),
        "event_times": pl.List(pl.Int64),
        "rating": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("timestamp").cast(TIME_TYPE), pl.col("event_times").cast(pl.List(TIME_TYPE)))
