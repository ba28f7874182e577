"""The same question at several moments and seeds: train on what was known then, ask for what came next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.splits import Split
from enterprise_recsys.data.watching import Leaks
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.report import BOUNDS, HEADLINE, Evaluation
from enterprise_recsys.evaluation.tables import columns_of_text
from enterprise_recsys.records import TIMESTAMP, Interactions
from enterprise_recsys.trainer import ProductionTrainer

SHARE, VALIDATION = 0.1, 1 / 9
"""Share of the log's events in each test part; share of the events before it, the newest, that choose the epochs."""


@dataclass(frozen=True)
class Run:
    """One training and what came of it.

    Attributes:
        start, end: first and last moment of the test part, UTC.
        seed: of the training.
        evaluation: of the test part.
    """

    start: datetime
    end: datetime
    seed: int
    evaluation: Evaluation


@dataclass(frozen=True)
class Backtest:
    """What several runs say together; prints as a table and sentences.

    Attributes:
        runs: by moment, then by seed.
    """

    runs: Sequence[Run]

    def figures(self) -> dict[str, float]:
        """Each figure that all runs have: its mean, and with "/lowest", "/highest" and "/deviation" how it spreads.

        The deviation is that of a sample (n - 1) over all runs; with one run there is none. With several seeds
        "/deviation_of_seeds" is that within a moment, pooled: what training alone moves. With a handful of runs the
        lowest and the highest say more honestly than an interval what another day may bring.
        """
        result: dict[str, float] = {"runs": len(self.runs)}
        first = self.runs[0].evaluation
        for key in first:
            if key.split("/")[-1] in BOUNDS or not all(key in run.evaluation for run in self.runs):
                continue
            values = np.array([run.evaluation[key] for run in self.runs], dtype=np.float64)
            result |= {key: float(values.mean())}
            if "/" in key and len(values) > 1:
                result |= {
                    f"{key}/lowest": float(values.min()),
                    f"{key}/highest": float(values.max()),
                    f"{key}/deviation": float(values.std(ddof=1)),
                }
                result |= self._of_seeds(key)
        return result

    def _of_seeds(self, key: str) -> dict[str, float]:
        moments: dict[datetime, list[float]] = {}
        for run in self.runs:
            moments.setdefault(run.start, []).append(run.evaluation[key])
        spreads = [np.var(values, ddof=1) for values in moments.values() if len(values) > 1]
        return {f"{key}/deviation_of_seeds": float(np.sqrt(np.mean(spreads)))} if spreads else {}

    def to_json(self) -> dict[str, object]:
        """Everything as plain data."""
        runs = [
            {"start": str(run.start), "end": str(run.end), "seed": run.seed, "figures": dict(run.evaluation)}
            for run in self.runs
        ]
        return {"figures": self.figures(), "runs": runs}

    def sentences(self) -> list[str]:
        """For each pair in how many runs the first was ahead, and in how many that was clear by itself."""
        metric, told = self._headline(), []
        for key in self.runs[0].evaluation:
            pair, _, name = key.partition("/")
            if name != metric or pair.count("-") != 1:
                continue
            first, second = pair.split("-")
            values = [run.evaluation[key] for run in self.runs]
            ahead = sum(value > 0 for value in values)
            clear = sum(run.evaluation.get(f"{key}/low", 0.0) > 0 for run in self.runs)
            told.append(
                f"{first} is ahead of {second} in {ahead} of {len(values)} runs, clearly in {clear}: mean difference "
                f"in {metric} {np.mean(values):+.4f}, from {min(values):+.4f} to {max(values):+.4f}."
            )
        return told

    def _headline(self) -> str:
        names = [metric for _, _, metric in self.runs[0].evaluation.figures()]
        return next(name for name in names if name.split("@")[0] == HEADLINE)

    def __str__(self) -> str:
        """The headline metric of each system in each run, with mean and deviations."""
        metric, figures = self._headline(), self.figures()
        heads = [f"{run.start:%Y-%m-%d} seed {run.seed}" for run in self.runs]
        several = any(key.endswith("/deviation_of_seeds") for key in figures)
        rows = [[metric, *heads, "mean", "deviation", *(["of seeds"] if several else [])]]
        for system in dict.fromkeys(name for name, _, _ in self.runs[0].evaluation.figures()):
            key = f"{system}/{metric}"
            cells = [f"{run.evaluation[key]:.4f}" for run in self.runs if key in run.evaluation]
            if key in figures and len(cells) == len(self.runs):
                names = ["", "/deviation", *(["/deviation_of_seeds"] if several else [])]
                found = [figures.get(f"{key}{name}") for name in names]
                rows.append([system, *cells, *("-" if one is None else f"{one:.4f}" for one in found)])
        return "\n".join([*columns_of_text(rows), "", *self.sentences()])


def backtest(
    config: ModelConfig,
    log: Interactions,
    *,
    folds: int = 3,
    dates: Sequence[datetime] = (),
    seeds: int = 1,
    k: int | Sequence[int] = 10,
    told: Callable[[Run], None] | None = None,
    leaks: Leaks = "refuse",
) -> Backtest:
    """Train and measure at several moments, each time on nothing but what lay before, with one or several seeds.

    Args:
        config: every dial; its seed is the first one.
        log: the whole log.
        folds: test parts, each a tenth of the events, the newest ones, one after the other; 1 to 6.
        dates: instead of folds: moments (UTC, rising) at which the test parts begin; each ends where the next begins.
        seeds: trainings at each moment, with the seeds that follow the config's.
        k: list length, or several.
        told: called after each run.
        leaks: what is done about a leak; see `ProductionTrainer.fit`.

    Raises:
        ConfigError: a number is out of its range, or the dates do not rise.
        DataError: a part holds no event, or there is a leak.
    """
    if seeds < 1:
        raise ConfigError(f"seeds={seeds} is too few; take 1 or more.")
    runs = []
    for parts in folds_of(log, folds=folds, dates=dates):
        times = parts.test.events[TIMESTAMP]
        for seed in range(config.seed, config.seed + seeds):
            trainer = ProductionTrainer(config.model_copy(update={"seed": seed}), progress=False)
            evaluation = trainer.fit(parts.train, parts.val, leaks=leaks).evaluate(parts.test, k=k, leaks=leaks)
            runs.append(Run(times.min(), times.max(), seed, evaluation))  # type: ignore[arg-type]
            if told is not None:
                told(runs[-1])
    return Backtest(runs)


def folds_of(log: Interactions, *, folds: int = 3, dates: Sequence[datetime] = ()) -> list[Split]:
    """The log as it was before each moment (train, val), and what came next (test), in order of time.

    Events of one moment are never on both sides of a cut. See `backtest` for the arguments.
    """
    times = log.events[TIMESTAMP].to_physical()
    ordered = times.sort().to_numpy()
    if dates:
        cuts = [int(moment) - 1 for moment in pl.Series(dates, dtype=pl.Datetime("us")).to_physical()]
        if sorted(set(cuts)) != cuts:
            raise ConfigError(f"the dates should rise, got {', '.join(str(one) for one in dates)}.")
    elif not 1 <= folds <= 6:
        raise ConfigError(f"folds={folds} is out of range: each tests on a tenth of the log, so take 1 to 6.")
    else:
        cuts = [_at(ordered, 1 - SHARE * (folds - fold)) for fold in range(folds)]
    ends = [*cuts[1:], int(ordered[-1])]
    result = []
    for cut, end in zip(cuts, ends, strict=True):
        before = ordered[ordered <= cut]
        inner = _at(before, 1 - VALIDATION) if len(before) else cut
        masks = (times <= inner, (times > inner) & (times <= cut), (times > cut) & (times <= end))
        train, val, test = (log.with_events(log.events.filter(mask)) for mask in masks)
        for name, part in (("train", train), ("val", val), ("test", test)):
            if part.events.is_empty():
                moment = datetime.fromtimestamp((cut + 1) / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
                raise DataError(f"at {moment} the part {name} holds no event; take fewer folds or other dates.")
        result.append(Split(train, val, test))
    return result


def _at(ordered: np.ndarray, share: float) -> int:
    """The last moment of the oldest `share` of the events."""
    return int(ordered[max(int(len(ordered) * share + 1e-6), 1) - 1])
