"""What `recsys prepare` says of a split, its checksums, and a log that would not fit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from enterprise_recsys.cli import app
from enterprise_recsys.data import prepared
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import SPLITS, checksum
from enterprise_recsys.errors import ConfigError, DataError


def log(folder: Path) -> Path:
    """Twelve events of each of 40 users, and one of a user who comes once."""
    rows = [
        (f"u{user}", f"i{(user * 5 + at * 3) % 30}", 10**9 + 3_600 * at + user)
        for user in range(40)
        for at in range(12)
    ]
    frame = pl.DataFrame([*rows, ("once", "i1", 10**9)], schema=["user_id", "item_id", "timestamp"], orient="row")
    frame.write_csv(folder / "log.csv")
    return folder / "log.csv"


def prepare(source: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["prepare", "--data", str(source), "--out", str(source.parent / "out"), *words])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_a_split_by_name_is_written_and_named_by_its_checksums(tmp_path: Path) -> None:
    source = log(tmp_path)
    said = prepare(source, "--split", "leave-last-k,k=2", "--checksums", "--memory", "1g")
    assert "train 321 rows, val 80 rows, test 80 rows; 481 rows in = 481 used + 0 set aside" in said
    split = SPLITS["leave_last_k"](to_interactions(pl.read_csv(source)), k=2)
    line = f"train {checksum(split.train)}, val {checksum(split.val)}, test {checksum(split.test)}\n"
    assert said.endswith(line)
    assert [len(part.events) for part in (prepared.read(tmp_path / "out").train, split.train)] == [321, 321]
    again = prepare(source, "--split", "leave-last-k,k=2", "--checksums")
    assert "unchanged, reused" in again and again.endswith(line)


def test_a_core_leaves_events_out_and_says_how_many(tmp_path: Path) -> None:
    said = prepare(log(tmp_path), "--split", "leave-last", "--core", "2")
    assert (
        "train 400 rows, val 40 rows, test 40 rows; 481 rows in = 481 used (1 of these in no part) + 0 set aside"
        in said
    )


def test_a_rolling_split_is_a_folder_for_each_date(tmp_path: Path) -> None:
    source = log(tmp_path)  # begins on 2001-09-09 at 01:46:40, an event an hour of each user
    words = ["--split", "rolling,days=0.125", "--date", "2001-09-09T07:46:40", "--date", "2001-09-09T10:46:40"]
    said = prepare(source, *words, "--checksums")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["2001-09-09T074640", "2001-09-09T104640"]
    assert (
        "2001-09-09T074640: train 121 rows, val 120 rows, test 120 rows; 481 rows in = 481 used (120 of these" in said
    )
    assert "2001-09-09T104640: train 241 rows, val 120 rows, test 120 rows; 481 rows in = 481 used + 0 set" in said
    early, late = (prepared.read(tmp_path / "out" / name) for name in ("2001-09-09T074640", "2001-09-09T104640"))
    assert checksum(early.test) == checksum(late.val) and said.count("train ") == 4
    assert prepare(source, *words).count("unchanged, reused") == 2
    with pytest.raises(ConfigError, match=r"2001-09-09T074640 cannot hold them: give another --out"):
        prepare(source, *words, "--out", str(tmp_path / "out" / "2001-09-09T074640"))


def test_what_cannot_be_done_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    source = log(tmp_path)
    with pytest.raises(ConfigError, match="--checksums are those of a folder's parts; give --out a folder"):
        prepare(source, "--checksums", "--out", str(tmp_path / "frames.pkl"))
    with pytest.raises(ConfigError, match="did you mean 'leave_last'"):
        prepare(source, "--split", "leave-lst")
    with pytest.raises(ConfigError, match="right is a number with m, g or t"):
        prepare(source, "--memory", "much")
    with pytest.raises(DataError, match="--memory gives 90 MB"):
        prepare(source, "--memory", "90m")
    assert not (tmp_path / "out").exists()
