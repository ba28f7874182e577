"""Up to which catalogue each item's nearest are counted."""

import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.learning import staging


@pytest.mark.parametrize(("most", "are_counted"), [(3, True), (2, False)])
def test_a_catalogue_of_just_the_most_items_has_neighbours(
    monkeypatch: pytest.MonkeyPatch, most: int, are_counted: bool
) -> None:
    assert staging._MOST_NEIGHBOURED == 100_000  # what the config's description promises
    monkeypatch.setattr(staging, "_MOST_NEIGHBOURED", most)
    events = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "b", "c"], "timestamp": [1, 2, 3, 4]})
    processor = DataProcessor(ModelConfig()).fit(log := to_interactions(events))
    found = staging.nearest(processor, processor.dataset(log))
    assert bool(len(found.said(processor.items.rows(["b"])[None]).keys)) == are_counted
