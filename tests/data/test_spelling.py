"""A column that is held as what it spells gives every cell back to the letter; a log in pieces is the log in one."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from enterprise_recsys.data import files, lines, prepared
from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.quarantine import Reading, sift
from enterprise_recsys.data.spelling import SPELLINGS, Compact, texts_of

ROWS = 4_000
CELLS = {
    "whole": (["7", "-12", None], "whole number"),
    "decimal": (["4.0", "0.25", "1e-7"], "number"),
    "second": (["2024-02-29T23:59:59Z", "1970-01-01T00:00:00Z"], "%Y-%m-%dT%H:%M:%SZ"),
    "blank between": (["2024-02-29 23:59:59", None], "%Y-%m-%d %H:%M:%S"),
    "millisecond": (["2024-02-29T23:59:59.250Z", "2024-02-29T23:59:59.000Z"], "%Y-%m-%dT%H:%M:%S%.3fZ"),
    "microsecond": (["2024-02-29 23:59:59.000250"], "%Y-%m-%d %H:%M:%S%.6f"),
    "minute": (["2024-02-29T23:59"], "%Y-%m-%dT%H:%M"),
    "day": (["2024-02-29", "2023-12-31"], "%Y-%m-%d"),
}
TEXTS = [
    "007",
    "+5",
    "1_000",
    "4.50",
    "1e3",
    "-0.0",
    "NaN",
    "inf x",
    "2024-02-30",
    "0999-01-01",
    "2024-02-29T23:59:60Z",
]


def gathered(*parts: list[str | None], name: str = "thing") -> tuple[pl.Series, dict[str, str]]:
    made = Compact({})
    for cells in ([], *parts):
        made.add(pl.DataFrame({name: pl.Series(cells, dtype=pl.String)}))
    frame, spelt = made.gathered()
    assert texts_of(frame, spelt)[name].cast(pl.String).to_list() == [cell for cells in parts for cell in cells]
    return frame[name], dict(spelt)


@pytest.mark.parametrize("name", CELLS)
def test_a_column_of_one_spelling_takes_eight_bytes_a_cell(name: str) -> None:
    cells, spelling = CELLS[name]
    held, spelt = gathered(cells, [None], cells)
    assert spelt == {"thing": spelling} and held.dtype in (pl.Int64, pl.Float64, pl.Datetime("us", "UTC"))


def test_every_spelling_is_tested_or_like_one_that_is() -> None:
    assert {spelling for _, spelling in CELLS.values()} <= set(SPELLINGS)


@pytest.mark.parametrize("cell", TEXTS)
def test_what_would_be_written_otherwise_stays_text(cell: str) -> None:
    held, spelt = gathered([cell], ["5"])
    assert held.dtype == pl.String and spelt == {}


def test_one_cell_in_a_later_piece_makes_text_of_the_earlier_ones() -> None:
    for name, (cells, _) in CELLS.items():
        held, spelt = gathered([None], cells, ["oh"], cells)
        assert held.dtype == pl.String and spelt == {}, name


@given(st.lists(st.lists(st.none() | st.text("0123456789.-+e:TZ ", min_size=1, max_size=8), max_size=3), max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_cells_come_back_to_the_letter(parts: list[list[str | None]]) -> None:
    gathered(*parts)


def test_ids_become_categories_and_names_of_events_stay_text() -> None:
    assert isinstance(gathered(["7", "8"], ["7"], name="movieId")[0].dtype, pl.Categorical)
    assert gathered(["7", "8"], name="session_id")[0].dtype == pl.String


def log() -> pl.DataFrame:
    """Clicks of a shop: two hundred users, tied times, a price, a note with commas, quotes and line breaks."""
    place = pl.int_range(ROWS, eager=True)
    return pl.DataFrame(
        {
            "user": (place * 37 % 199).cast(pl.String),
            "item": "p" + (place * 17 % 61 + 100).cast(pl.String),
            "ts": pl.from_epoch(1_700_000_000 + place // 3 * 60).dt.replace_time_zone("UTC"),
            "rating": (place % 9 + 2) / 2,
            "price": place % 50 + 1,
            "device": pl.Series(["desk", "phone"] * (ROWS // 2)),
            "note": pl.Series([None if n % 5 else f'no. {n}, "wide"\nand long' for n in range(ROWS)]),
        }
    )


def as_csv(path: Path, frame: pl.DataFrame) -> None:
    frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")


def as_gzip(path: Path, frame: pl.DataFrame) -> None:
    as_csv(path.with_suffix(""), frame)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def as_utf16(path: Path, frame: pl.DataFrame) -> None:
    as_csv(path, frame)
    path.write_bytes(path.read_text().encode("utf-16"))


FORMS: dict[str, Callable[[Path, pl.DataFrame], None]] = {".csv": as_csv, ".csv.gz": as_gzip, ".utf16.csv": as_utf16}


@pytest.mark.parametrize("ending", FORMS)
@pytest.mark.parametrize("size", [9_000, 1 << 23])
def test_a_text_file_in_pieces_is_prepared_to_the_same_bits_as_parquet(
    ending: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PIECE", size)
    monkeypatch.setattr(lines, "_LONGEST_RECORD", 20)
    log().write_parquet(tmp_path / "log.parquet")
    FORMS[ending](tmp_path / f"log{ending}", log())
    for kind in (".parquet", ending):
        assert sum(prepare(str(tmp_path / f"log{kind}"), tmp_path / f"out{kind}").rows.values()) == ROWS
    for part in prepared.PARTS:
        one, other = (pl.read_parquet(tmp_path / f"out{kind}" / f"{part}.parquet") for kind in (".parquet", ending))
        assert_frame_equal(one, other, check_exact=True)
    sums = [prepared.checksums(tmp_path / f"out{kind}") for kind in (".parquet", ending)]
    assert sums[0] == sums[1]


@pytest.mark.parametrize("size", [600, 1 << 23])
def test_pieces_and_spellings_change_nothing_of_what_is_set_aside(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_csv(tmp_path / "log.csv", log()[:600])
    rows = (tmp_path / "log.csv").read_text().splitlines()
    faults = [
        "1,p100,yesterday,1.0,5,desk,",  # makes text of the times
        "1,,2023-11-14T22:13:20Z,1.0,5,desk,",
        "1,p100,2023-11-14T22:13:20Z,much,5,desk,",
        "1,p100",
        '2,p100,2023-11-14T22:13:20Z,1.0,5,desk,"never closed',
        "3,p100,2523-11-14T22:13:20Z,1.0,5,desk,",
        "3,p100,2023-11-14T22:13:20Z,1.0,5,desk,",
        "3,p100,2023-11-14T22:13:20Z,1.0,5,desk,",  # again
        "",
    ]
    for place, fault in enumerate(faults):
        rows.insert(401 + 11 * place, fault)
    text = "\n".join(rows)
    (tmp_path / "log.csv").write_text(text)
    plain = sift(files.load(tmp_path / "log.csv"), "log", Reading())
    monkeypatch.setattr(lines, "PIECE", size)
    monkeypatch.setattr(lines, "_LONGEST_RECORD", 20)
    small = sift(files.load(tmp_path / "log.csv", coded=True), "log", Reading())
    assert len(small.aside) == 7 and small.rows_in == plain.rows_in == 608
    assert_frame_equal(small.aside, plain.aside)
    assert small.lines.to_list() == plain.lines.to_list()
    ids = pl.col("user_id", "item_id").cast(pl.String)
    assert_frame_equal(small.frame.with_columns(ids), plain.frame)
