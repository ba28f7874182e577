"""Sequential rules by hand."""

import numpy as np
import pytest

from enterprise_recsys.baselines import rules
from enterprise_recsys.baselines.rules import SequentialRules
from enterprise_recsys.errors import ConfigError
from tests.baselines.worlds import asked, events_of

# User 1 takes 1 2 3, user 2 takes 2 1 2; their events alternate in time.
EVENTS = events_of([(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (2, 2)])
FAR = 1 / np.log2(3)  # what a pair two events apart counts


def weights(**dials: float) -> np.ndarray:
    rows, told = SequentialRules(EVENTS, 3, 4, shrink=0.0, **dials).table(3)
    dense = np.zeros((4, 4))
    for place, (own, some) in enumerate(zip(rows, told, strict=True)):
        dense[place, own[own > 0]] = some[own > 0]
    return dense


def test_rules_are_shares_of_what_comes_next() -> None:
    # After 1: 2 twice at once, 3 once two events on. After 2: 3 and 1 once; 2 itself, two events on, does not count.
    found = weights()
    assert found[1] == pytest.approx([0, 0, 2 / (2 + FAR), FAR / (2 + FAR)])
    assert found[2] == pytest.approx([0, 0.5, 0, 0.5]) and not found[3].any()


def test_one_event_ahead_is_a_markov_chain_and_shrinkage_damps_it() -> None:
    assert weights(ahead=1)[1] == pytest.approx([0, 0, 1, 0])
    rows, told = SequentialRules(EVENTS, 3, 4, ahead=1, shrink=2.0).table(1)
    assert rows[1].tolist() == [2] and told[1] == pytest.approx(2 / 4)


def test_the_newest_events_of_a_history_count_most() -> None:
    source = SequentialRules(EVENTS, 3, 4, shrink=0.0, half_life_events=1.0)
    found = source.candidates(asked([2, 1], repeats=True), 3)
    scores = dict(zip(found.rows[0].tolist(), found.scores[0].tolist(), strict=True))
    assert scores[2] == pytest.approx(2 / (2 + FAR), abs=1e-5)
    assert scores[3] == pytest.approx(FAR / (2 + FAR) + 0.5 * 0.5, abs=1e-5)
    assert scores[1] == pytest.approx(0.5 * 0.5, abs=1e-5)


def test_a_user_without_a_past_gets_what_is_popular() -> None:
    assert SequentialRules(EVENTS, 3, 4).candidates(asked([]), 2).rows.tolist() == [[2, 1]]


def test_what_is_no_success_leads_on_and_is_not_led_to() -> None:
    events = EVENTS.take(np.arange(6))
    events.relevant[2] = False  # user 1's 2
    rows, told = SequentialRules(events, 3, 4, ahead=1, shrink=0.0).table(3)
    assert rows[1].tolist()[0] == 2 and told[1, 0] == pytest.approx(1.0)  # by user 2
    assert set(rows[2].tolist()) >= {1, 3}


def test_of_very_many_events_the_newest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_EVENTS", 3)
    assert SequentialRules(EVENTS, 3, 4, ahead=1).table(3)[0].tolist() == [[0], [2], [0], [0]]


def test_of_no_events_nothing_follows() -> None:
    assert not SequentialRules(EVENTS.take(np.arange(0)), 3, 4).table(3)[0].any()


@pytest.mark.parametrize("dials", [{"ahead": 0}, {"shrink": -1.0}, {"half_life_events": 0.0}])
def test_dials_out_of_range_are_named(dials: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"ahead is 1 or more, shrink 0 or more, the half life over 0"):
        SequentialRules(EVENTS, 3, 4, **dials)
