"""Results are written, read and summarised without loss."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.results import (
    ResultLine,
    append,
    commit,
    machine,
    newest,
    peak_mb,
    prune,
    read,
    summarise,
    threads,
)

ROOT = Path(__file__).resolve().parents[2]

LINE = ResultLine(
    protocol="ml1m",
    system="ours",
    stage="two_stage",
    metric="NDCG@10",
    value=0.25,
    low=0.24,
    high=0.26,
    seed=1,
    seconds=10.0,
    peak_mb=500.0,
    threads=2,
    config_hash="abc",
    split_checksum="def",
    commit="0123abc",
    command="make bench-quality",
    machine="a processor, 2 cores, 16 GB",
    date="2026-11-24",
)


def test_the_keys_are_those_that_were_agreed() -> None:
    agreed = (
        "protocol, system, stage, metric, value, low, high, seed, seeds, summary, seconds, peak_mb, threads, "
        "config_hash, split_checksum, commit, command, machine, date"
    )
    assert [field.name for field in fields(ResultLine)] == agreed.split(", ")


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    first, second = replace(LINE, system="b"), replace(LINE, metric="Recall@10", machine="München")
    append(tmp_path / "new" / "b.jsonl", [first])
    append(tmp_path / "new" / "b.jsonl", [second])
    append(tmp_path / "new" / "a.jsonl", [LINE])
    assert read(tmp_path / "new") == [LINE, first, second]
    assert read(tmp_path / "nowhere") == []


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", [replace(LINE, value=math.nan, low=-math.inf, peak_mb=math.inf)])
    text = (tmp_path / "a.jsonl").read_text()
    values = json.loads(text, parse_constant=pytest.fail)
    assert values["value"] is values["low"] is values["peak_mb"] is None
    assert read(tmp_path)[0].value is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a.jsonl line 2 is no JSON .*; a result is one JSON object a line"),
        ("[1]", "a.jsonl line 2 has what a result does not have: list; known: command, commit"),
        ('{"speed": 1}', r"a.jsonl line 2 has what a result does not have: \['speed'\]"),
        ('{"protocol": "x", "value": 1}', "a.jsonl line 2 lacks system, stage, metric; write results with `append`"),
        (
            '{"protocol": "x", "system": "x", "stage": "cook", "metric": "x", "value": 1}',
            "stage='cook' of a result is unknown; known: retrieval, two_stage, ranking, prepare, serve",
        ),
    ],
)
def test_damaged_lines_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text("\n" + text + "\n")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_lines_that_newer_ones_replace_are_dropped_from_all_files(tmp_path: Path) -> None:
    old, other = replace(LINE, date="2000-01-01", value=0.25), replace(LINE, seed=2)
    append(tmp_path / "a.jsonl", [old, other])
    append(tmp_path / "b.jsonl", [LINE])
    assert prune(tmp_path) == 1
    assert read(tmp_path) == [other, LINE]
    assert prune(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_the_newest_line_of_a_seed_counts() -> None:
    old, again = replace(LINE, value=0.1, date="2026-11-23"), replace(LINE, value=0.3)
    assert newest([LINE, old]) == [LINE]
    assert newest([old, LINE, again]) == [again]
    assert newest([LINE, replace(LINE, seed=2)]) == [LINE, replace(LINE, seed=2)]


def test_a_summary_is_the_mean_and_range_over_seeds() -> None:
    runs = [
        LINE,
        replace(LINE, seed=2, value=0.29, seconds=20.0, peak_mb=400.0, command="other", date="2026-11-25"),
        replace(LINE, seed=3, value=0.27, seconds=None, peak_mb=None),
        replace(LINE, seed=3, value=9.0, date="2026-11-01"),
        replace(LINE, seed=None, value=9.0, summary=True),
    ]
    assert summarise(runs) == [
        replace(
            LINE,
            value=(0.25 + 0.29 + 0.27) / 3,
            low=0.25,
            high=0.29,
            seed=None,
            seeds=3,
            summary=True,
            seconds=15.0,
            peak_mb=500.0,
            command=None,
            date="2026-11-25",
        )
    ]


def test_one_seed_keeps_its_interval_over_users() -> None:
    assert summarise([LINE]) == [replace(LINE, seed=None, seeds=1, summary=True)]


def test_a_summary_of_nothing_measured_has_no_value() -> None:
    runs = [replace(LINE, value=None), replace(LINE, value=None, seed=2)]
    summary = summarise(runs)[0]
    assert (summary.value, summary.low, summary.high, summary.seeds) == (None, None, None, 0)


def test_the_machine_is_told_without_its_name() -> None:
    told = machine()
    assert "core" in told and told == machine()
    assert not platform.node() or platform.node() not in told


def test_a_gpu_is_told_where_pytorch_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_there in (True, False):
        gpus = SimpleNamespace(is_available=lambda is_there=is_there: is_there, get_device_name=lambda: "Fast One")
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=gpus))
        assert machine().endswith(", Fast One") is is_there


def test_a_processor_that_is_not_listed_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: Path, encoding: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert machine().startswith("riscv64, ")


def test_the_threads_are_those_that_the_libraries_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    for unclear in ("", "0", "2,1"):
        monkeypatch.setenv("OMP_NUM_THREADS", unclear)
        assert 1 <= threads() <= (os.cpu_count() or 1)


def test_the_commit_is_that_of_the_folder(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    assert commit(tmp_path / "nowhere") is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert commit(tmp_path) is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    told = commit(tmp_path)
    assert told is not None and 4 <= len(told) <= 40 and int(told, 16) >= 0


def test_the_peak_memory_is_that_of_this_process() -> None:
    script = (
        "from enterprise_recsys.evaluation.results import peak_mb; before = peak_mb(); "
        "held = b'x' * 100_000_000; del held; print(before, peak_mb())"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = (float(part) for part in told.stdout.split())
    # A child may begin with the peak of its parent, so only what can be said for sure is said.
    assert after >= before > 5
    assert after > 100
    assert peak_mb() > 5
