"""Splits as they are written, and what a folder holds of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from enterprise_recsys.data import prepared, spool
from enterprise_recsys.data.coding import coded
from enterprise_recsys.data.cuts import Cut, folds_of, parsed
from enterprise_recsys.data.frames import to_frame
from enterprise_recsys.data.guards import check_split
from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import SPLITS, checksum, k_core, rolling
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import ConfigError


def test_words_become_a_split_with_its_dials() -> None:
    assert parsed("global-time") == Cut()
    assert parsed("leave-last-k, k=10", core=5) == Cut("leave_last_k", {"k": 10}, 5)
    assert parsed("random_per_user,train=0.7,seed=3").dials == {"train": 0.7, "seed": 3}
    assert str(parsed("leave-last-k,k=10", core=5)) == "leave_last_k,k=10 of the 5-core"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("leave-lst", "split='leave_lst' is unknown; did you mean 'leave_last'?"),
        ("leave-last,k=2", "is wrong at 'k=2': the dials of leave_last are none"),
        ("leave-last-k,k=two", "is wrong at 'k=two': the dials of leave_last_k are k, each with a number"),
        ("global-time,shares=0.8", "the dials of global_time are train, val"),
        ("global-time,train", "is wrong at 'train'"),
        ("rolling,span=7", "the dials of rolling are days"),
    ],
)
def test_words_that_are_no_split_are_refused(words: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault.replace("?", r"\?")):
        parsed(words)


@pytest.mark.parametrize("name", SPLITS)
def test_each_event_is_in_the_part_that_the_split_says(name: str, world: World) -> None:
    log = world.interactions
    part, follow = parsed(name).parts(log.with_events(coded(log.events)))
    split = SPLITS[name](log)
    for number, one in enumerate((split.train, split.val, split.test)):
        assert_frame_equal(log.events.filter(pl.Series(part == number)), one.events)
    assert follow == (name in ("global_time", "time_quantile"))


@pytest.mark.parametrize("words", ["leave-last-k,k=2", "time-quantile,least=3", "random,seed=1"])
def test_a_folder_of_any_split_knows_its_own_part_and_those_before(
    words: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "STRETCH_BITS", 10)
    source = tmp_path / "log.parquet"
    to_frame(world.interactions, pandas=False).write_parquet(source)
    made = prepare(str(source), tmp_path / "out", cut=parsed(words))
    whole = DataProcessor().prepare(world.interactions, split=parsed(words).words)
    frames = {part: pl.read_parquet(tmp_path / "out" / f"{part}.parquet") for part in prepared.PARTS}
    assert check_split(frames, by_time=words.startswith("time"), guards=["future"]) == []
    for part in prepared.PARTS:
        frame = frames[part]
        assert len(frame) == made.rows[part] == len(whole[part])
        columns = [column for column in whole[part].columns if not column.endswith("_scaled")]
        assert_frame_equal(frame.select(columns), whole[part].select(columns))


def test_a_core_is_taken_before_the_split_and_another_cut_is_another_folder(world: World, tmp_path: Path) -> None:
    source = tmp_path / "log.parquet"
    to_frame(world.interactions, pandas=False).write_parquet(source)
    core = k_core(world.interactions, k=20)
    assert 0 < len(core.events) < len(world.interactions.events)
    made = prepare(str(source), tmp_path / "out", cut=parsed("leave-last", core=20))
    assert sum(made.rows.values()) == len(core.events)
    assert prepare(str(source), tmp_path / "out", cut=parsed("leave-last", core=20)).reused
    assert not prepare(str(source), tmp_path / "out", cut=parsed("leave-last")).reused
    split = SPLITS["leave_last"](world.interactions)
    expected = {"train": checksum(split.train), "val": checksum(split.val), "test": checksum(split.test)}
    assert prepared.checksums(tmp_path / "out") == expected


def test_rolling_is_a_cut_for_each_date_with_the_parts_of_the_split(world: World) -> None:
    log = world.interactions
    times = log.events["timestamp"]
    first, last = times.min(), times.max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    dates = [(first + (last - first) * share).replace(microsecond=0) for share in (0.5, 0.7)]
    folds = folds_of(parsed("rolling"), dates)
    for cut, split in zip(folds.values(), rolling(log, dates), strict=True):
        part, follow = cut.parts(log.with_events(coded(log.events)))
        for number, one in enumerate((split.train, split.val, split.test)):
            assert_frame_equal(log.events.filter(pl.Series(part == number)), one.events)
        assert follow


def test_folds_are_named_by_their_dates_and_another_date_is_another_cut() -> None:
    dates = [datetime(2026, 3, 1), datetime(2026, 3, 8, 12, tzinfo=UTC).replace(tzinfo=None)]
    folds = folds_of(parsed("rolling,days=3.5", core=2), dates)
    assert list(folds) == ["2026-03-01", "2026-03-08T120000"]
    assert str(folds["2026-03-01"]) == "rolling,date=2026-03-01T00:00:00,days=3.5 of the 2-core"
    between = folds_of(parsed("rolling"), dates)
    assert [timedelta(days=cut.dials["days"]) for cut in between.values()] == [timedelta(days=7.5)] * 2
    assert folds_of(parsed("leave-last"), []) == {"": Cut("leave_last")}


@pytest.mark.parametrize(
    ("words", "dates", "fault"),
    [
        ("leave-last", [datetime(2026, 3, 1)], "--date goes with --split rolling, .* the split is leave_last"),
        ("rolling", [], "--split rolling wants dates: give --date 2026-03-01"),
        ("rolling", [datetime(2026, 3, 1)], "span=None is wrong"),
        ("rolling,days=0", [datetime(2026, 3, 1)], "span=0:00:00 is wrong"),
        ("rolling", [datetime(2026, 3, 2), datetime(2026, 3, 1)], "dates of a rolling split must rise"),
    ],
)
def test_dates_that_make_no_folds_are_refused(words: str, dates: list[datetime], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        folds_of(parsed(words), dates)
