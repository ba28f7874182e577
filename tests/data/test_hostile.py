"""Every hostile log is read with an exact account, set aside in part, or refused in a sentence; never a crash."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.validation import validate
from enterprise_recsys.errors import DataError

from .hostile import GOOD, HEADER, HOSTILE, arrow, frame, json_lines, parquet, quoted_all, text

TOLERANT = Reading(most_bad=0.2)


def test_there_are_sixty_hostile_files() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_log_ends_as_it_should(name: str, tmp_path: Path) -> None:
    hostile = HOSTILE[name]()
    path = tmp_path / f"log{hostile.ending}"
    path.write_bytes(hostile.raw)
    got = validate(str(path), reading=TOLERANT)
    assert got.rows_in == got.rows_used + len(got.quarantine)
    if hostile.refused is not None:
        assert got.is_refused
        said = " ".join(finding.message for finding in got.findings if finding.severity == "error")
        assert any(words in said for words in hostile.refused.split("|")), said
        assert len(said) < 1000 and "\n" not in said
        return
    counts = dict(got.quarantine["reason"].value_counts().iter_rows())
    assert counts == dict(hostile.aside)
    assert got.rows_used == hostile.used
    assert not got.is_refused, str(got)


@pytest.mark.parametrize("name", [name for name in HOSTILE if HOSTILE[name]().refused and "10 MB" not in name])
def test_a_refused_log_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    hostile = HOSTILE[name]()
    path = tmp_path / f"log{hostile.ending}"
    path.write_bytes(hostile.raw)
    with pytest.raises(DataError):
        prepare(str(path), tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


BASES = {
    ".csv": [text(), quoted_all(), text(header=HEADER + ",note", good=[f'{row},"x, y"' for row in GOOD])],
    ".parquet": [parquet(frame())],
    ".arrow": [arrow(frame())],
    ".jsonl": [json_lines(frame())],
}
SHARDS = [b'"', b",", b"\n", b"\r\n", b"\r", b'""', b'",', b',"', b"\xef\xbb\xbf", b"9" * 30, b"\0", b"\xff"]


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """A file with bytes changed, put in, taken out or repeated at one to twenty places."""
    made = bytearray(raw)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        place = draw.randrange(len(made))
        kind = draw.randrange(4)
        if kind == 0:
            made[place] = draw.choice([34, 44, 10, 13, 0, 255, 59, 45, draw.randrange(256)])
        elif kind == 1:
            made[place:place] = draw.choice(SHARDS)
        elif kind == 2:
            del made[place : place + draw.choice([1, 3, 30])]
        else:
            made[place:place] = made[max(0, place - 40) : place]
    return bytes(made)


@pytest.mark.parametrize("times", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_files_never_crash_and_never_lose_a_row(times: int, tmp_path: Path) -> None:
    kept = 0
    for seed in range(times):
        draw = random.Random(seed)
        ending = draw.choice([".csv", ".csv", ".csv", *BASES])
        path = tmp_path / f"log{ending}"
        path.write_bytes(mutated(draw.choice(BASES[ending]), draw))
        got = validate(str(path), reading=TOLERANT)
        assert got.rows_in == got.rows_used + len(got.quarantine), f"seed {seed}"
        said = [finding.message for finding in got.findings if finding.check == "read"]
        assert all("\n" not in message for message in said), f"seed {seed}: {said}"
        kept += not got.is_refused
    assert 0.2 * times < kept < 0.9 * times  # the mutations are neither harmless nor deadly


def test_the_lines_of_the_quarantine_are_those_of_the_file(tmp_path: Path) -> None:
    rows = [
        HEADER,
        *GOOD[:3],
        "",
        "u1,i1",
        'u1,"two\nlines",1700000000,3',
        "u1,i1,soon,3",
        'u9,"open,1700000000,3',
        ",i1,1700000000,3",
        *GOOD[3:],
    ]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows) + "\n")
    got = validate(str(path), reading=TOLERANT)
    lines = path.read_text().split("\n")
    for line, word in zip(got.quarantine["line"], ("u1,i1", 'u1,"two', "u1,i1,soon,3", 'u9,"open', ",i1"), strict=True):
        assert lines[line - 1].startswith(word)
    assert got.rows_used == len(GOOD) and got.rows_in == len(GOOD) + 5


@pytest.mark.parametrize("name", ["bomb.csv.gz", "wide.csv"])
def test_memory_stays_bounded(name: str, tmp_path: Path) -> None:
    """At most twice the file and 500 MB, in a process of its own; a bomb of 3 GB is stopped early."""
    path = tmp_path / name
    if name.endswith(".gz"):
        import gzip

        block = gzip.compress(b"x" * (32 << 20))
        path.write_bytes(gzip.compress(HEADER.encode() + b"\n") + block * 100)
    else:
        path.write_text(HEADER + "\n" + "\n".join(GOOD * 3000) + "\n")
    code = (
        "import sys, re; from enterprise_recsys.data.validation import validate; v = validate(sys.argv[1]);"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024;"
        "print(peak, v.is_refused, v.findings[0].message[:300])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "POLARS_MAX_THREADS": "2"},
        timeout=60,
        check=True,
    )
    megabytes, refused, message = done.stdout.split(" ", 2)
    assert int(megabytes) <= 2 * path.stat().st_size / 2**20 + 500
    assert (refused == "True") == name.endswith(".gz")
    if refused == "True":
        assert "unpacks to more than" in message
