"""Checks of what the events of a log mean: which types there are, and what people take again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import polars as pl

from enterprise_recsys.data.faults import counted
from enterprise_recsys.data.findings import Evidence, Finding
from enterprise_recsys.data.owners import contexts
from enterprise_recsys.records import EVENT_TYPE, IMPRESSION, ITEM_ID, TIMESTAMP, USER_ID

CROWD = 20
"""More different types than this are none; and shares of one user or item say something only among so many."""
REPEATED_SHARE, _ASKED_USERS = 0.2, 20_000
"""Share of the newest events that repeat older ones, from which on it is told; users that are looked at, at most."""
_BOUGHT = ("buy", "bought", "purchase", "order", "transaction", "checkout")
"""In the name of an event type: likely what a shop calls a success."""
_AMOUNTS, _FEW_RETURNS = ("quantity", "qty", "amount", "units"), 0.5
"""In the name of a column: likely how much was taken; and the share of the events that is below 0 where it is."""
_SHOWN = ("impress", "shown", "exposure", "display")
"""In the name of an event type: likely what a user saw in a list, taken or not."""


def event_types(evidence: Evidence) -> Iterator[Finding]:
    """Which kinds of event there are."""
    if EVENT_TYPE not in evidence.events.columns:
        return
    counts = evidence.events[EVENT_TYPE].drop_nulls().value_counts(sort=True)
    listed = ", ".join(f"{kind} {count:,}" for kind, count in counts.head(6).iter_rows())
    many = len(counts) > CROWD
    shown = _likely(evidence, _SHOWN)
    kinds = [kind for kind in counts[EVENT_TYPE].cast(pl.String).to_list() if kind not in shown]
    advice = []
    if shown and kinds:
        advice.append("what was shown is nothing that a user did, and teaches the ranker alone")
        if shown != [IMPRESSION]:
            said = shlex.quote(f"impression_event_types={','.join(shown)}")
            advice[0] = f"what was shown is nothing that a user did: train with --set {said}"
    if len(kinds) > 1:
        said = shlex.quote(f"positive_event_types={(_likely(evidence, _BOUGHT) or kinds[-1:])[0]}")
        advice.append(
            "each counts as a success, and as having had the item, unless you say which do: train for instance with "
            f"--set {said}, and the others are hints; or weigh them with --event-weight"
        )
    yield Finding(
        "event types",
        "warning" if many else "info",
        len(counts),
        f"{counted(len(counts), 'event type')}: {listed}",
        "is this column the type of the event?" if many else "; ".join(advice),
    )


def _likely(evidence: Evidence, words: tuple[str, ...]) -> list[str]:
    """The event types whose names hold one of some words, the commonest first."""
    if EVENT_TYPE not in evidence.events.columns:
        return []
    kinds = evidence.events[EVENT_TYPE].drop_nulls().value_counts(sort=True)[EVENT_TYPE].cast(pl.String).to_list()
    return [kind for kind in kinds if any(word in kind.lower() for word in words)]


def returns(evidence: Evidence) -> Iterator[Finding]:
    """Events that take something back, told by an amount below 0."""
    for name in contexts(evidence.events):
        column = evidence.events[name]
        if not column.dtype.is_numeric() or not any(word in name.lower() for word in _AMOUNTS):
            continue
        below = (column < 0).fill_null(False)
        if 0 < below.sum() < _FEW_RETURNS * len(column):
            yield Finding(
                "returns",
                "warning",
                int(below.sum()),
                f"{counted(int(below.sum()), 'event')} with {name!r} below 0",
                "what was given back counts as taken: leave these rows out",
                evidence.line(below),
            )


def repeats(evidence: Evidence) -> Iterator[Finding]:
    """Whether people take again what they had: then lists that leave it out miss what is wanted.

    Where events have types, a buy after the view is nothing that is taken again, and a second buy is; what is shown
    again is not taken.
    """
    shown = _likely(evidence, _SHOWN)
    is_late = pl.col(TIMESTAMP).to_physical() > evidence.edge
    some = evidence.users["id"].head(_ASKED_USERS).implode()
    typed = [EVENT_TYPE] if EVENT_TYPE in evidence.events.columns else []
    keys = [USER_ID, ITEM_ID, *typed]
    frame = evidence.events.lazy().filter(pl.col(USER_ID).is_in(some))
    if shown:
        frame = frame.filter(~pl.col(EVENT_TYPE).is_in(shown).fill_null(False))
    events = frame.select(*keys, late=is_late).collect()
    late = events.filter("late")
    again = late.join(events.filter(~pl.col("late")), on=keys, how="semi", nulls_equal=True)
    if len(again) <= REPEATED_SHARE * len(late):
        return
    message = f"{len(again) / len(late):.0%} of the newest fifth of events are of items that their user had before"
    if typed:
        kinds = late.group_by(EVENT_TYPE).len().join(again.group_by(EVENT_TYPE).len("again"), on=EVENT_TYPE, how="left")
        shares = kinds.sort("len", EVENT_TYPE, descending=[True, False]).head(6).fill_null(0).iter_rows()
        message += ", by an event of the same type: " + ", ".join(f"{kind} {n / of:.0%}" for kind, of, n in shares)
    yield Finding(
        "repeats",
        "info",
        len(again),
        message,
        "lists leave out what a user had, and count it as no hit; if people want things again, as with songs, apps "
        "and groceries, train with --set repeats=true",
    )
