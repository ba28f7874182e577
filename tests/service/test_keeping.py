"""What the environment says of the store is read once and refused where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.service.keeping import Keeping
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.state.memory import MemoryStore
from enterprise_recsys.state.sqlite import SqliteStore


def test_without_a_word_it_is_kept_in_memory_and_nothing_is_explored() -> None:
    assert Keeping.from_environment({}) == Keeping(None, "full", 90.0, 0.0, 0.0)
    assert Settings.from_environment({}).keeping == Keeping()
    assert isinstance(Keeping().opened(), MemoryStore)


def test_every_dial_is_read(tmp_path: Path) -> None:
    told = {
        "RECSYS_STATE": str(tmp_path),
        "RECSYS_SYNC": "normal",
        "RECSYS_KEEP_DAYS": "7",
        "RECSYS_EXPLORE_ITEMS": "0.1",
        "RECSYS_EXPLORE_POSITIONS": "0.5",
    }
    keeping = Settings.from_environment(told).keeping
    assert keeping == Keeping(tmp_path, "normal", 7.0, 0.1, 0.5)
    store = keeping.opened()
    assert isinstance(store, SqliteStore)
    store.close()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RECSYS_SYNC", "off", "RECSYS_SYNC='off' is not known; set full"),
        ("RECSYS_KEEP_DAYS", "-1", "it should be a number from 0 to 36500"),
        ("RECSYS_EXPLORE_ITEMS", "0.6", "RECSYS_EXPLORE_ITEMS='0.6' is wrong: it should be a number from 0 to 0.5"),
        ("RECSYS_EXPLORE_ITEMS", "nan", "should be a number"),
        ("RECSYS_EXPLORE_POSITIONS", "much", "should be a number"),
    ],
)
def test_a_wrong_dial_is_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Keeping.from_environment({name: value})
