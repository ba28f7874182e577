"""Scoring candidates: processor time of the exported ranker by cross layer and precision, and what precision costs.

As in a ranker that is served, half of the columns are the user's, and told once a request.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one request is one thread's work
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.engine.calibration import Calibration  # noqa: E402
from enterprise_recsys.engine.runtime import Scorer  # noqa: E402
from enterprise_recsys.evaluation.predictions import area_under_curve  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.layers import export_onnx  # noqa: E402
from enterprise_recsys.ranking.losses import Goal  # noqa: E402
from enterprise_recsys.ranking.parted import Parted  # noqa: E402
from enterprise_recsys.ranking.rows import Inputs, RowNetwork, RowRanker  # noqa: E402
from enterprise_recsys.records import Columns, Doubles, Ints  # noqa: E402

NETWORKS = {"full rank": "dcn_v2", "low rank": "dcn_v2_low_rank"}
LEARNT = 20_000
"""Rows that the network learns from before it is measured, so that a loss of precision means something."""


class Made:
    """Rows of `categories` fields of 1,000 values and `numbers` numbers, whose label goes by pairs of them."""

    def __init__(self, size: int, chosen: argparse.Namespace, *, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.inputs = Inputs(
            {f"c{one}": 1001 for one in range(chosen.categories)}, {}, [f"n{one}" for one in range(chosen.numbers)]
        )
        self.own: Columns = {name: generator.integers(1, 1001, size) for name in self.inputs.categories}
        self.own |= {name: generator.normal(size=size).astype(np.float32) for name in self.inputs.numbers}
        numbers = np.stack([self.own[name] for name in self.inputs.numbers])
        logits = 2 * numbers[0] * numbers[1] + numbers[2] + (self.own["c0"] % 7 - 3) * 0.5
        self.labels: Doubles = (generator.random(size) < 1 / (1 + np.exp(-logits))).astype(np.float64)

    def __len__(self) -> int:
        return len(self.labels)

    def columns(self, places: Ints) -> Columns:
        """Some of the rows."""
        return {name: column[places] for name, column in self.own.items()}


class Exported(nn.Module):
    """A network as a ranker is exported: inputs in a fixed order, the user's told once, and two outputs."""

    def __init__(self, model: RowNetwork, items: list[str]) -> None:
        super().__init__()
        self.names = model.embedding.names
        self.model = Parted(model.embedding, model.network, model.heads, items)

    def forward(self, first: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and, in place of ratings, twice the logits."""
        logits = self.model(dict(zip(self.names, (first, *rest), strict=True))).squeeze(1)
        return logits, logits * 2.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach a little, export, score the candidates many times over, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--categories", type=int, default=20)
    parser.add_argument("--numbers", type=int, default=10)
    parser.add_argument("--dim", type=int, default=32, help="width of an embedding")
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train, test = Made(LEARNT, chosen, seed=0), Made(LEARNT, chosen, seed=1)
    lines = []
    for name, network in NETWORKS.items():
        with TemporaryDirectory() as folder:
            precise, small = exported(network, train, Path(folder), chosen)
            expected = precise.logits(test.own)[0]
            for precision, scorer in {"fp32": precise, "int8": small}.items():
                said = scorer.logits(test.own)[0]
                figures = {
                    **spent(scorer, request(test, chosen.candidates), chosen.times),
                    "AUC": area_under_curve(test.labels, said),
                    "off": float(np.abs(said - expected).max()),
                    "load": os.getloadavg()[0],
                }
                print(f"{name}, {precision}: " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
                lines += [line(f"{name}, {precision}", metric, value, chosen) for metric, value in figures.items()]
    if chosen.record:
        append(chosen.record, lines)


def exported(network: str, train: Made, folder: Path, chosen: argparse.Namespace) -> tuple[Scorer, Scorer]:
    """The network in single precision, and with its matrices in eight bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    config = ModelConfig(
        ranking_network=network,
        ranking_dim=chosen.dim,
        ranking_dims=(256, 128, 64),
        cross_layers=3,
        cross_rank=64,
        batch_size=1024,
    )
    ranker = RowRanker(train.inputs, config, {"click": Goal("ctr")})
    ranker.fit(train, {"click": train.labels}, validate=None, epochs=2)
    items = [name for name in ranker.model.embedding.names if is_of_item(name)]
    few = train.columns(np.arange(2))
    inputs = {name: torch.from_numpy(few[name]) for name in ranker.model.embedding.names}
    inputs |= {name: torch.stack([inputs[name]] * 3, dim=1) for name in items}
    free = dict.fromkeys(items, "places")
    export_onnx(Exported(ranker.model, items), inputs, ["logits", "ratings"], folder / "fp32.onnx", second=free)
    quantize_dynamic(folder / "fp32.onnx", folder / "int8.onnx", weight_type=QuantType.QInt8)
    paths = (folder / "fp32.onnx", folder / "int8.onnx")
    precise, small = (Scorer(path, threads=1, calibration=Calibration()) for path in paths)
    return precise, small


def is_of_item(name: str) -> bool:
    """Every second column is the item's, the others are the user's."""
    return int(name[1:]) % 2 == 1


def request(rows: Made, candidates: int) -> Columns:
    """The columns of some candidates, and those of one user."""
    columns = rows.columns(np.arange(candidates))
    return {name: column if is_of_item(name) else column[:1] for name, column in columns.items()}


def spent(scorer: Scorer, columns: Columns, times: int) -> dict[str, float]:
    """Milliseconds of processor time that a list of candidates takes, middle and 99th of a hundred."""
    for _ in range(10):
        scorer.score(columns)
    each = []
    for _ in range(times):
        start = time.process_time_ns()
        scorer.score(columns)
        each.append((time.process_time_ns() - start) / 1e6)
    return {"cpu_ms": float(np.median(each)), "p99_cpu_ms": float(np.quantile(each, 0.99))}


def line(system: str, metric: str, value: float, chosen: argparse.Namespace) -> ResultLine:
    """One figure as a result."""
    return ResultLine(
        protocol=f"scoring-{chosen.candidates}",
        system=system,
        stage="ranking",
        metric=metric,
        value=value,
        seed=0,
        threads=1,
        commit=commit(ROOT),
        command=f"python benchmarks/scoring.py --candidates {chosen.candidates} --categories {chosen.categories} "
        f"--numbers {chosen.numbers} --dim {chosen.dim}",
        machine=machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    main()
