"""Protocols of the next item: leave the last one out, or cut at one moment for everybody."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from enterprise_recsys.data import protocol_files
from enterprise_recsys.data.holdouts import (
    checksum_of_pairs,
    core,
    from_end,
    last_after,
    moment_at,
    ordered,
    without_repetition,
)
from enterprise_recsys.data.sources import read
from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols.tasks import ListTask, Protocol, Published, Trial
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions


def ml1m_loo(data: Path | None, seed: int) -> ListTask:
    """MovieLens 1M, each user's last item is the target; the file that SASRec and BERT4Rec share (3,416 items).

    Test: the last item of all 6,040 users; validation: the last but one; learnt from: all before. Asked with the whole
    history, the validation item included; the whole catalogue is ranked, less that history. One target a user, so HR@10
    is Recall@10.

    Differences from the published runs: none in data, targets and ranking. As there, no system learns from the
    validation item. Where MovieLens 1M itself is at hand, its timestamps and the features of users and films are joined
    (the order of the file stays, times are raised to it); figures of systems that use them are not comparable with
    those of ids alone.
    """
    folder = protocol_files.located("sasrec", ["ml-1m.txt"], data)
    return _leave_last(_with_movielens(protocol_files.sequences(folder / "ml-1m.txt"), folder))


def video_loo(data: Path | None, seed: int) -> ListTask:
    """Amazon Video Games, each user's last item is the target (31,013 users, 23,715 items; SASRec's own file).

    As `ml1m-loo`, without times and features. The published SASRec figures of this file rank 100 sampled items and are
    not comparable; there is none with a full ranking here.
    """
    folder = protocol_files.located("sasrec", ["Video.txt"], data)
    return _leave_last(protocol_files.sequences(folder / "Video.txt"))


def s3rec_loo(data: Path | None, seed: int, *, name: str) -> ListTask:
    """Amazon reviews of one category, each user's last item is the target; the 5-core files of S3Rec.

    Beauty: 22,363 users, 12,101 items; Toys and Games: 19,412, 11,924. As `ml1m-loo`, without times. Where the
    attributes of items (categories, brands) lie beside the file, systems that use features learn from them; the
    published figures are of ids alone, but for ActionPiece's.

    The files are `s3rec/<name>.txt` and `<name>_item2attributes.json` (RUCAIBox/CIKM2020-S3Rec, `data/`).
    """
    folder = protocol_files.located("s3rec", [f"{name}.txt"], data)
    return _leave_last(protocol_files.chains(folder / f"{name}.txt"))


def ml1m_temporal90(data: Path | None, seed: int) -> ListTask:
    """MovieLens 1M, cut at the 0.9 quantile of time; the target is the last item of every user active after it.

    5-core, consecutive repeats of an item dropped, sorted by (user, time, source row). Learnt from: all events up to
    the moment T. Asked: users whose last event is after T, with every event before it, those after T too; the catalogue
    less that past is ranked. Validation: the same again within the events up to T, at their own 0.9 quantile.

    Differences from "time to split" (monkey0head/time-to-split, last item, validation by time): after the dials are
    chosen, systems here learn from all events up to T; T is the time of an event and not interpolated; a user whose
    only event is the target is left out.
    """
    log = read("ml-1m", folder=data)
    events = without_repetition(ordered(core(log.events, 5)))
    train, past, last = last_after(events, moment_at(events, 0.9))
    early, early_past, early_last = last_after(train, moment_at(train, 0.9))
    catalogue = events[ITEM_ID].unique().sort()
    return ListTask(
        catalogue,
        Trial(log.with_events(early), early_past, early_last),
        Trial(log.with_events(train), past, last),
        checksum_of_pairs(last),
        has_times=True,
        is_next=True,
    )


def _leave_last(log: Interactions, least: int = 3) -> ListTask:
    """The last event of each user with enough events is the target, the last but one that of validation."""
    place = from_end(log.events)
    counts = log.events.select(pl.len().over(USER_ID).alias("counts"))["counts"]
    cut = counts >= least
    early = log.events.filter(~cut | (place > 1))
    catalogue = log.events[ITEM_ID].unique().sort()
    val, test = log.events.filter(cut & (place == 1)), log.events.filter(cut & (place == 0))
    return ListTask(
        catalogue,
        Trial(log.with_events(early), log.events.filter(cut & (place > 1)), val),
        Trial(log.with_events(early), log.events.filter(cut & (place > 0)), test),
        checksum_of_pairs(test),
        has_times=log.users is not None,  # the tables of users come with the times, see _with_movielens
        is_next=True,
    )


def _with_movielens(log: Interactions, folder: Path) -> Interactions:
    """Join times and features of MovieLens 1M by the maps of ids beside the file; without them the log as it is."""
    maps = [folder / f"ml-1m_{name}_map.csv" for name in ("user", "item")]
    try:
        whole = read("ml-1m")
    except DataError:
        return log
    if not all(path.is_file() for path in maps) or whole.users is None or whole.items is None:
        return log
    users, items = (
        pl.read_csv(path, infer_schema=False).rename({f"sasrec_{name}": f"{name}_id"})
        for path, name in zip(maps, ("user", "item"), strict=True)
    )
    times = whole.events.select(user=USER_ID, item=ITEM_ID, moment=TIMESTAMP)
    joined = (
        log.events.join(users, on=USER_ID, how="left", maintain_order="left")
        .join(items, on=ITEM_ID, how="left", maintain_order="left")
        .join(times, on=["user", "item"], how="left", maintain_order="left")
    )
    if joined["moment"].null_count():
        raise DataError(f"{folder} and ml-1m do not belong together: events of ml-1m.txt are not in ratings.dat.")
    moment = pl.col("moment").to_physical().cum_max().over(USER_ID).cast(log.events.schema[TIMESTAMP])
    return Interactions(
        joined.select(USER_ID, ITEM_ID, moment.alias(TIMESTAMP)),
        users.join(whole.users.rename({USER_ID: "user"}), on="user").drop("user"),
        items.join(whole.items.rename({ITEM_ID: "item"}), on="item").drop("item"),
        log.name,
    )


def _both(name: str, hits: float, ndcg: float, source: str) -> Published:
    return Published(name, {"HR@10": hits, "NDCG@10": ndcg}, source)


_ONE_ITEM = ("NDCG@10", "HR@10", "MRR@10", "Coverage@10")

SEQUENTIAL = {
    "ml1m-loo": Protocol(
        ml1m_loo,
        ("NDCG@10", "HR@10", "HR@50", "MRR@10", "Coverage@10"),
        (
            _both("sasrec_plus_3000", 0.3159, 0.1857, "antklen/sasrec-bert4rec-recsys23 README"),
            _both("sasrec_plus_full_ce", 0.3152, 0.1821, "antklen/sasrec-bert4rec-recsys23 README"),
            _both("gsasrec", 0.3003, 0.1726, "asash/gSASRec-pytorch README"),
            _both("bert4rec", 0.2843, 0.1537, "antklen/sasrec-bert4rec-recsys23 README"),
            _both("bpr_mf", 0.0740, 0.0377, "blondered/bert4rec_repro README"),
        ),
    ),
    "ml1m-temporal90": Protocol(
        ml1m_temporal90,
        _ONE_ITEM,
        (
            _both("sasrec_plus_val_by_time", 0.1596, 0.0948, "monkey0head/time-to-split, data/results"),
            _both("sasrec_plus_val_by_user", 0.1687, 0.0948, "monkey0head/time-to-split, data/results"),
            _both("gru4rec_val_by_time", 0.1505, 0.0830, "monkey0head/time-to-split, data/results"),
            _both("bert4rec_val_last_item", 0.1596, 0.0924, "monkey0head/time-to-split, data/results"),
        ),
    ),
    "video-loo": Protocol(video_loo, _ONE_ITEM),
    "beauty-loo": Protocol(
        partial(s3rec_loo, name="Beauty"),
        _ONE_ITEM,
        (
            _both("esasrec", 0.0928, 0.0523, "eSASRec README (blondered/transformer_benchmark)"),
            _both("sasrec_sampled_softmax", 0.0921, 0.0531, "eSASRec README (blondered/transformer_benchmark)"),
            _both("hstu", 0.0788, 0.0439, "eSASRec README (blondered/transformer_benchmark)"),
            _both("action_piece", 0.0775, 0.0424, "eSASRec README (blondered/transformer_benchmark)"),
        ),
    ),
    "toys-loo": Protocol(partial(s3rec_loo, name="Toys_and_Games"), _ONE_ITEM),
}
