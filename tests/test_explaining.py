"""Why an item is in a list, or why it is not: every status, told of lists whose making is known."""

from dataclasses import replace

import pytest

from enterprise_recsys.asking import Asked
from enterprise_recsys.explaining import STATUSES, Explanation
from enterprise_recsys.explaining import explain as explained
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.trainer import ProductionTrainer
from tests.test_wishes import ids, ruled

STRANGER = "never seen"


def explain(recommender: Recommender, user_id: str, item_id: str, k: int, asked: Asked | None = None) -> Explanation:
    """The explanation of an item in the list of a user; `asked` holds what else is wanted."""
    return explained(recommender, replace(asked or Asked(user_id=None), user_id=user_id), item_id, k)


@pytest.fixture(scope="module")
def recommender(trainer: ProductionTrainer) -> Recommender:
    return trainer.recommender


def test_what_is_shown_is_explained_with_its_place_source_and_score(recommender: Recommender) -> None:
    answer = recommender.recommend("42", 5)
    for rank, item in enumerate(answer, start=1):
        told = explain(recommender, "42", str(item["item_id"]), 5)
        assert (told.status, told.rank, told.ranked, told.sources) == ("shown", rank, rank, answer.sources[rank - 1])
        assert told.score == pytest.approx(item["score"]) and told.needed == pytest.approx(answer[-1]["score"])
        assert told.sentence == f"The item stands at place {rank}." and told.nearest is not None


def test_why_not_names_the_first_thing_that_keeps_an_item_out(recommender: Recommender) -> None:
    order = [str(item) for item in ids(recommender.recommend("42", 30))]
    slot = recommender.state.users.row("42")
    seen = recommender.engine.processor.items.id(
        int(recommender.state.histories.items[recommender.state.histories.starts[slot]])
    )
    cases = {
        "unknown": explain(recommender, "42", "nowhere", 5),
        "seen": explain(recommender, "42", seen, 5),
        "excluded": explain(recommender, "42", order[0], 5, Asked(user_id=None, exclude=[order[0]])),
        "filtered": explain(recommender, "42", order[0], 5, Asked(user_id=None, filter=f"item_id = '{order[1]}'")),
        "outranked": explain(recommender, "42", order[7], 5),
    }
    for status, told in cases.items():
        assert (told.status, told.rank) == (status, None) and told.sentence
    assert cases["outranked"].ranked == 8 and "number 8 of" in cases["outranked"].sentence
    assert cases["outranked"].score < cases["outranked"].needed  # type: ignore[operator]
    assert explain(recommender, "42", seen, 5, Asked(user_id=None, exclude_seen=False)).status != "seen"


def test_a_rule_that_rules_an_item_out_is_named_and_one_that_moves_it_is_too(recommender: Recommender) -> None:
    first, last = (str(ids(recommender.recommend("42", 30))[place]) for place in (0, 29))
    only = ruled(recommender, {"name": "not_this", "kind": "only", "filter": f"item_id != '{first}'", "always": True})
    told = explain(only, "42", first, 5)
    assert told.status == "ruled_out" and "'not_this'" in told.sentence
    pinned = ruled(recommender, {"name": "promo", "kind": "pin", "items": [last], "place": 2})
    shown = explain(pinned, "42", last, 5, Asked(user_id=None, rules=["promo"]))
    assert (shown.status, shown.rank, shown.reasons) == ("shown", 2, ["promo: pinned"])
    assert explain(pinned, "42", last, 5).status == "outranked"


def test_an_item_that_no_source_gives_is_no_candidate(recommender: Recommender) -> None:
    processor = recommender.engine.processor
    configured = processor.config
    few = {"candidates": 5, "neighbour_candidates": 0, "trending_candidates": 0}
    processor.config = configured.model_copy(update=few)
    try:
        scant = Recommender(replace(recommender.engine), recommender.log)  # its quotas are read anew
        last = str(ids(scant.recommend("42", 100))[-1])
        told = explain(scant, "42", last, 3)
        assert (told.status, told.ranked, told.sources) == ("not_a_candidate", None, [])
        assert told.nearest is not None and told.nearest > 5
    finally:
        processor.config = configured


def test_a_stranger_s_list_is_explained_by_what_is_popular(recommender: Recommender) -> None:
    first = str(ids(recommender.recommend(STRANGER, 1))[0])
    told = explain(recommender, STRANGER, first, 1)
    assert (told.status, told.fallback_level, told.sources, told.nearest) == ("shown", 2, ["popular"], None)


def test_an_item_taken_away_is_told_as_deleted(trainer: ProductionTrainer) -> None:
    from enterprise_recsys.changing import Changes

    other = Recommender(replace(trainer.recommender.engine), trainer.recommender.log)
    first = str(ids(other.recommend("42", 1))[0])
    Changes(other).drop([first])
    assert explain(other, "42", first, 5).status == "deleted"
    assert {"shown", "deleted"} <= set(STATUSES)
