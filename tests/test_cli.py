"""The command line: the whole way on files, and faults as one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from enterprise_recsys.cli import app
from enterprise_recsys.data import prepared
from enterprise_recsys.data.splits import Split
from enterprise_recsys.data.worlds import make_world
from enterprise_recsys.errors import RecsysError
from enterprise_recsys.trainer import ProductionTrainer

DIALS = {"epochs": 1, "ranker_epochs": 1, "embedding_dim": 8, "candidates": 20, "threads": 1}
FAST = [word for name, value in DIALS.items() for word in ("--set", f"{name}={value}")]


def recsys(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "enterprise_recsys", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )


def test_a_csv_log_is_prepared_learnt_measured_and_answered(tmp_path: Path) -> None:
    world = make_world(users=60, items=40, days=40, events_per_user=15)
    world.interactions.events.write_csv(tmp_path / "clicks.csv")
    world.interactions.items.with_columns(pl.col("item_tags").list.join("|")).write_csv(tmp_path / "items.csv")
    done = recsys("prepare", "--data", "clicks.csv", "--items", "items.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = recsys("train", "--data", "processed_data", "--out", "model", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = recsys("evaluate", "model", "--data", "processed_data", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "two_stage/NDCG@10" in json.loads(done.stdout)
    done = recsys("recommend", "model", "42", "-k", "3", "--field", "title", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert len(answer["recommendations"]) == 3 and answer["recommendations"][0]["title"]
    done = recsys("recommend", "model", "nobody", cwd=tmp_path)
    assert "popular items" in done.stdout and len(done.stdout.splitlines()) == 11


@pytest.fixture(scope="module")
def measured_in(trainer: ProductionTrainer, parts: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved model, a prepared log and a file of lists."""
    folder = tmp_path_factory.mktemp("measured")
    trainer.save(folder / "model")
    prepared.write({"train": parts.train.events, "val": parts.val.events, "test": parts.test.events}, folder / "log")
    users = parts.test.events["user_id"].unique().sort().to_list()
    trainer.recommend_many(users, 10, frame="polars").select("user_id", "item_id", "rank").write_csv(
        folder / "lists.csv"
    )
    return folder


def test_an_evaluation_writes_its_report_with_the_lists_of_a_file(measured_in: Path) -> None:
    report = measured_in / "report.html"
    words = ["evaluate", measured_in / "model", "--data", measured_in / "log", "--lists", measured_in / "lists.csv"]
    done = CliRunner().invoke(app, [*map(str, words), "-k", "5", "--json", "--report", str(report)])
    assert done.exit_code == 0, done.output
    told = json.loads(report.with_suffix(".json").read_text())
    assert told["figures"] == json.loads(done.stdout)
    assert {"two_stage/NDCG@5", "lists/NDCG@5", "ceiling/NDCG@5", "ranker/AUC"} <= set(told["figures"])
    assert told["provenance"]["configuration"]["embedding_dim"] == 16
    assert (measured_in / "report_plots" / "funnel.png").stat().st_size > 5000
    assert "The second stage" in report.read_text()


def test_a_comparison_says_which_is_better(measured_in: Path) -> None:
    words = ["compare", measured_in / "model", measured_in / "lists.csv", "--data", measured_in / "log"]
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    assert "lear difference between model" in done.stdout or "model is" in done.stdout
    shown = json.loads(CliRunner().invoke(app, [*map(str, words), "--json"]).stdout)
    assert {"model/NDCG@10", "lists/NDCG@10", "model-lists/NDCG@10/p"} <= set(shown)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluate", "model", "--data", "log", "--report", "report.pdf"], "should end in .html"),
        (["evaluate", "model", "--data", "log", "--plots", "pictures"], "--plots goes with --report"),
        (["evaluate", "model", "--data", "log", "--slice", "user_shoe"], "the feature 'user_shoe' is in neither table"),
        (["evaluate", "model", "--data", "log.csv"], "[duplicate] what is learnt and test: "),
        (["evaluate", "model", "--data", "log.csv", "--leaks", "allow"], "the test log holds no relevant event"),
        (["compare", "model", "--data", "log"], "two systems or more, got model"),
        (["compare", "model", "nowhere.csv", "--data", "log"], "nowhere.csv does not exist"),
        (["compare", "model", "empty.csv", "--data", "log"], "empty.csv is empty"),
        (["backtest", "--data", "log.csv", "--date", "2030-01-01"], "the part test holds no event"),
        (["evaluate", "model", "--data", "log.csv", "--column", "item_id=thing"], "thing"),
        (["evaluate", "model", "--data", "log", "--column", "a=item_id"], "leave --column and"),
    ],
)
def test_a_measurement_that_cannot_be_made_is_refused_in_a_sentence(
    words: list[str], told: str, measured_in: Path, parts: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured_in)
    Path("empty.csv").write_text("")
    parts.train.events.write_csv("log.csv")
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, RecsysError) and told in str(done.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--data", "nowhere.csv"), "nowhere.csv"),
        (("train", "--data", "empty.csv"), "empty.csv"),
        (("train", "--data", "world", "--set", "epochs"), "should be name=value"),
        (("train", "--data", "world", "--set", "epochz=3"), "did you mean 'epochs'"),
        (("train", "--data", "world", "--config", "nowhere.json"), "cannot be read as JSON"),
        (("prepare", "--data", "empty.csv"), "empty.csv is empty"),
        (("plan", "world", "--memory", "8"), "is no size; right is a number with m, g or t"),
        (("validate", "nowhere.csv", "--kind", "zip"), "should be name=value"),
        (("recommend", "nowhere", "42"), "train first"),
        (("serve", "nowhere"), "nowhere"),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_1(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    done = recsys(*words, cwd=tmp_path)
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr


COMMANDS = (
    "demo",
    "validate",
    "plan",
    "prepare",
    "train",
    "evaluate",
    "compare",
    "backtest",
    "recommend",
    "serve",
    "bench",
)


def test_help_names_every_command(tmp_path: Path) -> None:
    done = recsys("--help", cwd=tmp_path)
    assert all(word in done.stdout for word in (*COMMANDS, "recommend", "serve"))
