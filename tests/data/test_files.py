"""Files of every ending give the same rows, and columns of text become what they look like."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from enterprise_recsys.data.files import FORMATS, fingerprint, is_text, load, rows, table, typed
from enterprise_recsys.errors import DataError

FRAME = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [10, 20], "rating": [1.5, None]})


def write(path: Path) -> Path:
    """The frame in the form of a path's ending."""
    import gzip

    plain = path.with_name(path.name.removesuffix(".gz"))
    if is_text(plain):
        FRAME.write_csv(plain, separator="\t" if ".tsv" in path.name else ",")
    elif plain.suffix == ".parquet":
        FRAME.write_parquet(plain)
    elif plain.suffix in (".arrow", ".feather"):
        FRAME.write_ipc(plain)
    else:
        FRAME.write_ndjson(plain)
    if path != plain:
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_every_ending_gives_the_same_rows_with_their_numbers(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"log{ending}")
    loaded = load(path)
    assert_frame_equal(rows(loaded, path), FRAME)
    assert loaded.lines.to_list() == ([2, 3] if is_text(path) else [1, 2])
    assert loaded.rows_in == 2


@pytest.mark.parametrize("ending", FORMATS)
def test_a_damaged_file_of_every_ending_is_refused_or_told(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"log{ending}"
    path.write_bytes(b"\x00\x01 no such thing")
    with pytest.raises(DataError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["1", "-2", None], [1, -2, None]),
        (["1", "2.5"], [1.0, 2.5]),
        (["9" * 25, "1"], [1e25, 1.0]),
        (["true", "False", None], [True, False, None]),
        (["007", "12"], ["007", "12"]),  # a zip code
        (["0", "0.5"], [0.0, 0.5]),
        (["1", "x"], ["1", "x"]),
        ([None, None], [None, None]),
        (["2024-05-01", "2024-05-02"], [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)]),
        (["2024-05-01T12:30:00Z", None], [datetime(2024, 5, 1, 12, 30, tzinfo=UTC), None]),
        (
            ["2024-05-01 12:30", "2024-05-02 01:00"],
            [datetime(2024, 5, 1, 12, 30, tzinfo=UTC), datetime(2024, 5, 2, 1, tzinfo=UTC)],
        ),
        (["2024-05-01T12:30:00+02:00", "2024"], ["2024-05-01T12:30:00+02:00", "2024"]),
    ],
)
def test_a_column_becomes_what_it_looks_like(cells: list[str | None], wanted: list[object]) -> None:
    frame = pl.DataFrame({"thing": pl.Series(cells, dtype=pl.String)})
    assert typed(frame, {})["thing"].to_list() == wanted


@pytest.mark.parametrize("name", ["user_id", "visitorid", "MovieId", "session_id", "event_type"])
def test_ids_stay_text_under_any_name(name: str) -> None:
    assert typed(pl.DataFrame({name: ["1", "2"]}), {})[name].dtype == pl.String
    assert typed(pl.DataFrame({"who": ["1", "2"]}), {"who": "user_id"})["who"].dtype == pl.String


def test_broken_rows_refuse_a_file_that_must_be_whole(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,age\na,1\nb\nc\n")
    with pytest.raises(DataError) as caught:
        table(tmp_path / "users.csv")
    assert str(caught.value).endswith(
        "users.csv cannot be read: line 3 is no row: fewer fields than the header, 2 rows so; right is a CSV file in "
        "UTF-8, or in the encoding that is named, with a header. Of a log recsys validate names every such row and "
        "recsys prepare sets them aside; a table of users or items has to be whole."
    )


def test_a_fingerprint_is_of_names_and_bytes_and_of_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_text("1")
    (tmp_path / "y.csv").write_text("2")
    first = fingerprint([tmp_path / "a", tmp_path / "y.csv"])
    assert len(first) == 64 and first == fingerprint([tmp_path / "a", tmp_path / "y.csv"])
    (tmp_path / "a" / "x.csv").write_text("3")
    assert fingerprint([tmp_path / "a", tmp_path / "y.csv"]) != first
    with pytest.raises(DataError, match="gone cannot be read"):
        fingerprint([tmp_path / "gone"])
