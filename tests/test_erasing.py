"""A user erased from a saved model is in none of its files, decoded or raw, and the others' lists stay as they were."""

from pathlib import Path

import polars as pl
from typer.testing import CliRunner

from enterprise_recsys.cli import app
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.erasing import erase, known_users
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.state.sqlite import SqliteStore
from enterprise_recsys.trainer import ProductionTrainer

CANARIES = ("canary-0042", "canary-0007")


def saved(trainer: ProductionTrainer, folder: Path) -> Path:
    """The shared model with two of its users named so that they can be searched for."""
    recommender = trainer.recommender
    names = dict(zip(("42", "7"), CANARIES, strict=True))
    log = recommender.log
    events = log.events.with_columns(pl.col("user_id").replace(names))
    users = log.users.with_columns(pl.col("user_id").replace(names)) if log.users is not None else None
    other = Recommender(recommender.engine, type(log)(events, users))
    known = recommender.engine.processor.users
    try:
        recommender.engine.processor.users = Vocabulary(known.ids.replace(names))
        other.save(folder)
        other.save(folder)  # an older version lies beside the current one
    finally:
        recommender.engine.processor.users = known
    return folder


def traces(folder: Path, word: str) -> list[str]:
    """Files of any version that hold a word: tables by their cells, all others by their bytes."""
    found = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
            cells = [table[name] for name, kind in table.schema.items() if kind == pl.String]
            if any((column == word).any() for column in cells):
                found.append(path.name)
        elif path.is_file() and word.encode() in path.read_bytes():
            found.append(path.name)
    return found


def test_an_erased_user_is_in_no_file_and_others_are_answered_as_before(
    trainer: ProductionTrainer, tmp_path: Path
) -> None:
    folder = saved(trainer, tmp_path / "model")
    assert set(traces(folder, CANARIES[0])) == {"events.parquet", "users.parquet"}
    before = Recommender.load(folder)
    assert erase(folder, [CANARIES[0], "nobody"]) == [CANARIES[0]]
    assert traces(folder, CANARIES[0]) == [] and traces(folder, CANARIES[1])
    after = Recommender.load(folder)
    assert after.recommend(CANARIES[0]).fallback_level == 2 and CANARIES[0] not in known_users(folder)
    assert after.recommend("").fallback_level == 2, "no id leads to the row that is left"
    for user in (CANARIES[1], "111"):
        assert [item["item_id"] for item in after.recommend(user)] == [
            item["item_id"] for item in before.recommend(user)
        ]
    assert erase(folder, [CANARIES[0]]) == []


def test_the_command_erases_whom_the_store_has_erased(trainer: ProductionTrainer, tmp_path: Path) -> None:
    folder = saved(trainer, tmp_path / "model")
    store = SqliteStore(folder / "live", sync="normal")
    store.erase(CANARIES[0], 1).result()
    store.close()
    done = CliRunner().invoke(app, ["erase", str(folder), "--user", CANARIES[1]])
    assert done.exit_code == 0 and "2 users are gone from its files" in done.output
    assert not traces(folder, CANARIES[0]) and not traces(folder, CANARIES[1])
