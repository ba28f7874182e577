"""Metrics of one user's list: by hand, and against ir_measures and scikit-learn in thousands of random cases."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG
from sklearn.metrics import ndcg_score

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.metrics import USER_METRICS
from enterprise_recsys.evaluation.truth import Truth, judge
from enterprise_recsys.records import Ints

KS = (1, 3, 5, 10)
N_ITEMS = 30


def truth_of(*relevant: dict[int, float]) -> Truth:
    triples = [(user, item, grade) for user, items in enumerate(relevant) for item, grade in items.items()]
    users, items, gains = zip(*triples, strict=True) if triples else ((), (), ())
    return Truth.of(np.array(users, int), np.array(items, int), np.array(gains, float), n_users=len(relevant))


def figure(name: str, rows: list[int], relevant: dict[int, float], k: int) -> float:
    judged = judge(np.array([rows]), np.array([0]), truth_of(relevant), depth=10)
    return float(USER_METRICS[name](judged, k=k)[0])


LOG3 = 1 / math.log2(3)


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        # The list is 7 1 8 2 9, relevant are 1, 2, 3, 4: hits in places 2 and 4.
        ("HR", 1, 0.0),
        ("HR", 2, 1.0),
        ("Recall", 5, 2 / 4),
        ("Recall", 2, 1 / 4),
        ("Recall_min", 2, 1 / 2),
        ("Recall_min", 10, 2 / 4),
        ("Precision", 5, 2 / 5),
        ("Precision", 10, 2 / 10),
        ("MAP", 5, (1 / 2 + 2 / 4) / 4),
        ("MAP_min", 3, (1 / 2) / 3),
        ("MAP_min", 10, (1 / 2 + 2 / 4) / 4),
        ("MRR", 5, 1 / 2),
        ("MRR", 1, 0.0),
        ("NDCG", 2, LOG3 / (1 + LOG3)),
        ("NDCG", 5, (LOG3 + 1 / math.log2(5)) / (1 + LOG3 + 1 / 2 + 1 / math.log2(5))),
    ],
)
def test_the_figures_worked_out_by_hand(name: str, k: int, expected: float) -> None:
    assert figure(name, [7, 1, 8, 2, 9], {1: 1, 2: 1, 3: 1, 4: 1}, k) == pytest.approx(expected, abs=1e-12)


def test_graded_gain_is_two_to_the_grade_less_one() -> None:
    # Places: grade 1 (gain 1), nothing, grade 3 (gain 7); ideal: 7 then 1.
    expected = (1 + 7 / math.log2(4)) / (7 + 1 * LOG3)
    assert figure("NDCG", [5, 9, 6], {5: 1, 6: 3}, 3) == pytest.approx(expected, abs=1e-12)


def test_the_ideal_is_cut_at_k() -> None:
    many = dict.fromkeys(range(1, 30), 1.0)
    assert figure("NDCG", [1, 2, 3], many, 3) == pytest.approx(1.0)
    assert figure("Recall", [1, 2, 3], many, 3) == pytest.approx(3 / 29)


def test_a_user_without_relevant_items_has_no_figure() -> None:
    for name in USER_METRICS:
        assert math.isnan(figure(name, [1, 2, 3], {}, 3))


def test_a_k_beyond_the_depth_is_refused() -> None:
    judged = judge(np.array([[1, 2]]), np.array([0]), truth_of({1: 1.0}), depth=2)
    with pytest.raises(ConfigError, match="k=3 is out of range for lists judged to a depth of 2; take 1 to 2"):
        USER_METRICS["NDCG"](judged, k=3)
    with pytest.raises(ConfigError, match="k=0"):
        USER_METRICS["HR"](judged, k=0)


def random_case(generator: np.random.Generator, users: int) -> tuple[Ints, list[dict[int, float]]]:
    """Lists of 0 to 12 places, some with repetitions; truths of 0 to 15 items in grades 1 to 3."""
    rows = np.zeros((users, 12), np.int64)
    relevant = []
    for user in range(users):
        filled = int(generator.integers(0, 13))
        rows[user, :filled] = generator.choice(np.arange(1, N_ITEMS), filled, replace=bool(user % 3 == 0))
        taken = generator.choice(np.arange(1, N_ITEMS), generator.integers(0, 16), replace=False)
        relevant.append({int(item): float(generator.integers(1, 4)) for item in taken})
    return rows, relevant


def without_repetitions(row: Ints) -> list[int]:
    """The list for an oracle that knows no repetitions: each one becomes an item that nobody took."""
    seen: set[int] = set()
    result = []
    for place, item in enumerate(row.tolist()):
        result.append(1000 + place if item <= 0 or item in seen else item)
        seen.add(item)
    return result


def agrees_with_ir_measures(rows: Ints, relevant: list[dict[int, float]], truth: Truth) -> None:
    """Every metric that both have, at every k, for every user."""
    judged = judge(rows, np.arange(len(rows)), truth, depth=rows.shape[1])
    gains = {1: 1, 2: 3, 3: 7}
    ks = [k for k in KS if k <= rows.shape[1]]
    oracles = {
        **{("NDCG", k): nDCG(gains=gains) @ k for k in ks},
        **{("Recall", k): R @ k for k in ks},
        **{("Precision", k): P @ k for k in ks},
        **{("MAP", k): AP @ k for k in ks},
        **{("MRR", k): RR @ k for k in ks},
        **{("HR", k): Success @ k for k in ks},
    }
    qrels = {
        str(user): {str(item): int(grade) for item, grade in items.items()}
        for user, items in enumerate(relevant)
        if items
    }
    run = {
        str(user): {str(item): float(-place) for place, item in enumerate(without_repetitions(rows[user]))}
        for user in range(len(rows))
    }
    ours = {key: USER_METRICS[key[0]](judged, k=key[1]) for key in oracles}
    keys = {str(oracle): key for key, oracle in oracles.items()}
    compared = 0
    for told in ir_measures.iter_calc(list(oracles.values()), qrels, run):
        assert abs(ours[keys[str(told.measure)]][int(told.query_id)] - told.value) < 1e-6, told
        compared += 1
    assert compared == len(oracles) * len(qrels)
    assert np.isnan(ours["NDCG", ks[0]]).sum() == len(relevant) - len(qrels) > 0


def test_three_thousand_random_users_agree_with_ir_measures() -> None:
    rows, relevant = random_case(np.random.default_rng(7), 3000)
    agrees_with_ir_measures(rows, relevant, truth_of(*relevant))


def test_four_thousand_crooked_lists_agree_with_ir_measures() -> None:
    # Few items, so that lists have holes, repetitions and nothing else; pairs are told twice, with another grade.
    generator = np.random.default_rng(13)
    users = 4000
    rows = generator.integers(-1, 9, (users, 5))
    owners, items = generator.integers(0, users, 9000), generator.integers(1, 9, 9000)
    grades = generator.integers(0, 4, 9000).astype(float)
    relevant: list[dict[int, float]] = [{} for _ in range(users)]
    for user, item, grade in zip(owners.tolist(), items.tolist(), grades.tolist(), strict=True):
        if grade:
            relevant[user][item] = max(grade, relevant[user].get(item, 0.0))
    agrees_with_ir_measures(rows, relevant, Truth.of(owners, items, grades, n_users=users))


def test_a_truth_within_a_group_agrees_with_ir_measures() -> None:
    rows, relevant = random_case(np.random.default_rng(17), 800)
    group = np.random.default_rng(1).random(N_ITEMS) < 0.3
    within = [{item: grade for item, grade in items.items() if group[item]} for items in relevant]
    agrees_with_ir_measures(rows, within, truth_of(*relevant).within(group))


def test_graded_ndcg_agrees_with_scikit_learn() -> None:
    rows, relevant = random_case(np.random.default_rng(11), 250)
    judged = judge(rows, np.arange(len(rows)), truth_of(*relevant), depth=12)
    gains = np.zeros((len(rows), 1100))
    scores = np.full(gains.shape, -1e9) - np.arange(1100)  # items that are not listed come last, without ties
    for user, items in enumerate(relevant):
        for item, grade in items.items():
            gains[user, item] = 2.0**grade - 1
        scores[user, without_repetitions(rows[user])] = -np.arange(12.0)
    for k in KS:
        ours = USER_METRICS["NDCG"](judged, k=k)
        for user in np.flatnonzero(~np.isnan(ours)):
            expected = ndcg_score(gains[[user]], scores[[user]], k=k, ignore_ties=True)
            assert ours[user] == pytest.approx(expected, abs=1e-9)


def slow_average_precision(row: list[int], relevant: dict[int, float], k: int, under: int) -> float:
    hits, total = 0, 0.0
    for place, item in enumerate(without_repetitions(np.array(row))[:k], start=1):
        if item in relevant:
            hits += 1
            total += hits / place
    return total / under


def test_the_min_forms_agree_with_a_plain_loop() -> None:
    rows, relevant = random_case(np.random.default_rng(3), 500)
    judged = judge(rows, np.arange(len(rows)), truth_of(*relevant), depth=12)
    for k in KS:
        recall, average = USER_METRICS["Recall_min"](judged, k=k), USER_METRICS["MAP_min"](judged, k=k)
        for user, items in enumerate(relevant):
            if items:
                under = min(k, len(items))
                hits = len(set(without_repetitions(rows[user])[:k]) & items.keys())
                assert recall[user] == pytest.approx(hits / under)
                assert average[user] == pytest.approx(slow_average_precision(rows[user].tolist(), items, k, under))


lists = st.lists(st.integers(0, 12), min_size=1, max_size=10)
grades = st.dictionaries(st.integers(1, 12), st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(rows=lists, relevant=grades, k=st.integers(1, 10))
def test_figures_lie_between_nothing_and_one(rows: list[int], relevant: dict[int, float], k: int) -> None:
    for name in USER_METRICS:
        assert -1e-12 <= figure(name, rows, relevant, k) <= 1 + 1e-12, name


@settings(max_examples=100, deadline=None)
@given(relevant=grades, k=st.integers(1, 10))
def test_the_best_list_gives_one(relevant: dict[int, float], k: int) -> None:
    best = sorted(relevant, key=lambda item: -relevant[item])[:10]
    for name in ("HR", "Recall_min", "NDCG", "MAP_min", "MRR"):
        assert figure(name, best, relevant, k) == pytest.approx(1.0), name
    assert figure("Precision", best, relevant, k) == pytest.approx(min(k, len(relevant)) / k)
    assert figure("Recall", best, relevant, k) == pytest.approx(min(k, len(relevant)) / len(relevant))


@settings(max_examples=50, deadline=None)
@given(cases=st.lists(st.tuples(lists, grades), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_the_order_of_users_does_not_matter(cases: list[tuple[list[int], dict[int, float]]], seed: int) -> None:
    rows = np.array([(row + [0] * 10)[:10] for row, _ in cases])
    truth = truth_of(*(relevant for _, relevant in cases))
    order = np.random.default_rng(seed).permutation(len(cases))
    straight = judge(rows, np.arange(len(cases)), truth, depth=10)
    shuffled = judge(rows[order], order, truth, depth=10)
    for name, metric in USER_METRICS.items():
        assert metric(straight, k=5)[order].tolist() == metric(shuffled, k=5).tolist(), name
