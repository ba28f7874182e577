"""A measured figure as one line of JSON, with everything that is needed to measure it again."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from enterprise_recsys.errors import DataError

STAGES = ("retrieval", "two_stage", "ranking", "prepare", "serve", "evaluate")
PUBLISHED = "published:"
"""Systems whose name begins so were not run here: the figure is the one of their authors."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class ResultLine:
    """One figure; None = does not apply, or not known.

    Attributes:
        protocol: data, split and metric definitions by name, such as "ml1m-global-time".
        system: "ours", a baseline's or a peer's name, or "published:<name>".
        stage: retrieval, two_stage, ranking, prepare, serve or evaluate (of the evaluator itself).
        metric: such as "NDCG@10".
        value: the figure; None if it could not be measured.
        low: lower end: of the interval over users for one seed, the lowest seed's value in a summary of several.
        high: upper end, likewise.
        seed: of this run; None in a summary.
        seeds: how many runs a summary is the mean of; None for one run.
        summary: whether the line is the mean over seeds.
        seconds: wall time of the run (mean over seeds in a summary).
        peak_mb: largest memory of the process in 10^6 bytes (largest over seeds in a summary).
        threads: threads that the run was given.
        config_hash: of the configuration.
        split_checksum: of the targets, so that two runs can be seen to be of the same split.
        commit: short hash of the code.
        command: what to type to measure it again.
        machine: processor, cores and memory.
        date: ISO 8601; the newest line of a figure counts, so a time of day helps where runs are repeated.
    """

    protocol: str
    system: str
    stage: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    seed: int | None = None
    seeds: int | None = None
    summary: bool = False
    seconds: float | None = None
    peak_mb: float | None = None
    threads: int | None = None
    config_hash: str | None = None
    split_checksum: str | None = None
    commit: str | None = None
    command: str | None = None
    machine: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        """Refuse a stage that has no name here.

        Raises:
            DataError: the stage is unknown.
        """
        if self.stage not in STAGES:
            raise DataError(f"stage={self.stage!r} of a result is unknown; known: {', '.join(STAGES)}.")


def append(path: Path | str, lines: Iterable[ResultLine]) -> None:
    """Write lines at the end of a `.jsonl` file; it and its folder are made if need be.

    NaN and infinity become null.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(_as_json(line) + "\n" for line in lines)
    with target.open("a", encoding="utf-8") as file:
        file.write(text)


def _as_json(line: ResultLine) -> str:
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(line).items()
    }
    return json.dumps(values, allow_nan=False, ensure_ascii=False)


def read(folder: Path | str) -> list[ResultLine]:
    """Read all lines of the `.jsonl` files in a folder, in order of file name; none if there is no such folder.

    Raises:
        DataError: a line is no JSON object with the fields of `ResultLine`.
    """
    return [line for lines in _files(folder).values() for line in lines]


def _files(folder: Path | str) -> dict[Path, list[ResultLine]]:
    """See `read`; by file."""
    return {
        path: [
            _from_json(text, f"{path.name} line {number}")
            for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            if text.strip()
        ]
        for path in sorted(Path(folder).glob("*.jsonl"))
    }


def prune(folder: Path | str) -> int:
    """Drop the lines of the `.jsonl` files in a folder that newer ones replace (see `newest`); gives how many.

    Raises:
        DataError: as `read`; then nothing is dropped.
    """
    files = _files(folder)
    kept = {id(line) for line in newest(line for lines in files.values() for line in lines)}
    for path, lines in files.items():
        text = "".join(_as_json(line) + "\n" for line in lines if id(line) in kept)
        staged = path.with_suffix(".tmp")
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    return sum(map(len, files.values())) - len(kept)


def _from_json(text: str, where: str) -> ResultLine:
    known = {field.name for field in fields(ResultLine)}
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is no JSON ({error}); a result is one JSON object a line.") from error
    if not isinstance(values, dict) or not values.keys() <= known:
        got = sorted(values.keys() - known) if isinstance(values, dict) else type(values).__name__
        raise DataError(f"{where} has what a result does not have: {got}; known: {', '.join(sorted(known))}.")
    missing = [name for name in ("protocol", "system", "stage", "metric", "value") if name not in values]
    if missing:
        raise DataError(f"{where} lacks {', '.join(missing)}; write results with `append`.")
    return ResultLine(**values)


def newest(lines: Iterable[ResultLine]) -> list[ResultLine]:
    """Of lines that tell the same figure of the same seed, keep the newest date; of equal dates the one read last."""
    kept: dict[tuple[str, str, str, str, int | None, bool], ResultLine] = {}
    for line in lines:
        key = (line.protocol, line.system, line.stage, line.metric, line.seed, line.summary)
        if key not in kept or (line.date or "") >= (kept[key].date or ""):
            kept[key] = line
    return list(kept.values())


def summarise(lines: Iterable[ResultLine]) -> list[ResultLine]:
    """Make one line a figure: the mean over seeds; summaries among the lines are passed over.

    Of several seeds, `low` and `high` are the lowest and the highest seed's value: with three seeds a range is what
    can be told honestly. One seed keeps its own interval over users. A field in which the runs differ becomes None,
    but for seconds (mean), peak_mb (largest) and date (newest).
    """
    groups: dict[tuple[str, str, str, str], list[ResultLine]] = {}
    for line in newest(line for line in lines if not line.summary):
        groups.setdefault((line.protocol, line.system, line.stage, line.metric), []).append(line)
    return [_summary(group) for group in groups.values()]


def _summary(group: Sequence[ResultLine]) -> ResultLine:
    first = group[0]
    values = [line.value for line in group if line.value is not None and math.isfinite(line.value)]
    seconds = [line.seconds for line in group if line.seconds is not None]
    several = len(group) > 1
    return ResultLine(
        protocol=first.protocol,
        system=first.system,
        stage=first.stage,
        metric=first.metric,
        value=sum(values) / len(values) if values else None,
        low=min(values, default=None) if several else first.low,
        high=max(values, default=None) if several else first.high,
        seeds=len(values),
        summary=True,
        seconds=sum(seconds) / len(seconds) if seconds else None,
        peak_mb=max((line.peak_mb for line in group if line.peak_mb is not None), default=None),
        threads=_shared([line.threads for line in group]),
        config_hash=_shared([line.config_hash for line in group]),
        split_checksum=_shared([line.split_checksum for line in group]),
        commit=_shared([line.commit for line in group]),
        command=_shared([line.command for line in group]),
        machine=_shared([line.machine for line in group]),
        date=max((line.date for line in group if line.date is not None), default=None),
    )


def _shared(values: Sequence[Value]) -> Value | None:
    """The value that all have in common, or None."""
    return values[0] if all(value == values[0] for value in values) else None


def machine() -> str:
    """Processor model, cores that this process may use, memory in 10^9 bytes, and its GPU; no name of the host."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [_processor(), f"{cores} cores" if cores > 1 else "1 core"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB")
    torch = sys.modules.get("torch")  # what has not loaded PyTorch has used no GPU
    if torch is not None and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def threads() -> int:
    """Threads that numeric libraries may use: OMP_NUM_THREADS where it is set, else the cores of this process."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models and models[0] else platform.processor() or platform.machine()


def commit(folder: Path | str = Path(__file__).parent) -> str | None:
    """Short hash of the commit that a folder stands at, by default this package's; None outside git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:  # no git, or no such folder
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def peak_mb() -> float:
    """Largest memory that this process has held so far, in 10^6 bytes; NaN where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS and kibibytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
