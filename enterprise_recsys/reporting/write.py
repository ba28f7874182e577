"""A report on disk: the page, the JSON and the plots, each written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.detail import Detail
from enterprise_recsys.reporting.content import Content, content_of
from enterprise_recsys.reporting.page import page
from enterprise_recsys.reporting.plots import plots_of


def write_report(
    detail: Detail, path: Path, *, title: str, provenance: Mapping[str, object], plots: Path | None = None
) -> Content:
    """Write `report.html`, `report.json` beside it, and the plots as PNG in the folder `report_plots`.

    All is made before anything is put in its place, the page last, and a failure brings back what was there.

    Args:
        detail: what was measured.
        path: of the page; ends in .html.
        title: of the page.
        provenance: see `content_of`.
        plots: another folder for the plots. One that exists must hold nothing but PNG files.

    Raises:
        DataError: the path does not end in .html, or the folder for plots holds something else.
        MissingExtraError: the extra `report` is not installed.
    """
    folder = plots or path.with_name(f"{path.stem}_plots")
    check_target(path, folder)
    content = content_of(detail, title=title, provenance=provenance)
    pictures = plots_of(content)
    text = page(content, pictures)
    mark = uuid.uuid4().hex[:8]
    path.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = folder.with_name(f".{folder.name}-{mark}")
    try:
        staged.mkdir()
        for plot in pictures:
            (staged / f"{plot.name}.png").write_bytes(plot.png)
        answer = json.dumps(finite(content.to_json()), ensure_ascii=False, indent=1, allow_nan=False, default=str)
        ready = [(_staged(path.with_suffix(".json"), answer, mark), path.with_suffix(".json"))]
        ready.append((_staged(path, text, mark), path))
        _put([(staged, folder), *ready], mark)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        for target in (path, path.with_suffix(".json")):
            target.with_name(f".{target.name}-{mark}").unlink(missing_ok=True)
    return content


def check_target(path: Path, plots: Path | None = None) -> None:
    """See that a report can be written there, before anything long begins.

    Raises:
        DataError: it cannot.
    """
    if path.suffix != ".html":
        raise DataError(f"a report is a page: {path} should end in .html; the JSON is written beside it.")
    folder = plots or path.with_name(f"{path.stem}_plots")
    if folder.exists() and (not folder.is_dir() or any(one.suffix != ".png" for one in folder.iterdir())):
        raise DataError(f"{folder} holds something else than plots and would be replaced; name another folder.")


def _put(ready: Sequence[tuple[Path, Path]], mark: str) -> None:
    """Move each new thing to its place; if one cannot be moved, what stood there before comes back everywhere."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for staged, target in ready:
            old = target.with_name(f".{target.name}-{mark}-old") if target.exists() else None
            if old is not None:
                os.replace(target, old)
            done.append((target, old))
            os.replace(staged, target)
    except OSError:
        for target, old in reversed(done):
            _remove(target)
            if old is not None:
                old.rename(target)
        raise
    for _, old in done:
        if old is not None:
            _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _staged(target: Path, text: str, mark: str) -> Path:
    staged = target.with_name(f".{target.name}-{mark}")
    staged.write_text(text, encoding="utf-8")
    return staged


def finite(value: object) -> object:
    """The same plain data with null where a number is NaN or infinite: JSON has no word for those.

    >>> finite({"a": [float("nan"), 1.5]})
    {'a': [None, 1.5]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value
