"""The command line: the whole way on files, and faults as one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.data.worlds import World

FAST = ["--set", "epochs=1", "--set", "ranker_epochs=1", "--set", "embedding_dim=8", "--set", "candidates=30"]


def recsys(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "enterprise_recsys", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )


def test_a_csv_log_is_prepared_learnt_measured_and_answered(world: World, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--data", "nowhere.csv"), "nowhere.csv"),
        (("train", "--data", "empty.csv"), "empty.csv"),
        (("train", "--data", "world", "--set", "epochs"), "should be name=value"),
        (("train", "--data", "world", "--set", "epochz=3"), "did you mean 'epochs'"),
        (("train", "--data", "world", "--config", "nowhere.json"), "cannot be read as JSON"),
        (("recommend", "nowhere", "42"), "train first"),
        (("serve", "nowhere"), "nowhere"),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_1(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    done = recsys(*words, cwd=tmp_path)
    assert done.returncode == 1 and told in done.stderr and "Traceback" not in done.stderr


def test_help_names_every_command(tmp_path: Path) -> None:
    done = recsys("--help", cwd=tmp_path)
    assert all(word in done.stdout for word in ("demo", "prepare", "train", "evaluate", "recommend", "serve", "bench"))
