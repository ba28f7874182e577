"""A prepared folder is whole or not there, reused when nothing has changed, and verified before it is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.data import prepared
from enterprise_recsys.data.preparation import Outcome, prepare
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.errors import DataError

ROWS = [f"u{n % 20},i{n * 7 % 30},{1_700_000_000 + 3600 * n},{n % 5 + 1}" for n in range(300)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp,rating", *ROWS, "u1,,3,4"]) + "\n")
    return tmp_path / "log.csv"


@pytest.fixture
def folder(log: Path) -> Path:
    prepare(str(log), log.parent / "out")
    return log.parent / "out"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_holds_its_parts_its_quarantine_and_a_manifest_that_is_true(folder: Path) -> None:
    assert names(folder) == ["manifest.json", "quarantine.parquet", "test.parquet", "train.parquet", "val.parquet"]
    body = json.loads((folder / "manifest.json").read_text())
    for name, line in body["files"].items():
        raw = (folder / name).read_bytes()
        table = pl.read_parquet(folder / name)
        assert line["sha256"] == hashlib.sha256(raw).hexdigest() and line["bytes"] == len(raw)
        assert line["rows"] == len(table) and list(line["columns"]) == sorted(table.columns)
    assert sum(line["rows"] for line in body["files"].values()) == body["rows_in"] == 301
    assert [one.name for one in Schema.from_json(body["schema"]).columns] == [
        "user_id",
        "item_id",
        "timestamp",
        "rating",
    ]
    assert pl.read_parquet(folder / "quarantine.parquet").select("line", "reason").rows() == [(302, "item id missing")]
    assert names(folder.parent) == ["log.csv", "out"]


def test_it_is_reused_while_nothing_changes(log: Path, folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    got = prepare(str(log), folder)
    assert got.reused and got.rows == {"train": 240, "val": 30, "test": 30}
    assert (folder / "manifest.json").read_bytes() == before
    os.utime(log, (1, 1))  # the content counts, not the clock
    assert prepare(str(log), folder).reused


def again(log: Path, folder: Path, **options: object) -> Outcome:
    return prepare(str(log), folder, **options)  # type: ignore[arg-type]


def test_it_is_made_anew_when_anything_changes(log: Path, folder: Path) -> None:
    assert not again(log, folder, force=True).reused
    assert not again(log, folder, reading=Reading(most_bad=0.5)).reused
    assert not again(log, folder).reused
    (log.parent / "users.csv").write_text("user_id,age\nu1,30\n")
    assert not again(log, folder, users=log.parent / "users.csv").reused
    (log.parent / "users.csv").write_text("user_id,age\nu1,31\n")
    assert not again(log, folder, users=log.parent / "users.csv").reused
    assert again(log, folder, users=log.parent / "users.csv").reused
    log.write_text(log.read_text() + ROWS[0].replace("u0", "u1") + "\n")
    assert not again(log, folder, users=log.parent / "users.csv").reused


def test_a_damaged_folder_is_not_reused(log: Path, folder: Path) -> None:
    (folder / "val.parquet").write_bytes(b"PAR1")
    assert not prepare(str(log), folder).reused
    assert len(prepared.read(folder).val.events) == 30


def test_the_parts_are_read_back_as_they_were_split(folder: Path) -> None:
    parts = prepared.read(folder)
    assert [len(part.events) for part in (parts.train, parts.val, parts.test)] == [240, 30, 30]
    times = [part.events["timestamp"].to_physical() for part in (parts.train, parts.val, parts.test)]
    assert times[0].max() < times[1].min() and times[1].max() < times[2].min()  # type: ignore[operator]


DAMAGES = {
    "a changed byte": lambda folder: flip(folder / "train.parquet", 100),
    "a changed last byte": lambda folder: flip(folder / "test.parquet", -1),
    "a file cut off": lambda folder: cut(folder / "val.parquet"),
    "another file of the same name": lambda folder: shutil.copy(folder / "val.parquet", folder / "test.parquet"),
    "an absent quarantine": lambda folder: (folder / "quarantine.parquet").unlink(),
    "an absent part": lambda folder: (folder / "val.parquet").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a manifest cut off": lambda folder: cut(folder / "manifest.json"),
    "a manifest that is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "a manifest without files": lambda folder: (folder / "manifest.json").write_text('{"format_version": 1}'),
    "a manifest without parts": lambda folder: (folder / "manifest.json").write_text(
        '{"format_version": 1, "files": {}}'
    ),
    "a manifest of a later version": lambda folder: (folder / "manifest.json").write_text(
        '{"format_version": 99, "files": {}}'
    ),
    "a manifest that points elsewhere": lambda folder: point_elsewhere(folder),
}


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(bytes(raw))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def point_elsewhere(folder: Path) -> None:
    body = json.loads((folder / "manifest.json").read_text())
    body["files"]["../log.csv"] = {"bytes": 1, "sha256": ""}
    (folder / "manifest.json").write_text(json.dumps(body))


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_before_anything_is_read(name: str, folder: Path) -> None:
    DAMAGES[name](folder)
    with pytest.raises(DataError) as caught:
        prepared.read(folder)
    assert "Run recsys prepare again, or restore a copy of the whole folder." in str(caught.value)


@pytest.mark.parametrize("step", ["sink_parquet", "fsync", "replace"])
def test_a_failure_at_any_step_leaves_the_old_folder_as_it_was(
    step: str, log: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    calls = 0

    def full(*given: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first one works, so that half of the work is done
            raise OSError(28, "No space left on device")
        whole(*given, **named)

    place = pl.LazyFrame if step == "sink_parquet" else os
    whole = getattr(place, step)
    monkeypatch.setattr(place, step, full)
    with pytest.raises(DataError, match="cannot be written: .*No space left on device.*nothing was changed"):
        prepare(str(log), folder, force=True)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(folder.parent) == ["log.csv", "out"]


def test_a_crash_between_the_two_renames_is_mended_by_the_next_run(log: Path, folder: Path) -> None:
    folder.rename(folder.parent / ".out-0123abcd.old")
    (folder.parent / ".out-4567cdef").mkdir()
    os.utime(folder.parent / ".out-4567cdef", (1, 1))
    assert prepare(str(log), folder).reused
    assert names(folder.parent) == ["log.csv", "out"]


def test_a_folder_of_something_else_is_left_alone(log: Path) -> None:
    (log.parent / "diary").mkdir()
    (log.parent / "diary" / "today").write_text("dear")
    with pytest.raises(DataError, match="diary exists and is no prepared folder; name another one"):
        prepare(str(log), log.parent / "diary")
    assert names(log.parent / "diary") == ["today"]


def test_a_column_that_is_skipped_does_not_enter(log: Path) -> None:
    text = log.read_text().splitlines()
    log.write_text("\n".join([f"{text[0]},device,mood", *(f"{row},tv,{row[-1]}" for row in text[1:])]) + "\n")
    prepare(str(log), log.parent / "out", kinds={"mood": "skip"})
    columns = pl.read_parquet(log.parent / "out" / "train.parquet").columns
    assert "device" in columns and "mood" not in columns
