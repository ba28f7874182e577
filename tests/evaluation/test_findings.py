"""The figures in words: better, worse or not shown; corrected for several comparisons; where most is lost."""

import pytest

from enterprise_recsys.evaluation.findings import findings_of, losses


def pair(name: str, mean: float, low: float, high: float, p: float) -> dict[str, float]:
    first, second = name.split("-")
    key = f"{name}/NDCG@10"
    return {
        f"{first}/NDCG@10": 0.3,
        f"{second}/NDCG@10": 0.3 - mean,
        key: mean,
        f"{key}/low": low,
        f"{key}/high": high,
        f"{key}/p": p,
    }


@pytest.mark.parametrize(
    ("mean", "low", "high", "p", "verdict", "start"),
    [
        (0.02, 0.01, 0.03, 0.002, "better", "The second stage helps: NDCG@10 is 0.3000 with it and 0.2800 with"),
        (-0.02, -0.03, -0.01, 0.002, "worse", "The second stage does not help, it harms: NDCG@10 is 0.3000 with it"),
        (0.001, -0.002, 0.004, 0.5, "unclear", "The second stage does not help: NDCG@10 is 0.3000 with it and 0.2990"),
    ],
)
def test_the_second_stage_helps_harms_or_does_not_help(
    mean: float, low: float, high: float, p: float, verdict: str, start: str
) -> None:
    found = findings_of(pair("two_stage-retrieval", mean, low, high, p))[0]
    assert (found.topic, found.verdict) == ("second_stage", verdict)
    assert found.text.startswith(start)
    assert ("by 0.0040 at the most" in found.text) == (verdict == "unclear")


def test_a_difference_that_does_not_outlive_the_correction_is_not_called_real() -> None:
    alone = pair("a-b", 0.02, 0.001, 0.04, 0.03)
    assert findings_of(alone)[0].verdict == "better"
    family = alone | pair("a-c", 0.001, -0.01, 0.01, 0.9) | pair("a-d", 0.001, -0.01, 0.01, 0.8)
    found = findings_of(family)
    assert [one.verdict for one in found] == ["unclear"] * 3
    assert "p = 0.090 corrected for 3 comparisons" in found[0].text


STAGES = {
    "users": 100,
    "two_stage/NDCG@10": 0.2,
    "retrieval/NDCG@10": 0.18,
    "catalogue/NDCG@10": 0.95,
    "ceiling/NDCG@10": 0.4,
    "retrieval/CandidateRecall@200": 0.5,
    "two_tower/CandidateRecall@200": 0.4,
    "two_tower/CandidateRecall@200/low": 0.3,
    "trending/CandidateRecall@200": 0.1,
    "retrieval/NDCG_given_candidates@10": 0.45,
    "two_stage/NDCG_given_candidates@10": 0.5,
}


def test_the_losses_add_up_from_a_perfect_list_to_ours() -> None:
    steps = losses(STAGES, "NDCG@10")
    assert [(one.name, one.before, one.after) for one in steps] == [
        ("unknown items", 1.0, 0.95),
        ("candidates", 0.95, 0.4),
        ("order", 0.4, 0.2),
    ]
    texts = [one.text for one in findings_of(STAGES)]
    assert texts[0].startswith("The lists lose most to relevant items that are not among the candidates.")
    assert "0.5500 goes to relevant items that are not among the candidates" in texts[0]
    assert texts[1].startswith(
        "On average 50.0% of what a user took is among the 200 candidates (40.0% by two_tower, 10.0% by trending)."
    )
    assert texts[1].endswith("retrieval's own order reaches 45.0% and the second stage 50.0%.")


def test_rules_after_the_ranking_have_their_place() -> None:
    steps = losses({**STAGES, "ranked/NDCG@10": 0.25}, "NDCG@10")
    assert [(one.name, one.after) for one in steps[2:]] == [("order", 0.25), ("rules", 0.2)]
    assert losses({"two_stage/NDCG@10": 0.2}, "NDCG@10") == []


def test_new_users_the_index_and_the_ranker_are_spoken_of() -> None:
    figures = {
        "users": 100,
        "users_without_history": 20,
        "two_stage/NDCG@10": 0.2,
        "two_stage/new_users/NDCG@10": 0.1,
        "popularity/new_users/NDCG@10": 0.2,
        "item_knn/new_users/NDCG@10": 0.15,
        "two_stage-popularity/new_users/NDCG@10": -0.1,
        "two_stage-popularity/new_users/NDCG@10/low": -0.15,
        "two_stage-popularity/new_users/NDCG@10/high": -0.05,
        "two_stage-popularity/new_users/NDCG@10/p": 0.02,
        "index/Recall@200": 0.93,
        "ranker/TakenShare": 0.02,
        "ranker/MeanPrediction": 0.06,
        "ranker/AUC": 0.7,
    }
    new, index, ranker = findings_of(figures)
    assert (new.verdict, new.text) == (
        "worse",
        "For the 20 users without history (20.0%) NDCG@10 is 0.1000, worse than popularity (0.2000).",
    )
    # The best of two others was picked, so its p counts twice.
    unclear = findings_of({**figures, "two_stage-popularity/new_users/NDCG@10/p": 0.03})[0]
    assert unclear.verdict == "unclear" and "not clearly different from popularity" in unclear.text
    assert index.text == "The index finds 93.0% of the 200 nearest items of exact search."
    assert ranker.text.startswith("The ranker's probabilities are too high: 6.00% on average where 2.00% were taken.")
    of_a_visit = {key: value for key, value in figures.items() if key != "ranker/MeanPrediction"}
    ranker = findings_of(of_a_visit)[-1]
    assert ranker.text == "A candidate that is taken stands above one that is not with a chance of 0.700."


def test_without_the_headline_metric_nothing_is_said() -> None:
    assert findings_of({"users": 3, "two_stage/HR@10": 0.5}) == []
