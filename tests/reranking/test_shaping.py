"""Rules change scores, places and what is allowed, each as its words say, and each tells what it did."""

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError, ModelConfig
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.filters import Filters
from enterprise_recsys.records import Ranked
from enterprise_recsys.reranking.rules import RULES, Effect, ready
from enterprise_recsys.reranking.shaping import Shape

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "item_kind": ["film", "film", "book", None],
        "item_added": [datetime(2026, 3, 1), datetime(2026, 2, 19), None, datetime(2026, 3, 21)],
    }
)
FILTERS = Filters(ITEMS, Vocabulary(ITEMS["item_id"]))
NOW = int(datetime(2026, 3, 11, tzinfo=UTC).timestamp() * 1e6)
VECTORS = np.eye(5, dtype=np.float32)
CANDIDATES = Ranked(np.array([[1, 2, 3, 4]]), np.array([[0.8, 0.6, 0.4, 0.2]], dtype=np.float32))


def effects(*rules: dict[str, object]) -> list[Effect]:
    return [ready(rule, FILTERS) for rule in ModelConfig(rules=list(rules)).rules]


def shape(*rules: dict[str, object], included: Iterable[int] = ()) -> Shape:
    return Shape(effects(*rules), tuple(included), 0.0, NOW)


def test_a_boost_multiplies_and_adds() -> None:
    one = shape({"name": "books", "kind": "boost", "filter": "kind = 'book'", "factor": 1.5, "plus": 0.05})
    found = one.shown(CANDIDATES, VECTORS, 4)
    assert found.rows.tolist() == [[1, 3, 2, 4]]
    assert found.scores[0].tolist() == pytest.approx([0.8, 0.65, 0.6, 0.2])
    assert one.reasons(CANDIDATES, VECTORS, 4) == {3: ["books: from place 3 to 2"], 2: ["books: from place 2 to 3"]}


def test_scores_halve_with_age_and_an_unknown_age_is_old() -> None:
    rule = {"name": "fresh", "kind": "decay", "field": "added", "half_life_days": 10, "least": 0.2}
    found = shape(rule).shown(CANDIDATES, VECTORS, 4)
    # Ages 10 and 20 days, unknown, and ten days to come, which is no age: 0.2 + 0.8 * (1/2, 1/4, 0, 1).
    told = dict(zip(found.rows[0].tolist(), found.scores[0].tolist(), strict=True))
    assert told == pytest.approx({1: 0.8 * 0.6, 2: 0.6 * 0.4, 3: 0.4 * 0.2, 4: 0.2})


def test_only_and_window_say_what_is_allowed() -> None:
    both = shape(
        {"name": "films", "kind": "only", "filter": "kind = 'film'"},
        {"name": "new", "kind": "window", "field": "item_added", "days": 15},
    )
    assert both.allowed(None).tolist() == [False, True, False, False, False]  # type: ignore[union-attr]
    assert shape({"name": "new", "kind": "window", "field": "added", "days": 30}).allowed(
        np.array([False, True, True, True, False])
    ).tolist() == [False, True, True, False, False]  # type: ignore[union-attr]
    assert shape().allowed(None) is None


def test_a_pin_a_cap_and_an_included_item_stand_together_and_tell_of_it() -> None:
    one = shape(
        {"name": "promo", "kind": "pin", "items": ["d", "nowhere"], "place": 1},
        {"name": "one_each", "kind": "cap", "field": "kind", "most": 1},
        included=[3],
    )
    assert one.brought == [4, 3]
    assert one.shown(CANDIDATES, VECTORS, 3).rows.tolist() == [[4, 1, 3]]
    told = one.reasons(CANDIDATES, VECTORS, 3)
    assert told[4][-1] == "promo: pinned" and told[3] == ["one_each: from place 3 to 2", "include: asked for"]


def test_of_two_pins_for_one_place_the_first_rule_has_it() -> None:
    one = shape({"name": "p", "kind": "pin", "items": ["c"]}, {"name": "q", "kind": "pin", "items": ["d", "c"]})
    assert one.shown(CANDIDATES, VECTORS, 4).rows.tolist() == [[3, 4, 1, 2]]


def test_diversity_tells_what_it_moved() -> None:
    alike = np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    one = Shape(diversity=0.6)
    assert one.shown(CANDIDATES, alike, 2).rows.tolist() == [[1, 3]]
    assert one.reasons(CANDIDATES, alike, 4)[3] == ["diversity: from place 3 to 2"]


def test_every_kind_of_rule_is_carried_out() -> None:
    kinds = {one.model_fields["kind"].annotation.__args__[0] for one in _kinds()}  # type: ignore[union-attr]
    assert kinds == set(RULES)


def _kinds() -> list[type]:
    from enterprise_recsys import rules

    return [rules.Only, rules.Pin, rules.Boost, rules.Cap, rules.Window, rules.Decay]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"name": "x", "kind": "only", "filter": "colour = 3"}, "rule 'x': the filter is wrong at character 1"),
        ({"name": "x", "kind": "cap", "field": "knd", "most": 1}, "rule 'x': .* no field 'knd'; did you mean 'kind'"),
        ({"name": "x", "kind": "window", "field": "kind", "days": 1}, "rule 'x': field 'kind' holds String; .*times"),
    ],
)
def test_a_rule_that_does_not_fit_the_items_is_refused_by_name(rule: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        effects(rule)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"name": "x", "kind": "bost"}], "does not match any of the expected tags: 'only', 'pin', 'boost'"),
        ([{"name": "x", "kind": "cap", "field": "a", "most": 0}], "rules.0.cap.most = 0 is wrong"),
        ([{"name": "x", "kind": "cap", "field": "a", "most": 1, "mst": 2}], "rules.0.cap.mst = 2 is wrong: .*Extra"),
        ([{"name": "x", "kind": "only", "filter": "a=1"}] * 2, "the name 'x' is given twice"),
    ],
)
def test_a_rule_that_is_written_wrongly_is_refused(rules: list[dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(rules=rules)


def test_rules_survive_json() -> None:
    config = ModelConfig(rules=[{"name": "x", "kind": "cap", "field": "kind", "most": 2, "always": True}])
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config
