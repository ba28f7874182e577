"""What may be wrong with a log that can be read: each check is a function that tells its findings, or none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from enterprise_recsys.choice import pick
from enterprise_recsys.data.faults import counted, cut
from enterprise_recsys.data.findings import Evidence, Finding
from enterprise_recsys.data.giveaways import giveaways
from enterprise_recsys.data.having import are_binary
from enterprise_recsys.data.meanings import CROWD, event_types, repeats, returns
from enterprise_recsys.data.owners import NEARLY, agreement, contexts
from enterprise_recsys.data.quarantine import CLOCKS_DIFFER, REPEATS, Sifted
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import EVENT_TYPE, ITEM_ID, RATING, TIMESTAMP, USER_ID

# Thresholds, each with the reason for it. MovieLens's busiest user has 645 events in an hour, its largest user 2.7 %
# of ml-latest-small, its largest item 0.6 % of ml-100k.
BOT_EVENTS_AN_HOUR = 1_000
LARGE_USER, ABSURD_USER = 0.1, 0.25
LARGE_ITEM, ABSURD_ITEM = 0.1, 0.3

FEW_EVENTS, LEAST_EVENTS = 1_000, 10
FEW_A_USER = 3
COLD_SHARE = 0.5
_BARE_SHARE = 0.05
_NOT_RATED = 0.2
"""Share of ratings of 0 from which on they are likely none."""
_GLIMPSE = 1000
"""Rows that answer most questions about a column before all of it is looked at."""

_RANK = {"error": 0, "warning": 1, "info": 2}
_OLD = datetime(1990, 1, 1, tzinfo=UTC)


def examine(evidence: Evidence, accept: Collection[str] = ()) -> list[Finding]:
    """Run every check; errors come first, then warnings, then what is only told.

    Args:
        evidence: what to look at.
        accept: checks whose errors the user has looked at and takes: they become warnings.

    Raises:
        ConfigError: a name in `accept` is no check.
    """
    for name in accept:
        pick(CHECKS, name, what="accept")
    found = [finding for check in CHECKS.values() for finding in check(evidence)]
    found = [
        replace(one, severity="warning") if one.check in accept and one.severity == "error" else one for one in found
    ]
    return sorted(found, key=lambda finding: _RANK[finding.severity])


def refuse_errors(evidence: Evidence, accept: Collection[str] = ()) -> None:
    """Stop when a check finds an error that is not accepted.

    Raises:
        DataError: it does; the message names the first.
        ConfigError: as `examine`.
    """
    for finding in examine(evidence, accept):
        if finding.severity == "error":
            raise DataError(
                f"{evidence.log.name} is refused: {finding.message}; {finding.advice}. recsys validate tells all that "
                f"was found; --accept {finding.check!r} takes the log as it is."
            )


def rows_aside(evidence: Evidence) -> Iterator[Finding]:
    """What was set aside, by reason."""
    yield from set_aside(evidence.sifted)


def set_aside(sifted: Sifted) -> Iterator[Finding]:
    """What was set aside, by reason, the most frequent first."""
    for reason, count, line, text in sifted.counts():
        repeated = reason in REPEATS
        yield Finding(
            "rows",
            "info" if repeated else "warning",
            count,
            f"{counted(count, 'row')} set aside: {reason}, for instance line {line:,}: {cut(text)}",
            "the first of them is used" if repeated else _ADVICE.get(reason, "mend these rows, or leave them out"),
            line,
        )


_ADVICE: Mapping[str, str] = {
    "time unreadable": "write times as 2025-03-01T08:00:00Z, or in seconds since 1970",
    "time in the future": "check the unit and the time zone; a clock may run ahead",
    "time is zero": "fill in the time, or leave these rows out",
    "fewer fields than the header": "a separator is missing; write the file with a CSV library",
    "more fields than the header": "quote fields that hold the separator",
    "quote that is not closed": 'double a quote inside a quoted field ("")',
    "not UTF-8": "save the file as UTF-8, or name its encoding with --encoding",
}


def twin_ids(evidence: Evidence) -> Iterator[Finding]:
    """Ids that are one but for case, blanks, leading zeros or a type that added `.0`."""
    for key, what, known in ((USER_ID, "user", evidence.users), (ITEM_ID, "item", evidence.items)):
        ids = known.select("id")
        same = pl.col("id").str.strip_chars().str.to_lowercase().str.replace(r"^(-?\d+)\.0+$", "${1}")
        twins = (
            ids.with_columns(same.str.replace(r"^0+(\d)", "${1}").alias("as"))
            .filter(pl.len().over("as") > 1)
            .sort("as", "id")
        )
        if twins.is_empty():
            continue
        alike = twins.filter(pl.col("as") == twins["as"][0])["id"].to_list()[:4]
        groups = twins["as"].n_unique()
        yield Finding(
            "twin ids",
            "warning",
            groups,
            f"{counted(groups, f'{what} id')} written in several ways, for instance {', '.join(map(repr, alike))}",
            "write each id in one way; each way counts as another one now",
            evidence.line(evidence.events[key].is_in(alike)),
        )


def times(evidence: Evidence) -> Iterator[Finding]:
    """Whether the times can be those of a log: not all one, not long ago, fine enough to be cut."""
    column = evidence.events[TIMESTAMP]
    first, last, distinct = column.min(), column.max(), column.head(_GLIMPSE).n_unique()
    distinct = distinct if distinct >= 3 else column.n_unique()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return
    if distinct < 3:
        yield Finding(
            "times",
            "error",
            distinct,
            f"the log has {counted(distinct, 'different time')} only: {first:%Y-%m-%d %H:%M:%S}",
            "give the time of each event; without times no split by time is possible",
            evidence.line(column == first),
        )
    elif first < _OLD:
        old = column < _OLD
        yield Finding(
            "times",
            "warning",
            int(old.sum()),
            f"{counted(int(old.sum()), 'event')} before 1990, the first at {first:%Y-%m-%d %H:%M:%S}",
            "right if the rows' order stands in for times; otherwise the unit is wrong (seconds since 1970 are meant)",
            evidence.line(old),
        )
    if distinct >= 3 and all((one.dt.time() == datetime.min.time()).all() for one in (column.head(_GLIMPSE), column)):
        days = column.n_unique()
        yield Finding("times", "info", days, "all times are whole days", "events of one day do not see each other")
    if last > evidence.now:
        soon = column > evidence.now - CLOCKS_DIFFER * 2
        yield Finding(
            "times", "info", int(soon.sum()), f"the newest event is at {last:%Y-%m-%d %H:%M:%S}, ahead of this clock"
        )


def shares(evidence: Evidence) -> Iterator[Finding]:
    """One user or one item that makes up too much of the log."""
    evidence = evidence.done
    for key, what, large, absurd, advice in (
        (USER_ID, "user", LARGE_USER, ABSURD_USER, "a test account, a crawler or a missing id? Leave it out"),
        (ITEM_ID, "item", LARGE_ITEM, ABSURD_ITEM, "a default, a home page or a missing id? Leave it out"),
    ):
        counts = evidence.users if key == USER_ID else evidence.items
        name, count, _ = counts.row(0)
        share = count / len(evidence.events)
        if len(counts) >= CROWD and share >= large:
            yield Finding(
                "shares",
                "error" if share >= absurd else "warning",
                count,
                f"one {what} has {share:.0%} of all events: {name!r}",
                advice,
                evidence.line(evidence.events[key] == name),
            )


def bots(evidence: Evidence) -> Iterator[Finding]:
    """Users with more events in an hour than a person makes."""
    evidence = evidence.done
    busy = evidence.users.filter(pl.col("count") > BOT_EVENTS_AN_HOUR)["id"]
    first, last = evidence.events[TIMESTAMP].min(), evidence.events[TIMESTAMP].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or busy.is_empty():
        return
    if first < _OLD or last - first < timedelta(hours=1):
        return  # the order of rows stands in for times, or there is no hour to speak of
    hours = (pl.col(TIMESTAMP).dt.epoch("s") // 3600).cast(pl.Int32).alias("hour")
    counts = evidence.events.lazy().filter(pl.col(USER_ID).is_in(busy.to_list())).group_by(USER_ID, hours).len()
    most = counts.group_by(USER_ID).agg(pl.col("len").max()).filter(pl.col("len") > BOT_EVENTS_AN_HOUR)
    fast = (
        most.with_columns(pl.col(USER_ID).cast(pl.String))
        .sort("len", USER_ID, descending=[True, False])
        .collect(engine="streaming")
    )
    if len(fast):
        user, count = fast.row(0)
        yield Finding(
            "bots",
            "warning",
            len(fast),
            f"{counted(len(fast), 'user')} with over {BOT_EVENTS_AN_HOUR:,} events in an hour; {user!r} has {count:,}",
            "leave bots out: they teach what nobody wants",
            evidence.line(evidence.events[USER_ID] == user),
        )


def size(evidence: Evidence) -> Iterator[Finding]:
    """Too few events to learn from, or too few of each user."""
    evidence = evidence.done
    rows = len(evidence.events)
    if rows < FEW_EVENTS:
        least = rows < LEAST_EVENTS
        yield Finding(
            "size",
            "error" if least else "warning",
            rows,
            f"{counted(rows, 'event')} only",
            f"give at least {LEAST_EVENTS}" if least else "figures measured on so few events say little",
        )
    counts = evidence.users["count"]
    few = int((counts < FEW_A_USER).sum())
    if few * 2 > len(counts):
        yield Finding(
            "size",
            "warning",
            few,
            f"{few:,} of {len(counts):,} users ({few / len(counts):.0%}) have fewer than {FEW_A_USER} events",
            "they are answered by what everybody takes; features of users help, or sessions as users",
        )


def ratings(evidence: Evidence) -> Iterator[Finding]:
    """Whether there is anything that tells liked from not liked."""
    if RATING not in evidence.events.columns:
        if EVENT_TYPE not in evidence.events.columns:
            yield Finding(
                "ratings", "info", len(evidence.events), "no rating and no event type: every event counts as a success"
            )
        return
    column = evidence.events[RATING]
    missing, low, high = column.null_count(), column.min(), column.max()
    if missing == len(column):
        yield Finding("ratings", "warning", missing, "the column rating is empty", "leave it away")
    elif low == high:
        yield Finding(
            "ratings",
            "warning",
            len(column) - missing,
            f"every rating is {column.drop_nulls()[0]:g}: there are no negatives",
            "leave the column away: every event then counts as a success, and negatives are drawn",
        )
    elif are_binary(column):
        no = -1 if (column == -1).any() else 0
        likes, others = (int((column == value).sum()) for value in (1, no))
        yield Finding(
            "ratings",
            "info",
            likes,
            f"ratings of 1 ({likes:,}) and {no} ({others:,}): only 1 is a success",
            f"what is rated {no} was had none the less, and lists leave it out; what was only shown is no rating: "
            "name such a column click",
        )
    else:
        yield Finding(
            "ratings",
            "info",
            len(column) - missing,
            "ratings from {:g} to {:g}, mean {:.2f}".format(
                *column.to_frame().select(low=pl.all().min(), high=pl.all().max(), mean=pl.all().mean()).row(0)
            ),
            "set positive_rating if only high ones are a success",
        )
        zeros, least = int((column == 0).sum()), column.filter(column > 0).min()
        if low == 0 and least == 1 and zeros > _NOT_RATED * (len(column) - missing):
            yield Finding(
                "ratings",
                "warning",
                zeros,
                f"{zeros / (len(column) - missing):.0%} of the ratings are 0, and no other is under 1",
                "where 0 means that there is no rating, as in logs of books, make these empty: they count as the worst",
                evidence.line(column == 0),
            )
        if missing:
            yield Finding("ratings", "info", missing, f"{counted(missing, 'event')} without a rating")


def cold(evidence: Evidence) -> Iterator[Finding]:
    """How many of the newest events are of users or items that the older ones do not know."""
    evidence = evidence.done
    edge = evidence.edge
    late = int((evidence.events[TIMESTAMP].to_physical() > edge).sum())
    for what, known in (("users", evidence.users), ("items", evidence.items)):
        unknown = known.filter(pl.col("first").to_physical() > edge)
        share = int(unknown["count"].sum()) / max(late, 1)
        if not share:
            continue
        yield Finding(
            "cold",
            "warning" if share > COLD_SHARE else "info",
            len(unknown),
            f"{share:.0%} of the newest fifth of events are of {what} without a past ({len(unknown):,} {what})",
            f"give features of {what}: they are all that is known there" if share > COLD_SHARE else "",
        )


def features(evidence: Evidence) -> Iterator[Finding]:
    """Ids of events that the tables do not describe, and rows of tables that no event names."""
    for key, table, what in ((USER_ID, evidence.log.users, "users"), (ITEM_ID, evidence.log.items, "items")):
        if table is None:
            yield Finding(
                "features",
                "info",
                0,
                f"no features of {what}",
                f"give --{what} FILE if you have them: they carry what is new",
            )
            continue
        ids = (evidence.users if key == USER_ID else evidence.items).select(pl.col("id").alias(key))
        bare, idle = ids.join(table, on=key, how="anti"), table.join(ids, on=key, how="anti")
        if len(bare):
            share = len(bare) / len(ids)
            one = bare[key].sort()[0]
            yield Finding(
                "features",
                "warning" if share > _BARE_SHARE else "info",
                len(bare),
                f"{len(bare):,} of {len(ids):,} {what} ({share:.0%}) are not in the table of {what}, for instance "
                f"{one!r}",
                "are the ids written alike in both files?" if share > _BARE_SHARE else "",
                evidence.line(evidence.events[key] == one),
            )
        if len(idle):
            yield Finding("features", "info", len(idle), f"{len(idle):,} {what} of the table have no event")


def leaks(evidence: Evidence) -> Iterator[Finding]:
    """Features that give the label away, or the item."""
    found = list(giveaways(evidence.log))
    for column, says, strength in found:
        yield Finding(
            "leaks",
            "error" if strength >= 1.0 else "warning",
            1,
            f"the column {column!r} gives the {says} away"
            + (" in every row" if strength >= 1.0 else f" (agreement {strength:.2f})"),
            "it is known only after the event: leave it out (--kind "
            f"{column}=skip), or name it rightly if it is the {says} itself",
        )
    for column in sorted(set(contexts(evidence.events)) - {one for one, _, _ in found}):
        strength = agreement(evidence.events, ITEM_ID, column)
        if strength >= NEARLY:
            yield Finding(
                "leaks",
                "warning",
                1,
                f"the column {column!r} nearly says which item it is (agreement {strength:.2f})",
                "a request can hardly know it: bring it in a table of items (--items), or leave it out (--kind "
                f"{column}=skip)",
            )


CHECKS: Mapping[str, Callable[[Evidence], Iterator[Finding]]] = {
    "rows": rows_aside,
    "twin ids": twin_ids,
    "times": times,
    "shares": shares,
    "bots": bots,
    "size": size,
    "ratings": ratings,
    "event types": event_types,
    "cold": cold,
    "repeats": repeats,
    "returns": returns,
    "features": features,
    "leaks": leaks,
}
"""Name -> check; a check gives no finding where all is well."""
