"""Whole answers over HTTP: processor time a request, latency and throughput, by catalogue size and workers.

The load generator runs on the same machine, and takes its share of it (`generator cpu_ms`). The primary figure is the
service's own processor time (all workers, writers, the parent) a request, from /proc: on a shared machine it
says more than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one request is one thread's work
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed
sys.path.insert(0, str(ROOT / "benchmarks"))

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from load import Load, closed, opened  # noqa: E402

from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.systems import HISTORIES  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
USERS = 2_000
OTHERS = 100
"""Candidates that neighbours and trends add to those of the towers."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train or take an artifact, serve it with each number of workers, ask, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=3_000, help="of the made world")
    parser.add_argument(
        "--artifact", type=Path, help="a folder that was saved before; made and kept where it is not there"
    )
    parser.add_argument("--history", choices=HISTORIES, default="fold_in", help="of the user tower")
    parser.add_argument("--candidates", type=int, default=300, help="that are ranked for an answer, 101 or more")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument(
        "--rate", type=float, default=500.0, help="requests a second, open loop, beside 70 %% of what it can do"
    )
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--peer", action="store_true", help="instead: a plain PyTorch, FAISS and FastAPI service")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        artifact = chosen.artifact or Path(folder) / "artifact"
        if not artifact.exists():
            train(chosen.items, artifact, history=chosen.history, candidates=chosen.candidates)
        users = known_users(artifact)
        tower = {} if chosen.peer else {**tower_cost(artifact, users), **index_recall(artifact, users)}
        for workers in chosen.workers:
            figures = {**measured(artifact, users, workers, chosen), **tower}
            whose = "PyTorch + FAISS + FastAPI" if chosen.peer else "ours"
            system = f"{whose}, {chosen.history}, {chosen.candidates} candidates, {workers} workers"
            print(system, json.dumps({name: round(value, 3) for name, value in figures.items()}), flush=True)
            if chosen.record:
                append(chosen.record, [line(system, *one, chosen) for one in figures.items()])


def train(items: int, folder: Path, *, history: str = "fold_in", candidates: int = 300) -> None:
    """One epoch of each stage on a made world: enough for the cost, not for the quality.

    Args:
        items: of the world.
        folder: where the artifact goes.
        history: of the user tower; the default of the package, 'auto', would try two and take one.
        candidates: of all sources; neighbours and trends keep their hundred.
    """
    from enterprise_recsys import ModelConfig
    from enterprise_recsys.data.worlds import make_world
    from enterprise_recsys.trainer import ProductionTrainer

    users = min(max(items // 8, 3_000), 20_000)  # what an answer costs goes by the items
    log = make_world(users=users, items=items, days=60, events_per_user=20).interactions
    # Each step goes over the whole table of ids, each of the ranker's lists over all vectors: with a million of them
    # few large steps are taken, and few lists.
    batch, share = (8_192, 0.03) if items >= 500_000 else (1_024, 0.2)
    config = ModelConfig(
        epochs=1,
        ranker_epochs=1,
        refit=False,
        threads=1,
        history=history,
        temperature=0.12,
        candidates=candidates - OTHERS,
        batch_size=batch,
        ranker_slice=share,
    )
    ProductionTrainer(config, progress=False).fit(log).save(folder)


def known_users(artifact: Path) -> list[str]:
    """Users of the log, by lot but the same each time."""
    state = artifact / "state"
    events = pl.read_parquet(state / (state / "CURRENT").read_text().strip() / "events.parquet")
    users = events["user_id"].unique().sort()
    return users.sample(min(USERS, len(users)), seed=0, shuffle=True).to_list()


def measured(artifact: Path, users: Sequence[str], workers: int, chosen: argparse.Namespace) -> dict[str, float]:
    """All figures of one configuration, in one run of the service."""
    asked = [message(user, chosen.k) for user in users]
    with served(artifact, workers, peer=chosen.peer) as (port, process, ready_s):
        closed(port, asked, 2, 2.0)  # warm
        first = closed(port, asked, 1, chosen.seconds)
        full, costs = costed(process.pid, lambda: closed(port, asked, 4 * workers, chosen.seconds))
        capacity = len(full.seconds) / full.span_s
        opens, failures = {}, failed(first, full)
        for name, rate in (("70 %", 0.7 * capacity), (f"{chosen.rate:g}/s", chosen.rate)):
            steady, cost = costed(process.pid, lambda rate=rate: opened(port, asked, rate, chosen.seconds))
            opens |= {f"open p50_ms at {name}": steady.quantile(0.5), f"open p99_ms at {name}": steady.quantile(0.99)}
            opens[f"open cpu_ms at {name}"] = cost["cpu_ms"]
            failures += failed(steady)
        stages = {} if chosen.peer else stage_times(port)
        memory = max(resident(pid) for pid in family(process.pid))
    return {
        **costs,
        "p50_ms, 1 connection": first.quantile(0.5),
        "p99_ms, 1 connection": first.quantile(0.99),
        "requests/s": capacity,
        "p99_ms, full": full.quantile(0.99),
        **opens,
        "failed": float(failures),
        "MB a worker": memory,
        "ready_s": ready_s,
        **stages,
        "load average": os.getloadavg()[0],
    }


def costed(pid: int, run: Callable[[], Load]) -> tuple[Load, dict[str, float]]:
    """A load, and what each request of it cost: the service, the load generator, and the busiest process's share."""
    before, own = {one: spent_by(one) for one in family(pid)}, time.process_time()
    load = run()
    spent = [spent_by(one) - before.get(one, 0.0) for one in family(pid)]
    each = 1000 / max(len(load.seconds), 1)
    return load, {
        "cpu_ms": each * sum(spent),
        "generator cpu_ms": each * (time.process_time() - own),
        "busiest worker's share": max(spent) / max(sum(spent), 1e-9),
    }


def index_recall(artifact: Path, users: Sequence[str], k: int = 100) -> dict[str, float]:
    """Of the k nearest items of users by exact search over the learnt vectors, the share that the index finds."""
    from enterprise_recsys.recommender import Recommender

    recommender = Recommender.load(artifact)
    engine, now = recommender.engine, time.time_ns() // 1000
    requests = [recommender.state.of_one(user, now) for user in users[:200]]
    queries = np.concatenate([engine.encoder.encode(one.columns, one.history) for one in requests])
    nobody = np.zeros(len(queries) + 1, dtype=np.int64)
    found = engine.index.search(queries, k, nobody, nobody[:0]).rows
    hits = []
    for query, rows in zip(queries, found, strict=True):  # one at a time: a million scores are 4 MB
        near = engine.vectors[1:] @ query
        hits.append(len(np.intersect1d(np.argpartition(-near, k)[:k] + 1, rows)) / k)
    return {f"index recall@{k}": float(np.mean(hits))}


def tower_cost(artifact: Path, users: Sequence[str]) -> dict[str, float]:
    """Milliseconds of processor time of the user tower alone, in this process: for these users, and for a full past."""
    from enterprise_recsys.recommender import Recommender

    recommender = Recommender.load(artifact)
    now, draw = time.time_ns() // 1000, np.random.default_rng(0)
    requests = [recommender.state.of_one(user, now) for user in users[:500]]
    full = draw.integers(1, recommender.n_items + 1, (len(requests), recommender.state.length))
    pasts = {"tower cpu_ms": [one.history for one in requests], "tower cpu_ms, full past": list(full[:, None, :])}
    spent: dict[str, list[float]] = {name: [] for name in pasts}
    for name in [*pasts] * 3:
        begun = time.process_time()
        for request, past in zip(requests, pasts[name], strict=True):
            recommender.engine.encoder.encode(request.columns, past)
        spent[name].append(1000 * (time.process_time() - begun) / len(requests))
    known = [int((one.history > 0).sum()) for one in requests]
    return {**{name: min(each) for name, each in spent.items()}, "past items a user": float(np.mean(known))}


def failed(*loads: Load) -> int:
    """Requests that were not answered with 200."""
    return sum(load.failed for load in loads)


def message(user: str, k: int) -> bytes:
    """One request as it goes over the wire."""
    body = json.dumps({"user_id": user, "k": k, "surface": "home"}).encode()
    told = ["POST /v1/recommend HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*told, "", ""]).encode() + body


@contextmanager
def served(artifact: Path, workers: int, *, peer: bool) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """A service of its own: port, process, seconds from its start to its being ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "RECSYS_OPEN": "1", "RECSYS_STATE": state, "RECSYS_ARTIFACT": str(artifact)}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
        )
        ours = ["enterprise_recsys", "serve", str(artifact), "--port", str(port), "--workers", str(workers)]
        theirs = ["uvicorn", "peers.plain_service:app", "--port", str(port), "--workers", str(workers)]
        theirs += ["--no-access-log", "--log-level", "warning"]
        begun = time.perf_counter()
        command = [sys.executable, "-m", *(theirs if peer else ours)]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            yield port, process, time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the service is ready.

    Raises:
        RuntimeError: it ended, or is not ready after two minutes.
    """
    for _ in range(12_000):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2).close()
            return
        except OSError:
            time.sleep(0.01)
        if process.poll() is not None:
            break
    raise RuntimeError("the service did not start")


def family(pid: int) -> list[int]:
    """A process and those below it."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += family(int(path.parent.name))
    return found


def spent_by(pid: int) -> float:
    """Seconds of processor time, user and system, of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> float:
    """Resident memory in 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((1024 * int(text.split()[1]) / 1e6 for text in lines if text.startswith("VmRSS:")), 0.0)


def stage_times(port: int) -> dict[str, float]:
    """Mean milliseconds of each stage as the service counts them; nothing without prometheus-client."""
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    except OSError:
        return {}
    told = dict(row.rsplit(" ", 1) for row in text.splitlines() if row.startswith("recsys_stage_seconds_"))
    named = {one.split('"')[1] for one in told if "_sum" in one}
    sums = {one: float(told[f'recsys_stage_seconds_sum{{stage="{one}"}}']) for one in named}
    counts = {one: float(told[f'recsys_stage_seconds_count{{stage="{one}"}}']) for one in named}
    return {f"{one} ms": 1000 * sums[one] / counts[one] for one in sorted(named)}


def line(system: str, metric: str, value: float, chosen: argparse.Namespace) -> ResultLine:
    """One figure as a result."""
    return ResultLine(
        protocol=f"serving-{chosen.items}",
        system=system,
        stage="serve",
        metric=metric,
        value=value,
        seed=0,
        threads=1,
        commit=commit(ROOT),
        command=f"python benchmarks/serving.py --items {chosen.items}"
        + (f" --history {chosen.history}" if chosen.history != "fold_in" else "")
        + (f" --candidates {chosen.candidates}" if chosen.candidates != OTHERS + 200 else "")
        + (" --peer" if chosen.peer else ""),
        machine=machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    main()
