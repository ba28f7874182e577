"""Each check finds the fault that was planted, with its count and line, and says nothing of a good log."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from enterprise_recsys.data.checks import CHECKS
from enterprise_recsys.data.findings import Evidence, Finding
from enterprise_recsys.data.preparation import prepare
from enterprise_recsys.data.quarantine import Reading, admit
from enterprise_recsys.data.validation import validate, write_quarantine
from enterprise_recsys.data.worlds import World
from enterprise_recsys.errors import ConfigError, DataError

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECONDS = 1_700_000_000
ROWS = 2000


def good(**columns: object) -> pl.DataFrame:
    """A healthy log of 40 users and 50 items over 83 days."""
    return pl.DataFrame(
        {
            "user_id": [f"u{n % 40}" for n in range(ROWS)],
            "item_id": [f"i{n * 7 % 50}" for n in range(ROWS)],
            "timestamp": [SECONDS + 3600 * n for n in range(ROWS)],
            "rating": [float(n * 13 % 5 + 1) for n in range(ROWS)],
        }
        | columns
    )


def evidence(frame: pl.DataFrame, **tables: pl.DataFrame) -> Evidence:
    from enterprise_recsys.data.frames import to_interactions

    got = admit(frame, reading=Reading(most_bad=1.0), now=NOW)
    return Evidence(to_interactions(got.log.events, **tables), got.sifted, NOW)


def found(name: str, frame: pl.DataFrame, **tables: pl.DataFrame) -> list[Finding]:
    return [one for one in CHECKS[name](evidence(frame, **tables)) if one.severity != "info"]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_silent_on_a_good_log_or_only_tells(name: str) -> None:
    findings = list(CHECKS[name](evidence(good())))
    assert [one for one in findings if one.severity != "info"] == []
    assert all(one.check == name and one.message and one.count >= 0 for one in findings)


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_bears_the_smallest_log(name: str) -> None:
    for one in CHECKS[name](evidence(good().head(1))):
        assert one.message and "nan" not in one.message.lower()


def share(owner: str, of: float) -> list[str]:
    """A column of ids of which one has a share of the rows, spread evenly."""
    mark = round(1 / of)
    return [f"{owner}0" if n % mark == 0 else f"{owner}{n % 39 + 1}" for n in range(ROWS)]


PLANTED: dict[str, tuple[str, Callable[[], pl.DataFrame], str, str]] = {
    "ids that differ in case": (
        "twin ids",
        lambda: good(user_id=["U1" if n == 41 else f"u{n % 40}" for n in range(ROWS)]),
        "warning",
        "1 user id written in several ways, for instance 'U1', 'u1'",
    ),
    "ids that differ in type": (
        "twin ids",
        lambda: good(item_id=[("07", "7", "7.0", " 7")[n] if n < 4 else f"{n % 50 + 10}" for n in range(ROWS)]),
        "warning",
        "1 item id written in several ways, for instance ' 7', '07', '7', '7.0'",
    ),
    "seconds taken for minutes": (
        "times",
        lambda: good(timestamp=[28_000_000 + n for n in range(ROWS)]),
        "warning",
        "2,000 events before 1990, the first at 1970-11-21 01:46:40",
    ),
    "two times": (
        "times",
        lambda: good(timestamp=[SECONDS + n % 2 for n in range(ROWS)]),
        "error",
        "the log has 2 different times only: 2023-11-14 22:13:20",
    ),
    "one user with half of the events": (
        "shares",
        lambda: good(user_id=share("u", 0.5)),
        "error",
        "one user has 50% of all events: 'u0'",
    ),
    "one item with a fifth": ("shares", lambda: good(item_id=share("i", 0.2)), "warning", "one item has 20% of all"),
    "a bot": (
        "bots",
        lambda: good(
            user_id=["bot" if n < 1500 else f"u{n % 40}" for n in range(ROWS)],
            timestamp=[SECONDS + n if n < 1500 else SECONDS + 3600 * n for n in range(ROWS)],
        ),
        "warning",
        "1 user with over 1,000 events in an hour; 'bot' has 1,",
    ),
    "few events": ("size", lambda: good().head(500), "warning", "500 events only"),
    "nearly none": ("size", lambda: good(user_id=["u1"] * ROWS).head(9), "error", "9 events only"),
    "users with one event": (
        "size",
        lambda: good(user_id=[f"u{n}" for n in range(ROWS)]),
        "warning",
        "2,000 of 2,000 users (100%) have fewer than 3 events",
    ),
    "one rating": (
        "ratings",
        lambda: good(rating=[5.0] * ROWS),
        "warning",
        "every rating is 5: there are no negat",
    ),
    "no rating": (
        "ratings",
        lambda: good(rating=pl.Series([None] * ROWS, dtype=pl.Float64)),
        "warning",
        "the column rating is empty",
    ),
    "a type that is none": (
        "event types",
        lambda: good(event_type=[f"session {n}" for n in range(ROWS)]),
        "warning",
        "2,000 event types: ",
    ),
    "new users only": (
        "cold",
        lambda: good(user_id=[f"u{n // 20}" for n in range(ROWS)]),
        "warning",
        "100% of the newest fifth of events are of users without a past (20 users)",
    ),
    "a future": (
        "rows",
        lambda: good(timestamp=[4_000_000_000 if n == 7 else SECONDS + 3600 * n for n in range(ROWS)]),
        "warning",
        "1 row set aside: time in the future, for instance line 8: {",
    ),
    "a column that says the rating": (
        "leaks",
        lambda: good(mood=[("bad", "so", "fine", "good", "great")[n * 13 % 5] for n in range(ROWS)]),
        "error",
        "the column 'mood' gives the rating away in every row",
    ),
    "the rating in percent": (
        "leaks",
        lambda: good(percent=[(n * 13 % 5 + 1) * 20 + n % 97 * 0.01 for n in range(ROWS)]),
        "warning",
        "the column 'percent' gives the rating away (agreement 1.00)",
    ),
    "a price that changes": (
        "leaks",
        lambda: good(price=[float(n * 7 % 50) + (n % 7 == 0) for n in range(ROWS)]),
        "warning",
        "the column 'price' nearly says which item it is (agreement 0.",
    ),
    "things given back": (
        "returns",
        lambda: good(Quantity=[-1 if n % 100 == 3 else 1 + n % 7 for n in range(ROWS)]),
        "warning",
        "20 events with 'Quantity' below 0",
    ),
    "zeros that are no ratings": (
        "ratings",
        lambda: good(rating=[0.0 if n % 3 else float(n * 13 % 10 + 1) for n in range(ROWS)]),
        "warning",
        "67% of the ratings are 0, and no other is under 1",
    ),
    "an amount that only a purchase has": (
        "leaks",
        lambda: good(
            event_type=["buy" if n % 9 == 0 else "view" for n in range(ROWS)],
            amount=[float(n) if n % 9 == 0 else None for n in range(ROWS)],
        ),
        "error",
        "the column 'amount' gives the event type away in every row",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_its_check_and_by_no_other(name: str) -> None:
    check, make, severity, message = PLANTED[name]
    frame = make()
    findings = found(check, frame)
    assert [one.severity for one in findings] == [severity], findings
    assert findings[0].message.startswith(message) and findings[0].advice


def test_features_that_know_the_whole_log_are_leaks() -> None:
    frame = good(rating=[float((n * 7 % 50) % 5) + 0.1 * (n % 7) for n in range(ROWS)])
    means = frame.group_by("item_id").agg(pl.col("rating").mean().alias("mean_stars")).sort("item_id")
    items = means.with_columns(pages=pl.int_range(pl.len()) * 37 % 11)
    assert [one.message for one in found("leaks", frame, items=items)] == [
        "the column 'item_mean_stars' gives the mean rating away (agreement 1.00)"
    ]


def test_ids_without_features_are_counted() -> None:
    users = pl.DataFrame({"user_id": [f"u{n}" for n in range(10)] + ["u99"], "age": range(11)})
    findings = list(CHECKS["features"](evidence(good(), users=users)))
    assert [(one.severity, one.count) for one in findings][:2] == [("warning", 30), ("info", 1)]
    assert findings[0].message == "30 of 40 users (75%) are not in the table of users, for instance 'u10'"


def test_a_trap_log_is_refused_for_each_of_its_traps_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    trap = good(user_id=share("u", 0.4 * 1.25)).with_columns(
        shipped=pl.col("rating").cast(pl.Int64).cast(pl.String) + " stars",
        timestamp=pl.when(pl.int_range(pl.len()) == 5).then(9_999_999_999).otherwise(pl.col("timestamp")),
    )
    trap = pl.concat([trap, trap.head(100)])
    path = tmp_path / "trap.csv"
    trap.write_csv(path)
    got = validate(str(path), now=NOW)
    assert got.is_refused
    errors = [one.check for one in got.findings if one.severity == "error"]
    assert errors == ["shares", "leaks"]
    reasons = dict(got.quarantine["reason"].value_counts().iter_rows())
    # Row 6 from the future stands in the file twice: both are set aside for that, and 99 others are repeated.
    assert reasons == {"time in the future": 2, "the same row again": 99}
    assert got.rows_in == 2100 == got.rows_used + 101

    mixed = trap.with_columns(
        timestamp=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("timestamp") * 1000).otherwise("timestamp")
    )
    mixed.write_csv(path)
    refused = validate(str(path), now=NOW)
    assert "in seconds" in refused.findings[0].message and "in milliseconds" in refused.findings[0].message


def test_an_error_refuses_to_prepare_and_one_that_is_accepted_does_not(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    good(user_id=share("u", 0.5)).write_csv(path)
    with pytest.raises(DataError) as caught:
        prepare(str(path), tmp_path / "out")
    assert str(caught.value) == (
        "log.csv is refused: one user has 50% of all events: 'u0'; a test account, a crawler or a missing id? Leave it "
        "out. recsys validate tells all that was found; --accept 'shares' takes the log as it is."
    )
    assert [one.name for one in tmp_path.iterdir()] == ["log.csv"]
    assert prepare(str(path), tmp_path / "out", accept=["shares"]).rows["train"] == 1600
    verdict = validate(str(path), accept=["shares"])
    assert not verdict.is_refused and verdict.findings[0].severity == "warning"
    with pytest.raises(ConfigError, match="accept='share' is unknown; did you mean 'shares'"):
        validate(str(path), accept=["share"])


def test_the_made_world_has_no_error(world: World) -> None:
    got = validate(world.interactions, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert not got.is_refused, str(got)
    assert not len(got.quarantine)


def test_the_report_can_be_read_by_people_and_machines() -> None:
    got = validate(good(user_id=share("u", 0.5)), now=NOW)
    page = str(got)
    assert page.startswith("log: 2,000 rows, 40 users, 50 items, 2023-11-14 to 2024-02-06\n")
    assert "ERROR   shares: one user has 50% of all events: 'u0'\n          -> " in page
    assert page.endswith("REFUSED: 1 error, 0 warnings; 2,000 rows in = 2,000 used + 0 set aside")
    body = got.to_json()
    assert body["refused"] is True and (body["rows_in"], body["rows_used"], body["rows_quarantined"]) == (2000, 2000, 0)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_quarantine_is_a_file(tmp_path: Path, ending: str) -> None:
    got = validate(good(user_id=[None if n == 4 else f"u{n % 40}" for n in range(ROWS)]), now=NOW)
    path = tmp_path / "deep" / f"aside.{ending}"
    write_quarantine(got, path)
    table = pl.read_csv(path) if ending == "csv" else pl.read_parquet(path)
    assert table.select("line", "reason").rows() == [(5, "user id missing")]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_quarantine(got, tmp_path / "file" / "aside.csv")


def test_a_missing_table_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'gone.csv'} does not exist")):
        validate(good(), users=tmp_path / "gone.csv")


def test_what_is_taken_again_is_told_and_what_helps() -> None:
    # Forty users in turn; 40 % of the newest 400 take the one item that they took before, the others a new one.
    items = [f"own{n % 40}" if n < 1600 or n % 5 < 2 else f"new{n}" for n in range(ROWS)]
    (finding,) = CHECKS["repeats"](evidence(good(item_id=items)))
    assert finding.message == "40% of the newest fifth of events are of items that their user had before"
    assert finding.severity == "info" and finding.count == 160 and "--set repeats=true" in finding.advice
    assert list(CHECKS["repeats"](evidence(good(item_id=[f"i{n}" for n in range(ROWS)])))) == []


def test_a_buy_after_a_view_is_nothing_taken_again_and_a_second_view_is() -> None:
    # The older 1,600 events are views of an item of one's own; of the newest 400 all are of these items.
    items = [f"own{n % 40}" for n in range(ROWS)]
    bought = good(item_id=items, event_type=["view" if n < 1600 else "buy" for n in range(ROWS)])
    assert list(CHECKS["repeats"](evidence(bought))) == []
    some = good(item_id=items, event_type=["view" if n < 1600 or n % 4 else "buy" for n in range(ROWS)])
    (finding,) = CHECKS["repeats"](evidence(some))
    expected = "75% of the newest fifth of events are of items that their user had before, by an event of the same type"
    assert finding.message == f"{expected}: view 100%, buy 0%" and finding.count == 300


def test_what_was_only_shown_makes_no_bot_and_no_few_events() -> None:
    shown = good(user_id=["u"] * ROWS, event_type=["impression"] * ROWS)
    mixed = evidence(pl.concat([shown, good(event_type=["click"] * ROWS)], how="diagonal_relaxed"))
    assert len(mixed.events) == 2 * ROWS and len(mixed.done.events) == ROWS == len(mixed.done.sifted.lines)
    assert mixed.done.sifted.lines[0] == ROWS + 1
    for check in ("shares", "bots", "size", "cold"):
        assert list(CHECKS[check](mixed)) == list(CHECKS[check](evidence(good(event_type=["click"] * ROWS))))
    assert mixed.done.done is mixed.done and (alone := evidence(shown)).done is alone


def test_ratings_of_yes_and_no_are_told_as_such() -> None:
    (told,) = CHECKS["ratings"](evidence(good(rating=[1.0, -1.0, -1.0, None] * (ROWS // 4))))
    assert told.message == "ratings of 1 (500) and -1 (1,000): only 1 is a success" and told.count == 500
    assert told.advice.startswith("what is rated -1 was had none the less")


def test_event_types_are_told_with_what_says_which_of_them_is_a_success() -> None:
    types = [("view", "view", "add to cart", "Purchase")[n % 4] for n in range(ROWS)]
    (finding,) = CHECKS["event types"](evidence(good(event_type=types)))
    assert finding.message.startswith("3 event types: view 1,000, ")
    assert "--set positive_event_types=Purchase, and the others" in finding.advice
    (alone,) = CHECKS["event types"](evidence(good(event_type=["rate"] * (ROWS - 1) + [None])))
    assert alone.message == "1 event type: rate 1,999" and not alone.advice
    (rare,) = CHECKS["event types"](evidence(good(event_type=["play"] * (ROWS - 9) + ["like"] * 9)))
    assert "--set positive_event_types=like," in rare.advice
    shown = [("Impression", "Impression", "click", "ad shown")[n % 4] for n in range(ROWS)]
    (told,) = CHECKS["event types"](evidence(good(event_type=shown)))
    assert told.advice.endswith("--set 'impression_event_types=Impression,ad shown'"), "one type of success is left"
    (usual,) = CHECKS["event types"](evidence(good(event_type=["impression", "click"] * (ROWS // 2))))
    assert usual.advice == "what was shown is nothing that a user did, and teaches the ranker alone"
    assert list(CHECKS["repeats"](evidence(good(item_id=["a"] * ROWS, event_type=["shown"] * ROWS)))) == []
    spaced = good(event_type=["view"] * (ROWS - 9) + ["order placed"] * 9)
    assert "--set 'positive_event_types=order placed'," in next(CHECKS["event types"](evidence(spaced))).advice
