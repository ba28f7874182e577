"""What is written in slices is what is made in one piece, and nothing stays beside it."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from enterprise_recsys.data import prepared, spool
from enterprise_recsys.data.frames import to_frame
from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import DataError


@pytest.mark.parametrize("size", [9, 20])
def test_a_folder_holds_the_frames_of_the_processor(
    size: int, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "STRETCH_BITS", size)
    source = tmp_path / "log.parquet"
    to_frame(world.interactions, pandas=False).sample(fraction=1.0, shuffle=True, seed=0).write_parquet(source)
    made = prepare(str(source), tmp_path / "out")
    whole = DataProcessor().prepare(world.interactions)
    for part in prepared.PARTS:
        frame = pl.read_parquet(tmp_path / "out" / f"{part}.parquet")
        assert len(frame) == made.rows[part]
        key = ["user_id", "item_id", "timestamp"]
        columns = [column for column in whole[part].columns if not column.endswith("_scaled")]
        assert set(frame.columns) == set(columns)
        # The world has no two events of one user at one moment, so that the order of the file plays no part.
        assert_frame_equal(frame.select(columns).sort(key), whole[part].select(columns).sort(key))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.parquet", "out"]


def test_ids_that_are_numbers_and_ids_that_are_strings_give_the_same_statistics(tmp_path: Path) -> None:
    rows = 300
    log = pl.DataFrame(
        {
            "user_id": [-5 + (place * 7) % 31 for place in range(rows)],
            "item_id": [10**12 + (place * 3) % 40 * 10**9 for place in range(rows)],  # too sparse to be counted by
            "rating": [place % 5 + 1 for place in range(rows)],
            "timestamp": [1_600_000_000 + place // 3 * 9_000 for place in range(rows)],
        }
    )
    log.write_parquet(tmp_path / "numbers.parquet")
    log.with_columns(pl.col("user_id", "item_id").cast(pl.String)).write_parquet(tmp_path / "strings.parquet")
    for kind in ("numbers", "strings"):
        prepare(str(tmp_path / f"{kind}.parquet"), tmp_path / kind)
    for part in prepared.PARTS:
        one, other = (pl.read_parquet(tmp_path / kind / f"{part}.parquet") for kind in ("numbers", "strings"))
        assert_frame_equal(one, other)


def test_a_log_whose_places_do_not_fit_into_four_bytes_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_MOST", 20_000)
    monkeypatch.setattr(spool, "STRETCH_BITS", 9)
    source = tmp_path / "log.parquet"
    to_frame(world.interactions, pandas=False).write_parquet(source)
    with pytest.raises(DataError, match="rows, and at most 5,642 can be prepared at once"):
        prepare(str(source), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["log.parquet"]
