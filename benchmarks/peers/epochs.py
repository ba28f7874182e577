"""What an epoch of training costs, and what the model says after it: run by `benchmarks/training.py`.

The clock stands still while the model answers. Imports nothing but numpy and what lies beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from measure import held_mb

Data = Mapping[str, np.ndarray]


class Enough(Exception):
    """Raised at the end of the last epoch that is wanted: every library's loop lets it through."""


class Epochs:
    """Seconds of each epoch, of the processor (user and system, all threads) and of the wall, and the answers after it.

    Args:
        budget_s: no epoch begins once the epochs before have taken as many seconds of the processor.
        most: nor after as many epochs.
    """

    def __init__(self, budget_s: float, most: int) -> None:
        self.budget_s, self.most = budget_s, most
        self.cpu_s: list[float] = []
        self.seconds: list[float] = []
        self.answers: list[np.ndarray] = []
        self.peak_mb = 0.0

    def begin(self) -> None:
        """Start the clock: the data are read and the model is made."""
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def end(self, answer: Callable[[], np.ndarray]) -> None:
        """Stop the clock, keep what the model answers, and start the clock again.

        Raises:
            Enough: that was the last epoch.
        """
        self.cpu_s.append(time.process_time() - self._cpu)
        self.seconds.append(time.perf_counter() - self._wall)
        self.peak_mb = self.peak_mb or held_mb()  # before the first answer, which may need more
        self.answers.append(np.asarray(answer()))
        if sum(self.cpu_s) >= self.budget_s or len(self.cpu_s) >= self.most:
            raise Enough
        self.begin()


def main(systems: Mapping[str, Callable[[Data, Epochs], None]]) -> None:
    """Train one system: name, file with the data, file for the answers, budget and epochs are the words of the call."""
    name, data, out, budget_s, most = sys.argv[1:]
    epochs = Epochs(float(budget_s), int(most))
    load = os.getloadavg()[0]
    try:
        with np.load(data) as file:
            systems[name]({key: file[key] for key in file.files}, epochs)
    except Enough:
        np.save(out, np.stack(epochs.answers))
    told = {"cpu_s": epochs.cpu_s, "seconds": epochs.seconds, "peak_mb": epochs.peak_mb, "load": load}
    print("\n" + json.dumps(told))
