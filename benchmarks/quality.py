"""Measure the quality of lists again: the demo's sets, and with `--baselines` the simple methods on every protocol."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from enterprise_recsys.data.sources import find  # noqa: E402
from enterprise_recsys.demo import PROTOCOLS  # noqa: E402
from enterprise_recsys.errors import DataError  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"

LISTS = ("popularity", "item_knn", "item_knn_bm25", "ease", "edlae", "ials")
BASELINES: dict[str, Sequence[str]] = {
    "movielens1m_m1": (*LISTS, "bpr"),
    "ml100k-random75": (*LISTS, "bpr"),
    "ml1m-loo": LISTS,
    "ml1m-temporal90": (*LISTS, "recent_popularity"),
    "ml1m-global-time": (*LISTS, "recent_popularity", "lightgbm"),
    "ml100k-global-time": (*LISTS, "recent_popularity", "lightgbm"),
    "frappe-context": (*LISTS, "repeats", "lightgbm"),
    "strong-generalisation": LISTS,
    "lastfm-random80": LISTS,
    "ml1m-rating-random90": ("bias", "lightgbm"),
    "ml1m-ctr-temporal": ("logistic", "lightgbm"),
    "ml1m-ctr-random": ("logistic", "lightgbm"),
    "video-loo": ("popularity", "item_knn", "item_knn_bm25", "ials"),
    "video-random80": ("popularity", "item_knn", "item_knn_bm25", "ials", "ease"),
}
"""Protocol -> the systems that are run on it."""

TRIALS: dict[str, int] = {
    "frappe-context": 4,
    "ml1m-ctr-random": 0,
    "ml1m-ctr-temporal": 6,
    "ml1m-rating-random90": 0,
    "strong-generalisation": 6,
    "lastfm-random80": 6,
    "video-loo": 3,
    "video-random80": 3,
}
"""Settings that each search of a protocol tries where the usual 12 take too long on two cores; 0: the defaults."""


def main(arguments: Sequence[str] | None = None) -> None:
    """One process a figure, so that peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baselines", action="store_true", help="the baselines on the published protocols; hours")
    parser.add_argument("--protocol", action="append", choices=BASELINES, help="of the baselines only this; repeatable")
    chosen = parser.parse_args(arguments)
    if chosen.baselines or chosen.protocol:
        for protocol in chosen.protocol or BASELINES:
            trials = ["--trials", str(TRIALS[protocol])] if protocol in TRIALS else []
            for system in BASELINES[protocol]:
                words = ["bench", "quality", "--protocol", protocol, "--system", system, *trials]
                _recsys(protocol, *words, check=False)
        return
    for data, protocol in PROTOCOLS.items():
        try:
            if data != "world":
                find(data, None)
        except DataError as error:
            print(f"{protocol}: left out, {error}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            _recsys(protocol, "demo", "--data", data, "--out", f"{folder}/artifact", check=True)


def _recsys(protocol: str, *words: str, check: bool) -> None:
    """Run a command and append its figures; one whose data is not at hand says so and is left out."""
    command = [sys.executable, "-m", "enterprise_recsys", *words, "--record", str(RESULTS / f"{protocol}.jsonl")]
    subprocess.run(command, check=check)


if __name__ == "__main__":
    main()
