"""Text files are taken apart line by line, and agree with Python's own reader on files that are right."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enterprise_recsys.data import plaintext
from enterprise_recsys.data.delimited import Loaded, load
from enterprise_recsys.errors import DataError


def loaded(tmp_path: Path, raw: bytes | str, name: str = "log.csv", **options: str) -> Loaded:
    (tmp_path / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return load(tmp_path / name, **options)


CELLS = st.text(st.sampled_from('ab,"\n é0'), max_size=6).filter(lambda cell: cell.strip() != "")


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), end=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=100, deadline=None)
def test_what_a_csv_library_writes_is_read_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], end: str
) -> None:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator=end)
    writer.writerows([("a", "b", "c"), *rows])
    got = loaded(tmp_path_factory.mktemp("csv"), made.getvalue())
    assert got.frame.rows() == rows
    assert got.broken.is_empty()
    text = made.getvalue().split("\n")
    assert all(text[line - 1].startswith((row[0][0], '"')) for line, row in zip(got.lines, rows, strict=True))


@given(lines=st.lists(st.text(st.sampled_from('ab,"'), min_size=1, max_size=8), min_size=1, max_size=9))
@settings(max_examples=100, deadline=None)
def test_every_line_is_a_row_or_part_of_one_or_broken(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    got = loaded(tmp_path_factory.mktemp("csv"), "\n".join(["a,b", *lines]) + "\n")
    inside = sum(int(count or 0) for column in got.frame for count in column.str.count_matches("\n"))
    assert got.rows_in + inside == len(lines)
    assert got.broken["line"].is_sorted()
    assert not set(got.lines) & set(got.broken["line"])


@pytest.mark.parametrize(("mark", "told"), [(",", False), (";", True), ("\t", True), ("|", True)])
def test_the_separator_is_found_and_told(tmp_path: Path, mark: str, told: bool) -> None:
    got = loaded(tmp_path, f"a{mark}b\n1{mark}2\n")
    assert got.frame.rows() == [("1", "2")]
    assert got.told == ((f"log.csv: fields are separated by {mark!r}",) if told else ())


def test_a_given_separator_goes_over_the_header(tmp_path: Path) -> None:
    assert loaded(tmp_path, "a,b;c\n1,2;3\n", separator=";").frame.columns == ["a,b", "c"]
    with pytest.raises(DataError, match="the separator '::' cannot be used; give one character"):
        loaded(tmp_path, "a,b\n", separator="::")


def test_an_encoding_is_obeyed_and_a_wrong_one_refused(tmp_path: Path) -> None:
    raw = "a,b\né,ü\n".encode("cp1252")
    assert loaded(tmp_path, raw, encoding="cp1252").frame.rows() == [("é", "ü")]
    assert loaded(tmp_path, raw).broken["reason"].to_list() == ["not UTF-8"]
    with pytest.raises(DataError, match="log.csv cannot be read: 'ascii' codec can't decode"):
        loaded(tmp_path, raw, encoding="ascii")
    with pytest.raises(DataError, match="unknown encoding: klingon"):
        loaded(tmp_path, raw, encoding="klingon")


def test_a_packed_file_may_not_unpack_to_ten_times_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plaintext, "_HARMLESS", 1000)
    with pytest.raises(DataError, match="unpacks to .* right is at most 10 times its size, and 2 GB. If you"):
        loaded(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 9999), "log.csv.gz")
    few = "a,b\n" + "".join(f"{n * 7919 % 10007},{n * 104729 % 100003}\n" for n in range(5000))
    assert len(loaded(tmp_path, gzip.compress(few.encode()), "log.csv.gz").frame) == 5000


def test_a_parser_that_loses_a_row_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from enterprise_recsys.data import delimited

    whole = delimited._parse
    monkeypatch.setattr(delimited, "_parse", lambda *given, **named: whole(*given, **named).head(1))
    with pytest.raises(DataError, match="2 rows became 1 when they were taken apart"):
        loaded(tmp_path, "a,b\n1,2\n3,4\n")


def test_one_column_is_a_table_too(tmp_path: Path) -> None:
    got = loaded(tmp_path, "a\n1\n2\n")
    assert got.frame.rows() == [("1",), ("2",)]


def test_a_column_without_a_name_is_dropped_only_when_it_is_empty(tmp_path: Path) -> None:
    assert loaded(tmp_path, "a,b,\n1,2,\n").frame.columns == ["a", "b"]
    assert loaded(tmp_path, ",a\n0,x\n").frame.columns == ["", "a"]  # the row numbers that pandas writes


def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path: Path) -> None:
    got = loaded(tmp_path, 'a,b\n\n1,2\n"x\ny",3\n\n4,5\nbad\n6,7\n')
    assert got.lines.to_list() == [3, 4, 7, 9]
    assert got.broken.rows() == [(8, "fewer fields than the header", "bad")]
    assert got.lines.dtype == pl.UInt32
