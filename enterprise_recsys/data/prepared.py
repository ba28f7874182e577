"""The prepared log on disk: a folder of Parquet, or a pickle of pandas frames, with the parts train, val and test."""

from __future__ import annotations

import os
import pickle
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import Split
from enterprise_recsys.errors import DataError, MissingExtraError

PARTS = ("train", "val", "test")


def write(frames: Mapping[str, pl.DataFrame], out: Path) -> None:
    """Write the parts whole or not at all: to a `.pkl` file (a dict of pandas frames), else to a folder of Parquet.

    Our own code never reads the pickle; it is for notebooks. The folder is what `recsys train` takes.

    Raises:
        DataError: `out` is a folder that holds something else.
        MissingExtraError: a `.pkl` is asked for and pandas is not installed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = out.parent / f".{out.name}-{uuid.uuid4().hex[:8]}"
    if out.suffix == ".pkl":
        try:
            tables = {name: frame.to_pandas() for name, frame in frames.items()}
        except ImportError as error:
            raise MissingExtraError("a .pkl holds pandas frames: pip install 'enterprise_recsys[train]'.") from error
        staged.write_bytes(pickle.dumps(tables, protocol=4))
        os.replace(staged, out)
        return
    if out.exists() and not is_prepared(out):
        raise DataError(f"{out} exists and is no prepared folder; name another one, or remove it first.")
    staged.mkdir()
    try:
        for name, frame in frames.items():
            frame.write_parquet(staged / f"{name}.parquet")
        if out.exists():
            shutil.rmtree(out)
        os.replace(staged, out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds the three parts."""
    return folder.is_dir() and all((folder / f"{part}.parquet").is_file() for part in PARTS)


def read(folder: Path) -> Split:
    """The three parts of a prepared folder."""
    logs = {part: to_interactions(pl.read_parquet(folder / f"{part}.parquet"), name=str(folder)) for part in PARTS}
    return Split(logs["train"], logs["val"], logs["test"])
