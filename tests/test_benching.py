"""`recsys bench quality`: figures beside the published ones, lines on record, faults in a sentence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from enterprise_recsys import benching
from enterprise_recsys.benching import Order, bench, contest, published_lines
from enterprise_recsys.cli import app
from enterprise_recsys.commands.options import dials_of
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.results import read, summarise
from enterprise_recsys.protocols.table import PROTOCOLS
from enterprise_recsys.protocols.tasks import Dials, Encoded, ListTask, Predictions, Protocol, Published, RowTask
from enterprise_recsys.systems import SYSTEMS, ours
from tests.protocols.worlds import blocks_task, stars_task

PUBLISHED = (Published("best", {"HR@1": 0.9}, "a paper"), Published("again", {"HR@1": 0.8}, "a rerun", is_rerun=True))


def made(data: Path | None, seed: int) -> ListTask:
    return replace(blocks_task(users=30 + seed), checksum=f"made{seed}")


@pytest.fixture(autouse=True)
def _protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    table: Mapping[str, Protocol] = {
        "made": Protocol(made, ("HR@1", "Coverage@1"), PUBLISHED),
        "stars": Protocol(lambda data, seed: stars_task(None, seed=seed), ("RMSE",), seeds=2),
    }
    monkeypatch.setattr(benching, "PROTOCOLS", table)


def test_the_figures_stand_beside_the_published_ones(tmp_path: Path) -> None:
    record = tmp_path / "made.jsonl"
    lines = list(bench(Order("made", "ease", seeds=2, trials=3), record=record))
    assert lines[0].startswith("seed 0: targets made0, ridge=") or "default dials" in lines[0]
    told = "\n".join(lines)
    assert "ease (retrieval)  1.0000 [1.0000, 1.0000]" in told
    assert "best (published)                   0.9000" in told and "again (rerun)" in told
    assert "  best: a paper" in told
    found = read(tmp_path)
    assert {(line.system, line.metric, line.seed) for line in found} == {
        ("ease", "HR@1", 0),
        ("ease", "HR@1", 1),
        ("ease", "Coverage@1", 0),
        ("ease", "Coverage@1", 1),
        ("published:best", "HR@1", None),
    }
    assert not any(line.summary for line in found), "each seed has other users, and there is no interval over both"
    mine = next(line for line in found if line.system == "ease")
    assert mine.command == "recsys bench quality --protocol made --system ease --seeds 2 --trials 3"
    assert mine.split_checksum == "made0" and mine.stage == "retrieval" and mine.low == 1.0 and mine.config_hash
    list(bench(Order("made", "popularity", trials=0), record=record))
    assert sum(line.system == "published:best" for line in read(tmp_path)) == 1, "told once"


def test_several_seeds_of_one_split_have_an_interval_over_seeds_and_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benching, "PROTOCOLS", {"same": Protocol(lambda data, seed: blocks_task(users=60), ("HR@1",))})
    order = Order("same", "bpr", seeds=3, dials={"epochs": 1, "learning_rate": 0.003})
    told = list(bench(order, record=tmp_path / "same.jsonl"))
    found = read(tmp_path)
    (summary,) = (line for line in found if line.summary)
    seeds = [line for line in found if line.seed is not None]
    assert (summary.seeds, summary.seed, summary.metric) == (3, None, "HR@1")
    assert summary.value == pytest.approx(sum(line.value or 0.0 for line in seeds) / 3)
    low, high = summary.low or 0.0, summary.high or 0.0
    assert low < (summary.value or 0.0) < high
    # Users alone: 60 of them with the same chance.
    assert high - low > 0.8 * min((line.high or 0.0) - (line.low or 0.0) for line in seeds)
    assert f"{summary.value:.4f} [{low:.4f}, {high:.4f}]" in "\n".join(told)


def test_predictions_are_measured_for_as_many_seeds_as_the_protocol_asks() -> None:
    lines = list(bench(Order("stars", "bias", trials=0)))
    assert [line[:7] for line in lines[:2]] == ["seed 0:", "seed 1:"] and "bias (ranking)" in "\n".join(lines)


def test_the_command_line_prints_the_table_and_takes_dials() -> None:
    words = ["bench", "quality", "--protocol", "made", "--system", "ease", "--set", "ridge=2.5"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0 and "ridge=2.5" in done.stdout and "ease (retrieval)" in done.stdout


def test_a_network_for_predictions_is_chosen_by_its_name() -> None:
    words = ["bench", "quality", "--protocol", "stars", "--system", "ours", "--seeds", "1"]
    dials = ["ranking_network=mlp", "ranking_dims=[8]", "epochs=1", "past=0"]
    done = CliRunner().invoke(
        app, [*words, *(part for one in dials for part in ("--set", one))], catch_exceptions=False
    )
    assert "ranking_network=mlp, ranking_dims=[8], epochs=1, past=0, epoch=1" in done.stdout
    with pytest.raises(ConfigError, match="ranking_network='mlq' is unknown; did you mean 'mlp'"):
        CliRunner().invoke(app, [*words, "--set", "ranking_network=mlq"], catch_exceptions=False)


def test_several_systems_are_compared_pair_by_pair(tmp_path: Path) -> None:
    words = ["bench", "quality", "--protocol", "made", "--seeds", "1", "--trials", "0"]
    words += ["--record", str(tmp_path / "made.jsonl")]
    systems = ["--system", "ease", "--system", "popularity", "--system", "edlae"]
    done = CliRunner().invoke(app, [*words, *systems], catch_exceptions=False)
    told = done.stdout.splitlines()[-3:]
    assert told[0].startswith("ease is better than popularity in HR@1 by ") and "p = 0.001" in told[0]
    assert told[1].startswith("no clear difference between ease and edlae in HR@1: +0.0000")
    assert told[2].startswith("popularity is worse than edlae in HR@1 by ")
    lines = {line.system: line for line in read(tmp_path)}
    pair, one = lines["ease - popularity"], lines["popularity"]
    assert (pair.stage, pair.metric, pair.summary) == ("retrieval", "HR@1", True) and pair.low is not None
    gaps = [line.value or 0.0 for name, line in lines.items() if " - " in name]
    assert one.protocol == pair.protocol and gaps[0] == pytest.approx(gaps[1] - gaps[2])
    assert pair.command is not None and "--system ease --system popularity --system edlae" in pair.command


def test_predictions_are_compared_on_the_same_users_by_each_metric_and_put_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guess(task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
        return Predictions(np.full(len(task.test.events), 0.5))

    monkeypatch.setitem(benching.PREDICTORS, "guess", guess)
    likes = Protocol(lambda data, seed: stars_task(3.0, seed=seed), ("AUC", "LogLoss", "ECE"))
    monkeypatch.setattr(benching, "PROTOCOLS", {"likes": likes})
    words = ["bench", "quality", "--protocol", "likes", "--seeds", "2", "--trials", "0"]
    record = tmp_path / "likes.jsonl"
    systems = ["--system", "guess", "--system", "logistic", "--set", "logistic.ridge=2.5", "--record", str(record)]
    told = CliRunner().invoke(app, [*words, *systems], catch_exceptions=False).stdout.splitlines()
    assert [line[:42] for line in told if "guess is" in line] == [
        "guess is worse than logistic in AUC by 0.4",
        "guess is worse than logistic in LogLoss by",
    ]
    lines = read(tmp_path)
    pairs = {line.metric: line for line in lines if " - " in line.system}
    assert list(pairs) == ["AUC", "LogLoss"] and {line.system for line in pairs.values()} == {"guess - logistic"}
    losses = {line.system: line.value or 0.0 for line in summarise(lines) if line.metric == "LogLoss"}
    assert pairs["LogLoss"].value == pytest.approx(losses["guess"] - losses["logistic"])
    assert 0 < (pairs["LogLoss"].low or 0.0) < losses["guess"] - losses["logistic"] < (pairs["LogLoss"].high or 0.0)
    assert pairs["AUC"].summary and pairs["AUC"].seeds == 2
    chosen = "--system guess --system logistic --set logistic.ridge=2.5"
    assert pairs["AUC"].command == " ".join(["recsys", *words[:4], chosen, *words[4:]])
    assert any(line.startswith("seed 1: targets made, ridge=2.5, ") for line in told)


def test_the_command_can_be_typed_again() -> None:
    order = Order("made", "ease", dials={"ridge": 2.5}, data=Path("/somewhere/files"))
    assert order.command == "recsys bench quality --protocol made --system ease --data files --set ridge=2.5"
    order = Order("stars", "ours", dials={"ranking_network": "mlp", "ranking_dims": [16, 8], "refit": False, "past": 0})
    words = shlex.split(order.command)
    told = [word for before, word in pairwise(words) if before == "--set"]
    assert told == ["ranking_network=mlp", "ranking_dims=[16,8]", "refit=false", "past=0"]
    assert dials_of(told) == order.dials


def test_faults_are_told() -> None:
    with pytest.raises(ConfigError, match="protocol='mede' is unknown; did you mean 'made'"):
        next(bench(Order("mede", "ease")))
    with pytest.raises(ConfigError, match="system='eaze' is unknown; did you mean 'ease'"):
        next(bench(Order("made", "eaze")))
    with pytest.raises(ConfigError, match="system='ease' is unknown; .*bias"):
        next(bench(Order("stars", "ease")))
    with pytest.raises(ConfigError, match="seeds=0 is out of range"):
        next(bench(Order("made", "ease", seeds=0)))
    with pytest.raises(ConfigError, match="--set 'ridge' is wrong: it should be name=value"):
        words = ["bench", "quality", "--protocol", "made", "--system", "ease", "--set", "ridge"]
        CliRunner().invoke(app, words, catch_exceptions=False)
    for dial in ("ridge=3", "ials.ridge=3"):
        with pytest.raises(
            ConfigError, match=f"--set {dial[:-2]} is of none of the systems ease, edlae; .*ease.ridge=3"
        ):
            words = ["bench", "quality", "--protocol", "made", "--system", "ease", "--system", "edlae", "--set", dial]
            CliRunner().invoke(app, words, catch_exceptions=False)
    with pytest.raises(ConfigError, match="ease has no dial 'width'; it has: ridge"):
        list(bench(Order("made", "ease", dials={"width": 3})))
    with pytest.raises(ConfigError, match="popularity has no dial 'width'; it has: none"):
        list(bench(Order("made", "popularity", dials={"width": 3})))
    with pytest.raises(ConfigError, match="ridge='high' is wrong: the dials of ease are numbers, such as ridge=3"):
        list(bench(Order("made", "ease", dials={"ridge": "high"})))
    with pytest.raises(ConfigError, match="ridge_users=True is wrong: the dials of bias are numbers"):
        list(bench(Order("stars", "bias", dials={"ridge_users": True})))
    with pytest.raises(ConfigError, match="lightgbm has no dial 'depth'; it has: leaves, learning_rate, rounds, least"):
        list(bench(Order("stars", "lightgbm", dials={"depth": 3})))


FAST = {
    "epochs": 30,
    "patience": 10,
    "ranker_epochs": 2,
    "embedding_dim": 16,
    "candidates": 10,
    "learning_rate": 0.01,
    "threads": 1,
}


def test_ours_answers_where_the_data_has_no_times() -> None:
    task = blocks_task(has_times=False)
    stages = ours(task, metric="HR@1", seed=0, trials=0, dials=FAST).stages
    truth = Encoded.of(task.judge, task.catalogue).truth
    hits = {name: measure(system, truth, n_items=len(task.catalogue) + 1, ks=(1,)) for name, system in stages.items()}
    assert hits["retrieval"].means()["HR@1"] > 0.5, "nearly all users' one item that is left of their half"
    assert set(stages) == {"retrieval", "two_stage"}


def test_ours_answers_by_both_stages_in_rows_of_the_catalogue(tmp_path: Path) -> None:
    order = Order("made", "ours", trials=0, dials=FAST)
    lines = list(contest([order], record=tmp_path / "made.jsonl"))
    assert "between ours_retrieval and ours_two_stage in HR@1" in lines[-1], "what the second stage brings"
    (pair,) = (line for line in read(tmp_path) if " - " in line.system)
    assert (pair.system, pair.stage) == ("ours_retrieval - ours_two_stage", "two_stage")
    assert pair.command == order.command
    told = next(line for line in lines if line.startswith("ours (retrieval)"))
    assert any(line.startswith("ours (two_stage)") for line in lines)
    assert float(told.split()[2]) > 0.5, "nearly all users' one item that is left of their half"


def test_published_figures_are_lines_of_their_own_and_reruns_are_not() -> None:
    for name, protocol in PROTOCOLS.items():
        for line in published_lines(name, protocol):
            assert line.system.startswith("published:") and line.command and line.seed is None
            assert not any(one.is_rerun and line.system == f"published:{one.name}" for one in protocol.published)


def test_ours_is_a_system_beside_the_baselines() -> None:
    assert "ours" in SYSTEMS and {"ease", "popularity"} < set(SYSTEMS)


def test_what_is_measured_again_by_one_command_exists() -> None:
    from benchmarks.quality import BASELINES as plan
    from benchmarks.quality import TRIALS as fewer
    from enterprise_recsys.protocols.predictors import PREDICTORS

    assert set(fewer) <= set(plan) <= set(PROTOCOLS)
    assert {system for systems in plan.values() for system in systems} <= set(SYSTEMS) | set(PREDICTORS)


@pytest.mark.parametrize("system", ["two_tower_mean", "two_tower_fold_in", "two_tower_transformer", "two_tower_gru"])
def test_the_retriever_alone_answers_where_there_are_no_times(system: str) -> None:
    answer = SYSTEMS[system](
        blocks_task(has_times=False),
        metric="HR@1",
        seed=0,
        trials=0,
        dials={
            "epochs": 15,
            "patience": 15,
            "batch_size": 64,
            "learning_rate": 0.01,
            "threads": 1,
            "history_length": 12,
        },
    )
    task = blocks_task(has_times=False)
    rows = answer.stages["retrieval"](np.arange(len(task.judge.asked)), 1)
    kinds = np.array([int(name[1:]) % 2 for name in task.judge.asked])
    assert ((rows[:, 0] - 1) % 2 == kinds).mean() > 0.9, "an item of the user's kind that they have not had"


def test_each_part_for_histories_is_a_system() -> None:
    from enterprise_recsys.retrieval.history import HISTORIES

    assert {f"two_tower_{name}{ids}" for name in HISTORIES for ids in ("", "_ids")} <= set(SYSTEMS)
