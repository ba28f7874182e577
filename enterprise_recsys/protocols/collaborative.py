"""Protocols of many targets a user: fixed files, random shares of each user, held-out users, and the cut by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from enterprise_recsys.data import protocol_files
from enterprise_recsys.data.holdouts import checksum_of_pairs, fresh, ordered, share_of_each_user
from enterprise_recsys.data.sources import read
from enterprise_recsys.data.splits import checksum, global_time
from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols.tasks import ListTask, Protocol, Published, Trial
from enterprise_recsys.records import ITEM_ID, RATING, TIMESTAMP, USER_ID, Interactions


def lightgcn(data: Path | None, seed: int) -> ListTask:
    """Any pair of files train.txt, test.txt with lines `user item item ...`, such as the LightGCN splits.

    All is relevant; the catalogue of both files less a user's train items is ranked; Recall divides by all test items,
    and NDCG's ideal is cut at k. There is no validation file, so published leaderboards chose epochs and dials on test;
    here a tenth of each user's train items, drawn by `seed`, is set aside for that, and then given back.
    """
    if data is None:
        raise DataError("the protocol 'lightgcn' needs --data FOLDER with train.txt and test.txt.")
    return _files(data.name, data, seed)


def movielens1m_m1(data: Path | None, seed: int) -> ListTask:
    """Movielens1M_m1: the fixed files of the LCFN, UltraGCN and SimpleX papers (6,022 users, 3,043 items).

    As `lightgcn`. The published systems chose on test; ours choose on a tenth of each user's train items.
    """
    return _files("movielens1m_m1", data, seed, rows=(796_244, 99_455))


def gowalla(data: Path | None, seed: int) -> ListTask:
    """Gowalla in the LightGCN split (29,858 users, 40,981 items); see `lightgcn`."""
    return _files("gowalla", data, seed, rows=(810_128, 217_242))


def yelp2018(data: Path | None, seed: int) -> ListTask:
    """Yelp2018 in the LightGCN split (31,668 users, 38,048 items); see `lightgcn`."""
    return _files("yelp2018", data, seed, rows=(1_237_259, 324_147))


def ml100k_random75(data: Path | None, seed: int) -> ListTask:
    """MovieLens 100K as the Microsoft Recommenders cut it: a random 75 % of each user's ratings is train.

    All ratings are relevant, the catalogue less the user's train items is ranked; MAP@10 there divides by all relevant
    items in the published table and by min(10, relevant) in today's code (MAP and MAP_min here). Validation: a quarter
    of each user's train ratings by the same rule, given back after the choice.

    Differences: the published split is that of one seed of pandas; here it is drawn by numpy, for several seeds.
    """
    log = read("ml-100k", folder=data)
    generator = np.random.default_rng(seed)
    train, test = _cut(log.events, 0.75, generator)
    early, val = _cut(train, 0.75, generator)
    return _without_times(log, early, val, train, test, has_times=True)


def lastfm_random80(data: Path | None, seed: int) -> ListTask:
    """HetRec Last.fm: a random 80 % of each user's artists is train; listening counts are not used.

    Validation: a tenth of each user's train artists, given back after the choice. There is no published figure of this
    very cut here.
    """
    folder = protocol_files.located("hetrec-lastfm-2k", ["user_artists.dat"], data)
    log = protocol_files.last_fm(folder / "user_artists.dat")
    return _random80(log.with_events(log.events.drop("weight")), seed)


def video_random80(data: Path | None, seed: int) -> ListTask:
    """Amazon Video Games, sparse and in no order: a random 80 % of each user's items is train (SASRec's own file).

    As `lastfm-random80`; the order of the file is not told.
    """
    folder = protocol_files.located("sasrec", ["Video.txt"], data)
    log = protocol_files.sequences(folder / "Video.txt")
    timeless = pl.lit(0, pl.Int64).cast(log.events.schema[TIMESTAMP]).alias(TIMESTAMP)
    return _random80(log.with_events(log.events.with_columns(timeless)), seed)


def strong_generalisation(data: Path | None, seed: int) -> ListTask:
    """Mult-VAE's protocol on any rating log (by default MovieLens 1M): whole users are held out.

    Ratings of 4 and more count, users with 5 such items stay. A tenth of the users each (10,000 at most) is held out
    for validation and for test; the others are learnt from, and their items are the catalogue. Of a held-out user's
    items 80 %, drawn by `seed`, are the past, the rest the targets (int(0.2 * n) of n). Recall@k divides by
    min(k, targets): Recall_min here.

    Differences from the published run on MovieLens 20M: the data, and the draw.
    """
    log = read("ml-1m" if data is None else str(data))
    if RATING not in log.events.columns:
        raise DataError(f"strong-generalisation needs a log with ratings; {log.name} has none.")
    liked = log.events.filter(pl.col(RATING) >= 4).unique([USER_ID, ITEM_ID], keep="first", maintain_order=True)
    liked = liked.filter(pl.len().over(USER_ID) >= 5)
    users = liked[USER_ID].unique().sort().to_numpy()
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(len(users))
    held = min(10_000, len(users) // 10)
    val, test, rest = (users[part] for part in np.split(drawn, [held, 2 * held]))
    train = liked.filter(pl.col(USER_ID).is_in(rest))
    known = liked.join(train.select(ITEM_ID).unique(), on=ITEM_ID, how="semi", maintain_order="left")
    trials = []
    for part in (val, test):
        events = ordered(known.filter(pl.col(USER_ID).is_in(part)))
        rank = pl.Series("rank", generator.random(len(events)))
        target = events.with_columns(rank).select(
            pl.col("rank").rank("ordinal").over(USER_ID) <= (pl.len().over(USER_ID) * 0.2).floor()
        )["rank"]
        trials.append(Trial(log.with_events(train), events.filter(~target), events.filter(target)))
    catalogue = train[ITEM_ID].unique().sort()
    return ListTask(catalogue, trials[0], trials[1], checksum_of_pairs(trials[1].targets), has_times=True)


def ml1m_global_time(data: Path | None, seed: int) -> ListTask:
    """MovieLens 1M by time, ours: train up to the 80 % point, validation to 90 %, test after it.

    Asked: every user with a test event that is not a repetition, those without a past too. Learnt from, after the dials
    are chosen: train and validation. Relevant: any rating. The catalogue with all 3,883 listed films less the user's
    past is ranked.
    """
    return _by_time(read("ml-1m", folder=data))


def ml100k_global_time(data: Path | None, seed: int) -> ListTask:
    """MovieLens 100K by time, ours; as `ml1m-global-time`."""
    return _by_time(read("ml-100k", folder=data))


def _files(name: str, data: Path | None, seed: int, *, rows: tuple[int, int] | None = None) -> ListTask:
    folder = protocol_files.located(name, ["train.txt", "test.txt"], data)
    log, test = protocol_files.lists(folder / "train.txt"), protocol_files.lists(folder / "test.txt")
    got = (len(log.events), len(test.events))
    if rows is not None and got != rows:
        raise DataError(f"{folder} is not {name}: train and test have {got} rows, the published files have {rows}.")
    early, val = _cut(log.events, 0.9, np.random.default_rng(seed))
    return _without_times(log, early, val, log.events, test.events, has_times=False)


def _random80(log: Interactions, seed: int) -> ListTask:
    generator = np.random.default_rng(seed)
    train, test = _cut(log.events, 0.8, generator)
    early, val = _cut(train, 0.9, generator)
    return _without_times(log, early, val, train, test, has_times=False)


def _cut(events: pl.DataFrame, share: float, generator: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    kept = share_of_each_user(events, share, generator)
    return events.filter(kept), events.filter(~kept)


def _without_times(
    log: Interactions,
    early: pl.DataFrame,
    val: pl.DataFrame,
    train: pl.DataFrame,
    test: pl.DataFrame,
    *,
    has_times: bool,
) -> ListTask:
    """A task whose parts are sets of pairs: what was drawn for train is the past of the same user."""
    catalogue = pl.concat([train[ITEM_ID], test[ITEM_ID]]).unique().sort()
    return ListTask(
        catalogue,
        _trial(log, early, val),
        _trial(log, train, test),
        checksum_of_pairs(test),
        has_times=has_times,
    )


def _trial(log: Interactions, learnt: pl.DataFrame, targets: pl.DataFrame) -> Trial:
    """What is learnt from is also the past of those who are asked."""
    past = ordered(learnt.join(targets.select(USER_ID).unique(), on=USER_ID, how="semi", maintain_order="left"))
    return Trial(log.with_events(learnt), past, targets)


def _by_time(log: Interactions) -> ListTask:
    parts = global_time(log)
    train, val, test = parts.train.events, parts.val.events, parts.test.events
    both = pl.concat([train, val])
    listed = [] if log.items is None else [log.items[ITEM_ID]]
    return ListTask(
        pl.concat([both[ITEM_ID], *listed]).unique().sort(),
        _trial(log, train, fresh(val, train)),
        _trial(log, both, fresh(test, both)),
        checksum(parts.test),
        has_times=True,
    )


_BSL = "junkangwu/BSL logs (chosen on test)"
_BARS = "reczoo/BARS leaderboard (chosen on test)"
_MICROSOFT = "recommenders-team/recommenders README"
_RERUN = "not published: run elsewhere on the same files, dials looked at on test"


def _pair(name: str, recall: float, ndcg: float, source: str) -> Published:
    return Published(name, {"Recall@20": recall, "NDCG@20": ndcg}, source, is_rerun=source is _RERUN)


def _ten(name: str, ndcg: float, precision: float, recall: float, source: str) -> Published:
    return Published(name, {"NDCG@10": ndcg, "Precision@10": precision, "Recall@10": recall}, source, source is _RERUN)


_FILE_METRICS = ("NDCG@20", "Recall@20", "Precision@20", "HR@20")
_RANDOM_METRICS = ("NDCG@20", "Recall@20", "Precision@20", "Coverage@20")
_TIME_METRICS = ("NDCG@10", "Recall@10", "HR@10", "MRR@10", "Coverage@10")

COLLABORATIVE = {
    "movielens1m_m1": Protocol(
        movielens1m_m1,
        _FILE_METRICS,
        (
            _pair("mf_softmax", 0.2809, 0.2662, _BSL),
            _pair("mf_bsl", 0.2804, 0.2681, _BSL),
            _pair("simplex", 0.2802, 0.2670, "reczoo/RecZoo SimpleX log (chosen on test)"),
            _pair("ultragcn", 0.2787, 0.2642, "xue-pai/UltraGCN README (chosen on test)"),
            _pair("lightgcn", 0.2576, 0.2427, "xue-pai/UltraGCN README (chosen on test)"),
            _pair("edlae_400_0.4", 0.2779, 0.2690, _RERUN),
            _pair("ease_1000", 0.2755, 0.2674, _RERUN),
            _pair("popularity", 0.1160, 0.1176, _RERUN),
        ),
    ),
    "lightgcn": Protocol(lightgcn, _FILE_METRICS),
    "gowalla-lightgcn": Protocol(
        gowalla,
        _FILE_METRICS,
        (
            _pair("mf_bsl", 0.1882, 0.1584, _BSL),
            _pair("simplex", 0.1872, 0.1557, _BARS),
            _pair("ease", 0.1765, 0.1467, _BARS),
        ),
    ),
    "yelp2018-lightgcn": Protocol(
        yelp2018,
        _FILE_METRICS,
        (
            _pair("lightgcn_bsl", 0.0744, 0.0617, _BSL),
            _pair("mf_bsl", 0.0725, 0.0599, _BSL),
            _pair("ease", 0.0657, 0.0552, _BARS),
        ),
    ),
    "ml100k-random75": Protocol(
        ml100k_random75,
        ("NDCG@10", "Precision@10", "Recall@10", "MAP@10", "MAP_min@10"),
        (
            _ten("bivae", 0.4751, 0.4118, 0.2191, _MICROSOFT),
            _ten("bpr", 0.4420, 0.3882, 0.2125, _MICROSOFT),
            _ten("lightgcn", 0.4198, 0.3796, 0.1443, _MICROSOFT),
            _ten("sar", 0.3825, 0.3308, 0.1764, _MICROSOFT),
            _ten("ials_64_frequency_ridge", 0.487, 0.427, 0.228, _RERUN),
            _ten("edlae_200", 0.479, 0.420, 0.225, _RERUN),
            _ten("ease_400", 0.479, 0.419, 0.223, _RERUN),
            _ten("popularity", 0.252, 0.228, 0.113, _RERUN),
        ),
        seeds=3,
    ),
    "lastfm-random80": Protocol(lastfm_random80, _RANDOM_METRICS),
    "video-random80": Protocol(video_random80, _RANDOM_METRICS),
    "strong-generalisation": Protocol(strong_generalisation, ("NDCG@100", "Recall_min@20", "Recall_min@50")),
    "ml1m-global-time": Protocol(ml1m_global_time, _TIME_METRICS),
    "ml100k-global-time": Protocol(ml100k_global_time, _TIME_METRICS),
}
