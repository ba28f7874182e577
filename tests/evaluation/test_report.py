"""The evaluation is a plain dict, prints as tables and speaks in sentences."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.intervals import bootstrap, paired
from enterprise_recsys.evaluation.protocol import Measured, measure
from enterprise_recsys.evaluation.report import Evaluation, evaluation_of
from enterprise_recsys.evaluation.tables import columns_of_text
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import Ints

N_USERS, N_ITEMS = 300, 40


def measured_world(ks: tuple[int, ...] = (10,)) -> dict[str, Measured]:
    """A good system, a poor one, and one that knows the answer; every third user is new."""
    generator = np.random.default_rng(0)
    users, items = np.repeat(np.arange(N_USERS), 3), generator.integers(1, N_ITEMS, 3 * N_USERS)
    truth = Truth.of(users, items, n_users=N_USERS + 5)
    random = np.stack([generator.permutation(np.arange(1, N_ITEMS)) for _ in range(N_USERS + 5)])
    right = np.pad(items.reshape(N_USERS, 3), ((0, 5), (0, 0)))
    best, good = np.hstack([right, random]), np.hstack([random[:, :4], right[:, :1], random[:, 4:]])
    slices = {"new_users": np.arange(N_USERS + 5) % 3 == 0}
    named = {"best_possible": best, "two_stage": good, "popularity": random}

    def measured_as(rows: Ints) -> Measured:
        return measure(lambda users, k: rows[users, :k], truth, n_items=N_ITEMS, ks=ks, slices=slices)

    return {name: measured_as(rows) for name, rows in named.items()}


@pytest.fixture(scope="module")
def measured() -> dict[str, Measured]:
    return measured_world()


@pytest.fixture(scope="module")
def evaluation(measured: dict[str, Measured]) -> Evaluation:
    return evaluation_of(measured, generator=np.random.default_rng(1), pairs=[("two_stage", "popularity")])


def test_the_keys_name_system_slice_metric_and_bound(evaluation: Evaluation, measured: dict[str, Measured]) -> None:
    means = measured["two_stage"].means()
    assert evaluation["two_stage/NDCG@10"] == pytest.approx(means["NDCG@10"])
    assert evaluation["two_stage/new_users/NDCG@10"] == pytest.approx(means["new_users/NDCG@10"])
    assert evaluation["two_stage/Coverage@10"] == means["Coverage@10"]
    assert evaluation["two_stage/NDCG@10/low"] < evaluation["two_stage/NDCG@10"] < evaluation["two_stage/NDCG@10/high"]
    assert evaluation["users"] == 300
    assert evaluation["users_without_history"] == 100
    assert evaluation["two_stage-popularity/NDCG@10"] == pytest.approx(
        evaluation["two_stage/NDCG@10"] - evaluation["popularity/NDCG@10"]
    )
    assert evaluation["two_stage-popularity/NDCG@10/p"] < 0.01
    assert "two_stage-popularity/new_users/NDCG@10/low" in evaluation


def test_the_intervals_are_those_of_the_bootstrap(evaluation: Evaluation, measured: dict[str, Measured]) -> None:
    good, poor = (measured[name].of_users["NDCG@10"] for name in ("two_stage", "popularity"))
    alone = bootstrap(good, generator=np.random.default_rng(5), resamples=4000)
    difference = paired(good, poor, generator=np.random.default_rng(5), resamples=4000)
    for key, expected in (("two_stage/NDCG@10", alone), ("two_stage-popularity/NDCG@10", difference)):
        width = expected.high - expected.low
        assert evaluation[f"{key}/low"] == pytest.approx(expected.low, abs=0.1 * width)
        assert evaluation[f"{key}/high"] == pytest.approx(expected.high, abs=0.1 * width)


def test_it_is_a_plain_dict(evaluation: Evaluation) -> None:
    assert isinstance(evaluation, dict)
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation == dict(evaluation)
    assert pickle.loads(pickle.dumps(evaluation)) == evaluation
    assert copy.deepcopy(evaluation).confidence == 0.95
    assert all(type(value) in (int, float) for value in evaluation.values())


def test_print_shows_tables_that_fit_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    world = measured_world(ks=(10, 20))
    print(evaluation_of(world, generator=np.random.default_rng(1), pairs=[("two_stage", "popularity")]))
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "All users (300)"
    assert "New users (100)" in lines
    assert max(map(len, lines)) <= 110
    assert text.isascii() and "\x1b" not in text
    first_block = lines[1 : lines.index("")]
    assert [line.split()[0] for line in first_block[1:]] == ["two_stage", "popularity", "best_possible"]
    for metric in ("HR@10", "NDCG@20", "Coverage@10"):
        assert metric in text
    assert "two_stage is better than popularity: NDCG@10 is" in text


def test_the_table_looks_as_it_should() -> None:
    figures = {
        "users": 1234,
        "users_without_history": 56,
        "two_stage/NDCG@10": 0.31,
        "two_stage/NDCG@10/low": 0.3,
        "two_stage/NDCG@10/high": 0.32,
        "two_stage/HR@10": 0.5,
        "best_possible/NDCG@10": 0.9,
        "popularity/HR@10": 0.25,
        "two_stage/new_users/HR@10": 0.125,
    }
    assert str(Evaluation(figures)) == (
        "All users (1,234)\n"
        "                               NDCG@10   HR@10\n"
        "two_stage      0.3100 [0.3000, 0.3200]  0.5000\n"
        "popularity                           -  0.2500\n"
        "best_possible                   0.9000       -\n"
        "\n"
        "New users (56)\n"
        "            HR@10\n"
        "two_stage  0.1250"
    )


def test_sentences_say_better_worse_or_unclear() -> None:
    def speak(mean: float, low: float, high: float, confidence: float = 0.95) -> list[str]:
        key = "two_stage-popularity/NDCG@10"
        figures = {key: mean, f"{key}/low": low, f"{key}/high": high, f"{key}/p": 0.004}
        return Evaluation(figures, confidence=confidence).sentences()

    assert speak(0.021, 0.015, 0.027) == [
        "two_stage is better than popularity in NDCG@10 by 0.0210 (95 % interval 0.0150 to 0.0270, p = 0.004)"
    ]
    assert speak(-0.021, -0.027, -0.015, 0.9) == [
        "two_stage is worse than popularity in NDCG@10 by 0.0210 (90 % interval 0.0150 to 0.0270, p = 0.004)"
    ]
    assert speak(0.001, -0.002, 0.004) == [
        "no clear difference between two_stage and popularity in NDCG@10: +0.0010 "
        "(95 % interval -0.0020 to +0.0040, p = 0.004)"
    ]


def test_interval_and_corrected_test_must_both_call_a_difference_real() -> None:
    def figures(p: float) -> dict[str, float]:
        bounds = {"": 0.02, "/low": 0.01, "/high": 0.03, "/p": p}
        return {f"{pair}/NDCG@10{end}": value for pair in ("a-b", "a-c") for end, value in bounds.items()}

    assert [text.split()[0] for text in Evaluation(figures(0.02)).sentences()] == ["a", "a"]
    assert [text.split()[0] for text in Evaluation(figures(0.03)).sentences()] == ["no", "no"]  # 2 x 0.03 > 0.05
    without_test = {key: value for key, value in figures(0.0).items() if not key.endswith("/p")}
    assert Evaluation(without_test).sentences()[0].startswith("no clear difference between a and b")


def test_the_p_of_a_pair_is_that_of_the_paired_test(measured: dict[str, Measured]) -> None:
    """A system that is better for 60 of 300 users and worse for 40, each by as much: a test of coins, p by scipy."""
    plain = measured["popularity"]
    shift = np.r_[np.full(60, 0.1), np.full(40, -0.1), np.zeros(200)]
    values = {"NDCG@10": np.full(305, np.nan)}
    values["NDCG@10"][:300] = 0.5
    moved = {"NDCG@10": values["NDCG@10"].copy()}
    moved["NDCG@10"][:300] += np.random.default_rng(2).permutation(shift)
    one, other = (replace(plain, of_users=figures, of_lists={}, item_slices={}) for figures in (moved, values))
    told = evaluation_of({"a": one, "b": other}, generator=np.random.default_rng(3), pairs=[("a", "b")], flips=20_000)
    assert told["a-b/NDCG@10"] == pytest.approx(2.0 / 300)
    assert told["a-b/NDCG@10/p"] == pytest.approx(stats.binomtest(60, 100).pvalue, abs=0.006)


def test_of_ten_equal_systems_none_is_called_better(measured: dict[str, Measured]) -> None:
    generator, alarms, single = np.random.default_rng(7), 0, 0
    for _ in range(40):
        systems = {
            f"s{number}": replace(measured["popularity"], of_users={"NDCG@10": generator.random(50)}, slices={})
            for number in range(10)
        }
        pairs = [("s0", name) for name in systems if name != "s0"]
        told = evaluation_of(systems, generator=generator, pairs=pairs, resamples=200, flips=200)
        alarms += any(one.verdict != "unclear" for one in told.findings())
        single += any(told[f"{first}-{second}/NDCG@10/p"] < 0.05 for first, second in pairs)
    assert alarms / 40 <= 0.1 < single / 40


def test_sentences_speak_of_the_metric_asked_for(evaluation: Evaluation) -> None:
    assert len(evaluation.sentences()) == 1
    assert "in Recall@10 by" in evaluation.sentences("Recall@10")[0]
    assert "in Recall@10 by" in evaluation.sentences("Recall")[0]
    assert evaluation.sentences("Recall@5") == []


def test_an_empty_evaluation_prints_nothing() -> None:
    assert str(Evaluation()) == ""
    assert evaluation_of({}, generator=np.random.default_rng(0)) == {}


def test_a_slice_without_users_shows_only_its_count() -> None:
    truth = Truth.of(np.array([0]), np.array([1]), n_users=2)
    slices = {"new_users": np.array([False, True])}
    one = measure(lambda users, k: np.ones((len(users), k), int), truth, n_items=3, slices=slices)
    figures = evaluation_of({"ours": one}, generator=np.random.default_rng(0))
    assert figures["users"] == 1 and figures["users_without_history"] == 0
    assert not any("new_users" in key for key in figures)


def test_what_does_not_belong_together_is_refused(measured: dict[str, Measured]) -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="a system is named 'item-knn'; '/' and '-' have a meaning in keys"):
        evaluation_of({"item-knn": measured["popularity"]}, generator=generator)
    with pytest.raises(ConfigError, match="pairs names the system 'ease', which was not measured; known: best_poss"):
        evaluation_of(measured, generator=generator, pairs=[("two_stage", "ease")])
    other = measured_world(ks=(5,))["popularity"]
    with pytest.raises(DataError, match="other and two_stage were measured on different users, slices or metrics"):
        evaluation_of({"two_stage": measured["two_stage"], "other": other}, generator=generator)


def test_a_table_too_wide_goes_on_below() -> None:
    rows = [["", "first", "second", "third"], ["ours", "1", "2", "3"]]
    assert columns_of_text(rows, width=19) == [
        "      first  second",
        "ours      1       2",
        "",
        "      third",
        "ours      3",
    ]
