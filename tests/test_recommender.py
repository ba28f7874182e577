"""A saved model is read whole or refused."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enterprise_recsys import ArtifactError
from enterprise_recsys.engine.neighbours import HALF_LIFE, Neighbours, Related
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.saving import load, save
from enterprise_recsys.trainer import ProductionTrainer


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no folder; train first"):
        Recommender.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["encoder.onnx", "index.faiss", "vectors.safetensors", "items.parquet", "config.json"])
def test_a_damaged_file_is_refused_by_name(trainer: ProductionTrainer, tmp_path: Path, name: str) -> None:
    trainer.save(tmp_path)
    path = next((tmp_path / "model").glob(f"v-*/{name}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=name):
        Recommender.load(tmp_path)


@pytest.mark.parametrize("follows", [False, True])
def test_followers_are_kept_where_there_are_any(trainer: ProductionTrainer, tmp_path: Path, follows: bool) -> None:
    engine = trainer.recommender.engine
    near, size = engine.related.neighbours, len(engine.vectors)
    soon = Neighbours.of(near.rows[:, :3], near.weights[:, :3], HALF_LIFE) if follows else Neighbours.none(size)
    save(tmp_path, replace(engine, related=Related(near, soon)), trainer.recommender.log)
    found = load(tmp_path, threads=1)[0].related
    assert found.follows == follows and np.array_equal(found.neighbours.rows, near.rows)
    assert np.array_equal(found.followers.rows, soon.rows) and np.array_equal(found.followers.weights, soon.weights)
    assert found.followers.half_life == soon.half_life


def test_a_half_written_folder_is_refused(trainer: ProductionTrainer, tmp_path: Path) -> None:
    trainer.save(tmp_path)
    (tmp_path / "model" / "CURRENT").unlink()
    with pytest.raises(ArtifactError):
        Recommender.load(tmp_path)


def test_no_history_stands_in_the_model_and_no_pickle_anywhere(trainer: ProductionTrainer, tmp_path: Path) -> None:
    trainer.save(tmp_path)
    endings = {path.suffix for path in tmp_path.rglob("*") if path.is_file() and path.name != "CURRENT"}
    assert endings == {".json", ".parquet", ".safetensors", ".faiss", ".onnx"}
    assert not list((tmp_path / "model").rglob("events*"))


def test_all_files_may_be_read_by_the_same_people(trainer: ProductionTrainer, tmp_path: Path) -> None:
    trainer.save(tmp_path)  # and is mounted into a container, which is another user
    assert len({path.stat().st_mode for path in tmp_path.rglob("*") if path.is_file()}) == 1


def test_answering_needs_no_training_framework(trainer: ProductionTrainer, tmp_path: Path) -> None:
    trainer.save(tmp_path)
    lines = (
        "import sys; from enterprise_recsys.recommender import Recommender; "
        f"print(len(Recommender.load({str(tmp_path)!r}).recommend('42', 5)), "
        "[name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "5 []"
