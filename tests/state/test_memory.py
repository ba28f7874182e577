"""The store in memory is bounded."""

import pytest

from enterprise_recsys.errors import BusyError
from enterprise_recsys.state.memory import MemoryStore
from tests.state.test_contract import event, slate


def test_more_events_than_may_stand_in_memory_are_refused() -> None:
    store = MemoryStore(most_events=2)
    store.append([event(1), event(2)]).result()
    with pytest.raises(BusyError, match="2 events stand in memory, and at most 2 may; give the service a folder"):
        store.append([event(3)])


def test_the_oldest_answers_give_way() -> None:
    store = MemoryStore(most_slates=2)
    store.log([slate("a"), slate("b"), slate("c")]).result()
    assert [one.recommendation_id for _, one in store.slates()] == ["b", "c"]
