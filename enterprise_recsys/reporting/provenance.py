"""What is needed to measure again: the machine, the versions, the commit, the day and the command."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from enterprise_recsys.evaluation import results

PACKAGES = ("enterprise_recsys", "numpy", "polars", "torch", "onnxruntime", "faiss-cpu", "scipy", "matplotlib")
"""Whose versions may move a figure or a picture."""


def made_here(command: str | None) -> dict[str, object]:
    """Name -> what is true of this run, of no user and no path.

    Args:
        command: what to type to have it again; None: it was called from Python.
    """
    held = {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}
    return {
        "command": command or "from Python",
        "machine": results.machine(),
        "commit": results.commit() or "unknown",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: value for name, value in held.items() if value is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
