"""A system that is measured runs in a process of its own, and a peer in an environment of its own beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
OURS = "ours"
"""Systems whose name begins so run in the environment that measures."""


def environment(name: str, folder: Path) -> Path:
    """The python of an environment with one peer in it, made from its frozen requirements the first time."""
    if name.startswith(OURS):
        return Path(sys.executable)
    python = folder / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(PEERS / f"{name}.txt")]
        subprocess.run(install, check=True)
    return python


def answer_of(python: Path, script: str, name: str, arguments: Sequence[str], *, threads: int) -> dict[str, object]:
    """The line of JSON with which a script of `peers` ends, run on its own for one system.

    Raises:
        SystemExit: the script failed; with what it said.
    """
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    limits |= {"POLARS_MAX_THREADS": str(threads), "PYTHONPATH": str(ROOT) if name.startswith(OURS) else ""}
    command = [str(python), "-W", "ignore", str(PEERS / script), name, *arguments]
    answer = subprocess.run(command, env={**os.environ, **limits}, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{script} {name} failed:\n{answer.stderr[-2000:]}")
    found: dict[str, object] = json.loads(answer.stdout.splitlines()[-1])
    return found
