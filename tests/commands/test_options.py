"""What a command tells of the log that it is given."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.commands.options import parts_of


def test_train_tells_how_a_raw_log_is_read_and_what_validate_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = range(2_000)
    pl.DataFrame(
        {
            "visitorid": [row * 7 % 50 for row in rows],
            "item_id": [row % 40 for row in rows],
            "timestamp": [1_700_000_000 + 3_600 * row for row in rows],
            "event": ["transaction" if row % 9 == 0 else "view" for row in rows],
            "transactionid": [row if row % 9 == 0 else None for row in rows],
            "genre": [f"g{row % 40 % 3}" for row in rows],
        }
    ).write_csv(tmp_path / "events.csv")
    parts = parts_of(str(tmp_path / "events.csv"), None, None, False, tell=("repeats",))
    assert parts.train.items is not None and parts.train.items.columns == ["item_id", "item_genre"]
    told = capsys.readouterr().err.splitlines()
    assert told[:3] == [
        "events.csv: 'visitorid' is read as 'user_id'",
        "events.csv: 'event' is read as 'event_type'",
        "events.csv: 'genre' says the same at every event of an item and is read as 'item_genre'",
    ]
    assert told[3].startswith(
        "recsys validate would refuse this log: the column 'transactionid' gives the event type away"
    )
    parts_of(str(tmp_path / "events.csv"), None, None, False)
    assert capsys.readouterr().err == "", "it was told when it was learnt from"
