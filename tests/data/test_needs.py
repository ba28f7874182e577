"""A log that would not fit is refused before it is read."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.data import needs
from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.errors import DataError

ROWS = 20_000


def log() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": [f"user-{place % 200:032}" for place in range(ROWS)],
            "item": [place * 7 % 300 for place in range(ROWS)],
            "ts": [10**9 + 60 * place for place in range(ROWS)],
            "note": [f"a note of some length, the {place}th" for place in range(ROWS)],
        }
    )


def held(path: Path) -> float:
    """Bytes of a row, by the estimate, less what stands for itself."""
    return (needs.of_prepare(path, Reading()) - needs.PROGRAM_MB) * (1 << 20) / ROWS - needs.SLICE_BYTES


@pytest.mark.parametrize("parts", [1, 2])
def test_narrow_columns_take_the_least_and_long_texts_more(parts: int, tmp_path: Path) -> None:
    for name, frame in (("narrow", log().drop("user", "note").with_columns(user=pl.col("item"))), ("wide", log())):
        (tmp_path / name).mkdir()
        for place in range(parts):
            frame[place * ROWS // parts : (place + 1) * ROWS // parts].write_parquet(
                tmp_path / name / f"{place}.parquet"
            )
    assert held(tmp_path / "narrow") == pytest.approx(needs.LEAST_BYTES)
    # A category, an item, a time, and a string of 28 to 32 letters; the users' names are few and count once.
    assert 4 + 8 + 8 + 16 + 28 + needs.ROW_BYTES < held(tmp_path / "wide") < 4 + 8 + 8 + 16 + 40 + needs.ROW_BYTES + 8


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz"])
def test_text_is_estimated_by_its_first_lines_as_it_will_be_held(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"log{ending}"
    log().write_csv(tmp_path / "plain", separator="\t" if ending == ".tsv" else ",")
    raw = (tmp_path / "plain").read_bytes()
    path.write_bytes(gzip.compress(raw, 1) if ending == ".csv.gz" else raw)
    # Two categories whose names are few, a time, and a string of 28 to 32 letters, as in Parquet.
    least = 4 + 4 + 8 + 16 + 28 + needs.ROW_BYTES
    assert 0.8 * least < held(path) < 1.2 * (least + 4)


def test_ids_that_all_differ_are_counted_with_their_names(tmp_path: Path) -> None:
    log().with_columns(user=pl.format("{}-{}", "user", pl.int_range(ROWS))).write_csv(tmp_path / "log.csv")
    log().write_csv(tmp_path / "few.csv")
    assert held(tmp_path / "log.csv") - held(tmp_path / "few.csv") == pytest.approx(16 + 37 + 1 + 4.4, abs=3)


def test_text_that_cannot_be_read_is_left_to_the_reader(tmp_path: Path) -> None:
    for ending in (".csv", ".csv.gz"):
        (tmp_path / f"log{ending}").write_bytes(b"\x00\x01 no such thing")
        assert needs.of_prepare(tmp_path / f"log{ending}", Reading()) == needs.PROGRAM_MB


def test_what_does_not_fit_is_refused_in_words_and_nothing_is_written(tmp_path: Path) -> None:
    log().write_csv(tmp_path / "log.csv")
    log().write_parquet(tmp_path / "log.parquet")
    with pytest.raises(
        DataError, match=r"preparing log.parquet takes about 20. MB and --memory gives 100 MB: .* Give more"
    ):
        prepare(str(tmp_path / "log.parquet"), tmp_path / "out", memory_mb=100)
    with pytest.raises(DataError, match="use the newest months, or drop columns that are no features"):
        prepare(str(tmp_path / "log.csv"), tmp_path / "out", memory_mb=100)
    assert not (tmp_path / "out").exists()
    assert prepare(str(tmp_path / "log.parquet"), tmp_path / "out", memory_mb=1000).rows["train"] == 0.8 * ROWS


def test_what_cannot_be_estimated_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1 no more than a beginning")
    with pytest.raises(DataError, match="cannot be read"):
        prepare(str(tmp_path / "log.parquet"), tmp_path / "out", memory_mb=1000)
