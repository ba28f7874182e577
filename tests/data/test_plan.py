"""A plan tells what a run needs, right within a factor of 2 where it can be measured, and what does not fit."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import needs, paces, steps
from enterprise_recsys.data.paces import EVENT_S, event_s
from enterprise_recsys.data.plan import Plan, measure, parsed_memory, plan
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.steps import (
    CONTENDERS,
    SEQUENCES_MB,
    SEQUENTIAL,
    STEPS,
    VARIANTS,
    Size,
    Step,
    parts_taught,
)
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.results import newest, read

SMALL, LARGE = Size(100_000, 1_000, 2_000), Size(200_000, 2_000, 4_000)
DEMOS = {
    "demo": Size(60_299, 1_500, 800),
    "ml100k-global-time": Size(100_000, 943, 1_682),
    "ml1m-global-time": Size(1_000_209, 6_040, 3_706),
}
REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data")


@pytest.mark.parametrize("name", STEPS)
def test_every_step_needs_more_for_more_and_says_why(name: str) -> None:
    small, large = (STEPS[name](size, ModelConfig()) for size in (SMALL, LARGE))
    assert small.name == name and small.because
    assert 0 < small.memory_mb <= large.memory_mb and small.disk_mb <= large.disk_mb
    assert 0 < small.seconds <= large.seconds


def steps_of(size: Size, **dials: object) -> dict[str, Step]:
    return {step.name: step for step in plan(size, ModelConfig(**dials)).steps}  # type: ignore[arg-type]


def test_the_dials_are_obeyed() -> None:
    usual = steps_of(LARGE, fold_in_factor=1)
    short = steps_of(LARGE, epochs=1, refit=False, candidates=20, history="mean")
    once = 200_000 * (0.8 + 0.7) * EVENT_S["mean"]  # one pass over train and one over its older part
    assert short["retriever"].seconds == short["retriever"].most_s == pytest.approx(once)
    assert short["ranker"].memory_mb < usual["ranker"].memory_mb
    plain, wide = steps_of(LARGE, history="mean"), steps_of(LARGE, history="mean", embedding_dim=512)
    grown = (2_000 + 4_000) * (512 - 64) * 5 * 4 / 2**20  # weights, two moments, mean and best mean, of 32 bits
    assert wide["retriever"].memory_mb - plain["retriever"].memory_mb == pytest.approx(grown)
    assert wide["retriever"].seconds == pytest.approx(8 * plain["retriever"].seconds)
    alone = steps_of(LARGE, history="gru")["retriever"].memory_mb
    folded, twice = (steps_of(LARGE, history="fold_in", fold_in_factor=one)["retriever"].memory_mb for one in (1, 2))
    of_users, of_items = 2_000 * 64 * 5 * 4 / 2**20, 4_000 * 64 * 4 / 2**20
    assert alone == pytest.approx(plain["retriever"].memory_mb - of_users + SEQUENCES_MB)
    assert usual["retriever"].memory_mb - alone == pytest.approx(of_items), "the best so far, beside the next"
    assert usual["retriever"].memory_mb - folded == pytest.approx(SEQUENCES_MB)
    assert twice - folded == pytest.approx(4_000 * 64 * 6 * 4 / 2**20)


RATES = {part: 1 / event_s(part, LARGE.rows, LARGE.users, LARGE.items) for part in EVENT_S}


def test_each_history_part_is_counted_at_its_own_rate_and_auto_teaches_two() -> None:
    dials = {"epochs": 1, "refit": False, "fold_in_factor": 1}
    once = {name: steps_of(LARGE, **dials, history=name)["retriever"] for name in (*RATES, "auto")}
    for name, rate in RATES.items():
        # Once more on an earlier part, for the lists that teach the ranker.
        assert once[name].seconds == pytest.approx((160_000 * VARIANTS[name] + 140_000) / rate)
        often = ", twice" * (VARIANTS[name] == 2)
        assert f"{name} (1 of 1 epochs{often}, {round(rate, -2):,.0f}/s)" in once[name].because
    told = steps_of(LARGE, **dials, history="fold_in", temperature=0.2)["retriever"]
    assert told.seconds == pytest.approx(300_000 / RATES["fold_in"]), "a dial that is given leaves nothing to try"
    wide = steps_of(LARGE, **{**dials, "fold_in_factor": None}, history="fold_in", temperature=0.2)["retriever"]
    assert wide.seconds == 2 * told.seconds, "a small log's is twice as wide"
    assert once["auto"].seconds == pytest.approx(once["fold_in"].seconds + once["transformer"].seconds)
    again = steps_of(LARGE, epochs=1, history="auto", fold_in_factor=1)["retriever"]
    both = 1 / RATES["fold_in"] + 1 / RATES["transformer"]
    assert again.seconds - once["auto"].seconds == pytest.approx(180_000 * both)
    index = {name: steps_of(LARGE, history=name)["index"].disk_mb for name in ("auto", "fold_in", "gru")}
    assert index["auto"] == 3 * index["gru"] and index["fold_in"] == 2 * index["gru"]
    joint = ModelConfig(training="joint")
    assert parts_taught(joint) == ("mean",)


@pytest.mark.parametrize(
    ("dials", "part", "events", "epochs"),
    [
        ({}, None, 10, 2),
        ({}, "fold_in", 10, 2),
        ({}, "transformer", 250_000, 6),
        ({}, "gru", 10, 6),
        ({}, "transformer", 250_001, 2),
        ({"horizon": "next"}, "transformer", 250_001, 6),
        ({"horizon": "next"}, "fold_in", 10, 2),
        ({"patience": 3}, "transformer", 10, 3),
        ({"patience": 3}, None, 10, 3),
    ],
)
def test_what_goes_by_order_has_more_patience_where_that_is_cheap_or_the_next_item_is_asked_for(
    dials: dict[str, object], part: str | None, events: int, epochs: int
) -> None:
    assert steps.patience_of(ModelConfig(**dials), part, events) == epochs  # type: ignore[arg-type]


def test_the_history_parts_are_those_that_are_taught() -> None:
    history = pytest.importorskip("enterprise_recsys.retrieval.history", reason="PyTorch is not installed")
    assert set(RATES) == set(history.HISTORIES)
    config = ModelConfig(temperature=1.0)
    sequential = [name for name, build in history.HISTORIES.items() if isinstance(build(8, config), history.Sequential)]
    assert list(SEQUENTIAL) == sequential
    joined = [name for name, build in history.HISTORIES.items() if isinstance(build(8, config), history.Mean)]
    assert list(paces.JOINED) == joined
    assert dict(VARIANTS) == {name: len(found) for name, found in history.TEMPERATURES.items()}
    assert dict(CONTENDERS) == {history.AUTO: history.CONTENDERS}
    losses, alternating, rowwise, neighbouring, slates, linear, rules = (
        pytest.importorskip(f"enterprise_recsys.{name}", reason="PyTorch is not installed")
        for name in (
            "retrieval.losses",
            "retrieval.alternating",
            "rowwise",
            "learning.neighbouring",
            "learning.slates",
            "baselines.linear",
            "baselines.rules",
        )
    )
    known = (paces.EXACT_ITEMS, paces.EXACT_SCORES, paces.PASSES, paces.LARGE_ROWS)
    assert known == (losses.EXACT_ITEMS, losses.EXACT_SCORES, alternating._PASSES, rowwise.LARGE_ROWS)
    lists = (steps.MOMENTS_A_USER, steps.MORE_MOMENTS, steps.RANKER_ROWS, steps.MORE_RANKER_ROWS)
    assert lists == (slates._VISITS, slates._MORE_VISITS, 2 * slates._ROWS, 2 * slates._MORE_ROWS), "of two slices"
    led = (steps.MOST_NEIGHBOURED, steps.MOST_FOLLOWED, steps.RULE_EVENTS)
    assert led == (neighbouring._MOST_NEIGHBOURED, neighbouring._MOST_FOLLOWED, rules.MOST_EVENTS)
    solved = (steps.MOST_SOLVED, steps.DOUBLE_ITEMS, steps.SOLUTIONS)
    assert solved == (neighbouring._MOST_SOLVED, linear.DOUBLE_ITEMS, len(neighbouring._RIDGES) + 2)


@pytest.mark.parametrize("thousands", [10, 100, 1000])
@pytest.mark.parametrize("part", EVENT_S)
def test_an_event_costs_what_was_measured_as_the_catalogue_grows(part: str, thousands: int) -> None:
    """By the newest figures of benchmarks/growth.py: as many users as items, five events a user."""
    lines = newest(read(Path(__file__).parents[2] / "benchmarks" / "results"))
    wanted = (f"grow-{thousands}k", part, "example_us")
    measured = next(line.value for line in lines if (line.protocol, line.system, line.metric) == wanted) / 1e6
    told = event_s(part, 5_000 * thousands, 1_000 * thousands, 1_000 * thousands)
    assert measured / 1.5 <= told <= measured * 1.5


def test_an_event_of_fold_in_is_dear_where_the_catalogue_is_large_and_users_have_few() -> None:
    busy, short = (event_s("fold_in", 1_000_000, users, 3_000) for users in (6_000, 100_000))
    assert 1 / busy == pytest.approx(57_000, rel=0.1) and short > 1.8 * busy
    large = Size(500_000, 100_000, 24_000)
    told = steps_of(large, history="fold_in")["retriever"].because
    assert "fold_in (5 of 40 epochs, twice, 12,900/s)" in told


def test_what_has_more_patience_learns_longer_as_a_rule() -> None:
    small, large = (steps_of(Size(rows, 2_000, 4_000), history="transformer") for rows in (312_000, 313_000))
    rate = 1 / event_s("transformer", 312_000, 2_000, 4_000)
    assert "transformer (15 of 40 epochs, " in small["retriever"].because
    assert small["retriever"].seconds == pytest.approx(312_000 * (0.8 * (15 + 6) + 1.6 * 15) / rate)
    assert "transformer (5 of 40 epochs, " in large["retriever"].because
    assert large["retriever"].seconds == pytest.approx(313_000 * (0.8 * (5 + 2) + 1.6 * 5) / rate, rel=0.01)


def test_learning_stops_early_as_a_rule() -> None:
    for name in ("retriever", "ranker"):
        step = steps_of(LARGE)[name]
        assert step.seconds < step.most_s
        few = steps_of(LARGE, epochs=2, ranker_epochs=1)[name]
        assert few.seconds <= few.most_s < step.most_s


@pytest.mark.parametrize(("protocol", "size"), DEMOS.items())
def test_a_run_takes_what_the_plan_says_within_a_factor_of_two(protocol: str, size: Size) -> None:
    """By the newest demo that is recorded in benchmarks/results, which ran on one thread with the dials as they are."""
    lines = newest(read(Path(__file__).parents[2] / "benchmarks" / "results"))
    run = next(line for line in lines if (line.protocol, line.system, line.metric) == (protocol, "ours", "NDCG@10"))
    assert run.threads == 1 and run.seconds is not None and run.peak_mb is not None
    expected = plan(size, ModelConfig()).to_json()
    assert isinstance(expected["seconds"], float)
    assert run.seconds / 2 <= expected["seconds"] <= run.seconds * 2
    megabytes = max(step.memory_mb for step in plan(size, ModelConfig()).steps) * 2**20 / 1e6
    assert run.peak_mb / 2 <= megabytes <= run.peak_mb * 2


def test_what_does_not_fit_is_named_with_what_would_be_right() -> None:
    made = plan(Size(200_000_000, 1_000_000, 500_000), ModelConfig(), memory_mb=8192)
    assert "prepare" in [step.name for step in made.too_large]
    assert "DOES NOT FIT: prepare needs 9.5 GB and --memory gives 8.0 GB; use fewer rows (the newest months)" in str(
        made
    )
    assert made.to_json()["fits"] is False
    assert plan(SMALL, ModelConfig(), memory_mb=8192).too_large == []
    assert "DOES NOT" not in str(plan(SMALL, ModelConfig()))


def test_the_sums_are_those_of_the_steps() -> None:
    made = plan(SMALL, ModelConfig())
    assert made.to_json()["seconds"] == pytest.approx(sum(step.seconds for step in made.steps))
    assert isinstance(made, Plan) and str(made).startswith("100,000 events, 1,000 users and 2,000 items")


@pytest.mark.parametrize("ending", ["csv", "parquet", "folder"])
def test_a_log_is_measured_by_its_own_names(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame({"uid": [1, 2, 1, 3], "movieId": [5, 5, 6, 6], "when": [1, 2, 3, 4]})
    path = tmp_path / f"log.{ending}"
    if ending == "csv":
        frame.write_csv(path)
    elif ending == "parquet":
        frame.write_parquet(path)
    else:
        (path / "day=1").mkdir(parents=True)
        frame.head(2).write_parquet(path / "day=1" / "a.parquet")
        frame.tail(2).write_parquet(path / "b.parquet")
    assert measure(str(path)) == Size(4, 3, 2)
    assert measure(str(path), Reading(columns={"movieId": "user_id", "uid": "item_id"})) == Size(4, 2, 3)


@pytest.mark.parametrize("told", [{"label": [1, 0, 0, 0]}, {"event": ["click", *["impression"] * 3]}])
def test_what_was_only_shown_is_told_apart_and_teaches_less(tmp_path: Path, told: dict[str, list[object]]) -> None:
    frame = pl.DataFrame({"user": range(4), "item": range(4), "ts": range(4), **told})
    frame.write_csv(tmp_path / "log.csv")
    assert measure(str(tmp_path / "log.csv")) == Size(4, 4, 4, impressions=3)
    frame.with_columns(stars=3.0).drop("event", strict=False).write_csv(tmp_path / "rated.csv")
    assert measure(str(tmp_path / "rated.csv")) == Size(4, 4, 4)
    shown, alone = Size(1_000_000, 1_000, 2_000, impressions=900_000), Size(100_000, 1_000, 2_000)
    assert str(plan(shown, ModelConfig())).startswith("100,000 events and 900,000 impressions, 1,000 users and")
    for one, other in zip(plan(shown, ModelConfig()).steps, plan(alone, ModelConfig()).steps, strict=True):
        assert (one.seconds > other.seconds) == (one.name == "prepare")


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (".csv", ""),
        (".parquet", ""),
        (".csv.gz", "; unpacked into a temporary file first"),
        (".jsonl", "; .jsonl is read whole"),
    ],
)
def test_the_plan_says_what_prepare_would_hold_and_what_is_not_read_in_pieces(
    ending: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / f"log{ending}"
    frame = pl.DataFrame({"user": range(9), "item": range(9), "ts": range(9), "note": ["a text " * 9] * 9})
    if ending == ".csv.gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        {".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}.get(ending, frame.write_csv)(path)
    step = STEPS["prepare"](measure(str(path)), ModelConfig())
    assert step.because == f"48 bytes or more and 2.3 µs a row, and a slice{said}"
    assert step.memory_mb == pytest.approx(needs.of_prepare(path, Reading()), abs=0.01)


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="log.parquet cannot be scanned: .*; recsys validate says what is wrong"):
        measure(str(tmp_path / "log.parquet"))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match="column 'user_id' is missing in log.parquet; found: a"):
        measure(str(tmp_path / "log.parquet"))
    pl.DataFrame({"user": [1], "item": [1]}).clear().write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match="log.parquet holds no rows"):
        measure(str(tmp_path / "log.parquet"))


@pytest.mark.parametrize(("text", "megabytes"), [("8g", 8192), ("512M", 512), ("1.5 GiB", 1536), ("1t", 1024**2)])
def test_sizes_of_memory_are_read(text: str, megabytes: float) -> None:
    assert parsed_memory(text) == megabytes


@pytest.mark.parametrize("text", ["8", "g", "-8g", "0g", "8 apples", ""])
def test_what_is_no_size_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no size; right is a number with m, g or t, for instance 8g"):
        parsed_memory(text)


def spent(data: str, out: Path) -> tuple[float, float]:
    """CPU seconds and peak megabytes of preparing a set in a process of its own, with two threads."""
    code = (
        "import sys, time, re; from pathlib import Path; from enterprise_recsys.data.preparation import prepare;"
        "import enterprise_recsys.data.processor; begin = time.process_time(); prepare(sys.argv[1], Path(sys.argv[2]));"
        "print(time.process_time() - begin, re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, data, str(out)],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "POLARS_MAX_THREADS": "2",
            "RECSYS_DATA": str(REAL.absolute()),
            "HOME": str(out.parent),
        },
    )
    seconds, kilobytes = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024


@pytest.mark.parametrize("name", ["ml-100k", pytest.param("ml-1m", marks=pytest.mark.slow)])
def test_preparing_needs_what_the_plan_says_within_a_factor_of_two(name: str, tmp_path: Path) -> None:
    """By CPU time, which other programs on the machine change less than wall time."""
    if not (REAL / name).is_dir():
        pytest.skip(f"MovieLens {name} is not in RECSYS_DATA")
    expected = STEPS["prepare"](measure(name), ModelConfig())
    seconds, megabytes = spent(name, tmp_path / "out")
    written = sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) / 2**20
    assert expected.seconds / 2 <= seconds <= expected.seconds * 2
    assert expected.memory_mb / 2 <= megabytes <= expected.memory_mb * 2
    assert expected.disk_mb / 2 <= written <= expected.disk_mb * 2
