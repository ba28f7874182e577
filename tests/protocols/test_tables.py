"""Every protocol: counts on the real files, no target in what is learnt from, the same task for the same seed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols.table import PROTOCOLS
from enterprise_recsys.protocols.tasks import Encoded, ListTask, RowTask, Trial

REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data")
PAIR = ["user_id", "item_id"]

# name -> (judge: rows of the log, users asked, targets), (choose: the same), items that may be listed
LISTS = {
    "ml1m-loo": ((987_531, 6_040, 6_040), (987_531, 6_040, 6_040), 3_416),
    "ml1m-temporal90": ((899_650, 1_209, 1_209), (809_685, 1_046, 1_046), 3_416),
    "video-loo": ((225_305, 30_901, 30_901), (225_305, 30_901, 30_901), 23_715),
    "beauty-loo": ((153_776, 22_363, 22_363), (153_776, 22_363, 22_363), 12_101),
    "toys-loo": ((128_773, 19_412, 19_412), (128_773, 19_412, 19_412), 11_924),
    "movielens1m_m1": ((796_244, 6_022, 99_455), (716_511, 6_022, 79_733), 3_043),
    "ml100k-random75": ((74_992, 943, 25_008), (56_246, 943, 18_746), 1_682),
    "lastfm-random80": ((74_266, 1_883, 18_568), (66_842, 1_876, 7_424), 17_632),
    "video-random80": ((230_700, 30_901, 56_407), (206_167, 20_410, 24_533), 23_715),
    "strong-generalisation": ((459_640, 603, 11_935), (459_640, 603, 10_681), 3_504),
    "ml1m-global-time": ((900_188, 1_209, 100_021), (800_168, 1_134, 100_020), 3_883),
    "ml100k-global-time": ((90_000, 166, 10_000), (80_003, 197, 9_997), 1_682),
    "ml1m-cold-items": ((792_562, 6_035, 207_647), (624_303, 6_022, 168_259), 770),
    "ml1m-cold-users": ((801_444, 577, 91_712), (801_444, 657, 107_053), 3_686),
    "frappe-context": ((75_773, 18_943, 18_943), (66_301, 9_472, 9_472), 3_923),
}
ROWS = {
    "ml1m-ctr-random": (591_209, 73_901, 73_902),
    "ml1m-ctr-temporal": (592_978, 74_208, 71_826),
    "ml100k-tasks-random": (80_000, 10_000, 10_000),
    "ml100k-tasks-temporal": (80_003, 9_997, 10_000),
    "ml1m-tasks-temporal": (800_168, 100_020, 100_021),
    "ml1m-rating-random90": (800_167, 100_021, 100_021),
}


def loaded(name: str, seed: int = 0) -> ListTask | RowTask:
    try:
        return PROTOCOLS[name].load(None, seed)
    except DataError as error:
        pytest.skip(f"the data of {name} is not in RECSYS_DATA: {error}")


def counts(trial: Trial) -> tuple[int, int, int]:
    return len(trial.log.events), len(trial.asked), len(trial.targets)


def both(first: pl.DataFrame, second: pl.DataFrame) -> int:
    """Pairs that stand in both."""
    return len(first.select(PAIR).unique().join(second.select(PAIR), on=PAIR, how="semi"))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_protocol_has_its_counts_and_no_target_is_known(name: str) -> None:
    task = loaded(name)
    assert isinstance(task, ListTask)
    assert (counts(task.judge), counts(task.choose), len(task.listed(task.judge))) == LISTS[name]
    encoded = Encoded.of(task.judge, task.listed(task.judge))
    assert int(encoded.truth.counts.sum()) == len(task.judge.targets)
    if task.repeats:  # users reach for the same app again
        return
    # Nothing that judges was seen when dials were chosen, as target or to learn from or as the past.
    for trial in (task.judge, task.choose):
        assert both(task.judge.targets, trial.log.events) == 0, "a target of test is learnt from"
        assert both(trial.targets, trial.past) == 0, "a target is in its own user's past"
    assert both(task.judge.targets, task.choose.targets) == 0, "a target of test chooses"
    new = task.judge.past.filter(~pl.col("item_id").is_in(task.listed(task.judge).implode()))
    assert len(encoded.queries.history.rows) == len(task.judge.past) - len(new)
    assert not new.height or new.height == task.judge.past.height, "either all that is known or nothing may be listed"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_protocol_has_its_counts_and_its_labels(name: str) -> None:
    task = loaded(name)
    assert isinstance(task, RowTask)
    assert tuple(len(part.events) for part in (task.train, task.val, task.test)) == ROWS[name]
    assert both(task.train.events, task.test.events) == both(task.val.events, task.test.events) == 0
    labels, stars = task.labels(task.test), {1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(labels[~np.isnan(labels)]) == ({0.0, 1.0} if task.threshold else stars)
    if task.is_rated:
        ratings = task.labels(task.test, "rating")
        assert set(ratings) == stars and (np.isnan(labels) == (ratings == 3.0)).all()
    if name.endswith("temporal"):
        latest = [part.events["timestamp"].max() for part in (task.train, task.val)]
        earliest = [part.events["timestamp"].min() for part in (task.val, task.test)]
        assert latest[0] < earliest[0] and latest[1] < earliest[1]  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ml100k-random75", "lastfm-random80", "video-random80", "ml1m-rating-random90"])
def test_another_seed_is_another_split_and_the_same_seed_the_same(name: str) -> None:
    first, again, other = (loaded(name, seed).checksum for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.slow
def test_the_leave_last_one_out_targets_are_the_published_ones() -> None:
    task = loaded("ml1m-loo")
    assert isinstance(task, ListTask)
    lines = (REAL / "sasrec" / "ml-1m.txt").read_text().split("\n")[:-1]
    last = dict(line.split(" ") for line in lines)  # a later line of a user replaces an earlier one
    assert dict(task.judge.targets.select(PAIR).iter_rows()) == last
    assert task.checksum == "51d929d2b0994553"


@pytest.mark.slow
def test_the_joined_times_of_movielens_keep_the_order_of_the_file() -> None:
    task = loaded("ml1m-loo")
    assert isinstance(task, ListTask)
    if not task.has_times:
        pytest.skip("ml-1m is not in RECSYS_DATA")
    falls = pl.col("timestamp").diff().over("user_id") < pl.duration(seconds=0)
    assert not task.judge.past.select(falls.any()).item()
    assert task.judge.log.users is not None and len(task.judge.log.users) == 6_040
    assert task.judge.log.items is not None and len(task.judge.log.items) == 3_416


def test_every_protocol_tells_how_it_differs_and_lists_metrics_that_there_are() -> None:
    from enterprise_recsys.evaluation.metrics import LIST_METRICS, PREDICTION_METRICS, USER_METRICS

    known = set(USER_METRICS) | set(LIST_METRICS) | set(PREDICTION_METRICS)
    for name, protocol in PROTOCOLS.items():
        assert protocol.load.__doc__ and len(protocol.load.__doc__) > 50, name
        assert {metric.split("@")[0] for metric in protocol.metrics} <= known
        for one in protocol.published:
            assert set(one.figures) <= set(protocol.metrics) and one.source, (name, one.name)
        assert len({one.name for one in protocol.published}) == len(protocol.published)


def test_the_counts_above_are_of_all_protocols_with_files_at_hand() -> None:
    assert set(LISTS) | set(ROWS) | {"lightgcn", "gowalla-lightgcn", "yelp2018-lightgcn"} == set(PROTOCOLS)
