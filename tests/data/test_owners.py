"""A flat file's columns of items and users become features; what tells something of the moment stays context."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.owners import agreement, as_before, owned, with_owners
from enterprise_recsys.data.quarantine import admit
from enterprise_recsys.data.schema import Schema

ROWS, USERS, ITEMS = 2_000, 50, 40


def flat(**columns: object) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, USERS, ROWS), generator.integers(0, ITEMS, ROWS)
    return pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "item_id": [f"i{item}" for item in items],
            "timestamp": [1_700_000_000 + 60 * row for row in range(ROWS)],
            "genres": [("Drama|War", "Comedy", "War")[item % 3] for item in items],
            "price": [float(item) for item in items],
            "country": [("de", "fr", None)[user % 3] for user in users],
            "device": generator.choice(["phone", "desk"], ROWS),
            "hour_of_day": generator.integers(0, 24, ROWS),
        }
        | columns
    )


def test_agreement_is_kappa_of_two_events_of_one_owner() -> None:
    # Of each item's five events four say "a": a pair agrees with 4 * 3 / (5 * 4) = 0.6, any pair of all 100 with
    # (80 * 79 + 20 * 19) / (100 * 99).
    log = pl.DataFrame({"item_id": [f"i{row // 5}" for row in range(100)], "says": ["a", "a", "a", "a", "b"] * 20})
    chance = (80 * 79 + 20 * 19) / (100 * 99)
    assert agreement(log, "item_id", "says") == pytest.approx((0.6 - chance) / (1 - chance))
    # Half of the items have another word at each event, and the others one word each.
    words = [f"{row // 5}-{row % 5 if row // 5 % 2 else 0}" for row in range(100)]
    chance = 10 * 5 * 4 / (100 * 99)
    assert agreement(log.with_columns(says=pl.Series(words)), "item_id", "says") == pytest.approx(
        (0.5 - chance) / (1 - chance)
    )


def test_what_cannot_be_told_agrees_in_nothing() -> None:
    few = pl.DataFrame({"item_id": [f"i{row // 5}" for row in range(95)], "says": [row // 5 for row in range(95)]})
    assert agreement(few, "item_id", "says") == 0.0, "95 rows"
    one = pl.DataFrame({"item_id": [f"i{row // 50}" for row in range(500)], "says": [row // 50 for row in range(500)]})
    assert agreement(one, "item_id", "says") == 0.0, "10 items"
    same = pl.DataFrame({"item_id": [f"i{row // 5}" for row in range(500)], "says": [1] * 490 + [2] * 10})
    assert agreement(same, "item_id", "says") == 0.0, "nearly all rows say the same"
    once = pl.DataFrame({"item_id": [f"i{row}" for row in range(500)], "says": list(range(500))})
    assert agreement(once, "item_id", "says") == 0.0, "no item has two events"


def test_columns_go_to_their_owners_and_the_moment_stays() -> None:
    log = to_interactions(flat())
    assert log.items is not None and log.users is not None
    assert set(log.items.columns) == {"item_id", "item_genres", "item_price"}
    assert set(log.users.columns) == {"user_id", "user_country"}
    assert {"device", "hour_of_day"} <= set(log.events.columns)
    assert log.items.filter(pl.col("item_id") == "i3")["item_genres"].to_list() == ["Drama|War"]
    assert Schema.of(log).kinds("item") == {"item_genres": "multi_value", "item_price": "number"}
    assert log.items.filter(pl.col("item_id") == "i3")["item_price"].to_list() == [3.0]


def test_lists_a_mended_price_and_the_usual_device() -> None:
    frame = flat()
    mended = pl.when(pl.int_range(pl.len()) > 0.99 * ROWS).then(pl.col("price") + 1).otherwise(pl.col("price"))
    usual = pl.when(pl.int_range(pl.len()) % 20 == 0).then(pl.lit("other")).otherwise(pl.col("user_id"))
    frame = frame.with_columns(price=mended, usual=usual, tags=pl.col("genres").str.split("|"))
    found = owned(frame)
    assert found == {
        "genres": "item_genres",
        "price": "item_price",
        "tags": "item_tags",
        "country": "user_country",
    }


def test_a_column_stays_by_its_name_or_because_the_name_is_taken() -> None:
    frame = flat().rename({"genres": "context_genres"}).with_columns(item_price=pl.col("price"))
    assert owned(frame) == {"country": "user_country"}
    assert "context_genres" in to_interactions(frame).events.columns


def test_what_gives_the_event_type_away_is_left_where_it_is_found() -> None:
    bought = np.arange(ROWS) % 4 == 0
    frame = flat(event_type=np.where(bought, "buy", "view"))
    frame = frame.with_columns(paid=pl.when(pl.Series(bought)).then(pl.col("price")))
    assert "paid" not in owned(frame) and "price" in owned(frame)


def test_another_part_is_named_as_the_first() -> None:
    part, told = with_owners(flat()[:10], "val", as_before(flat().columns, ["item_genres", "item_price", "user_age"]))
    assert {"item_genres", "item_price", "country"} <= set(part.columns) and len(told) == 2
    assert as_before(["genres", "item_genres"], ["item_genres"]) == {}
    assert as_before(["price"], ["price", "item_price"]) == {}, "what was paid, beside what a table of items says"


def test_a_reader_is_told() -> None:
    told = admit(flat()).sifted.told
    assert "log: 'genres' says the same at every event of an item and is read as 'item_genres'" in told
    assert "log: 'country' says the same at every event of a user and is read as 'user_country'" in told
