"""Which column is which: the names that logs use in the wild are recognised, told, and refused where two would do."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import (
    EVENT_ID,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    RECOMMENDATION_ID,
    REQUIRED,
    SESSION_ID,
    TIMESTAMP,
    USER_ID,
)

logger = logging.getLogger("enterprise_recsys")

# RecBole writes a column's type behind its name: user_id:token.
_TYPE_SUFFIX = re.compile(r":(token|float|token_seq|float_seq)$")

ALIASES: Mapping[str, tuple[str, ...]] = {
    USER_ID: (
        *("userId", "userID", "user", "uid", "visitor_id", "visitor", "customer_id", "customer", "client_id"),
        *("member_id", "account_id", "reviewer_id", "reviewerID", "USER_ID"),
    ),
    ITEM_ID: (
        *("itemId", "itemID", "item", "iid", "movieId", "movie", "product_id", "product", "book_id", "asin"),
        *("parent_asin", "article_id", "artist_id", "track_id", "song_id", "game_id", "video_id", "content_id"),
        *("sku", "ITEM_ID"),
        *("app_id", "news_id", "recipe_id", "anime_id", "course_id", "business_id", "venue_id", "location_id"),
        *("poi_id", "place_id", "hotel_id", "listing_id"),
    ),
    TIMESTAMP: (
        *("datetime", "time", "ts", "created_at", "event_timestamp", "event_time", "date", "unixtime"),
        *("unixReviewTime", "occurred_at", "check-in time", "t_dat", "TIMESTAMP"),
    ),
    RATING: ("score", "stars", "overall"),
    EVENT_TYPE: ("event", "eventType", "FeedbackType", "action"),
}
"""Canonical name -> names read as it when it is absent and exactly one of them is there; see `meant`."""

_HINTS: Mapping[str, tuple[str, ...]] = {USER_ID: ("session",), TIMESTAMP: ("time", "date")}
"""In the name of a column that may be meant, and is named to the caller but not taken: sessions may stand for users."""


def plain(name: str) -> str:
    """A name as it is compared: without case, `_`, `-`, blanks and RecBole's type.

    >>> plain("User-ID"), plain("user_id:token")
    ('userid', 'userid')
    """
    return re.sub(r"[\s_.-]", "", _TYPE_SUFFIX.sub("", name.strip())).lower()


_TEXT = {EVENT_TYPE, EVENT_ID, SESSION_ID, RECOMMENDATION_ID, USER_ID, ITEM_ID}
_PLAIN = {plain(alias): canonical for canonical, names in ALIASES.items() for alias in (canonical, *names)}
_ORDER = list(_PLAIN)


def meant(name: str) -> str | None:
    """The canonical column that a name is likely to mean, or None.

    >>> meant("visitorid"), meant("label")
    ('user_id', None)
    """
    return _PLAIN.get(plain(name))


def is_id(name: str, columns: Mapping[str, str]) -> bool:
    """Whether a column is one of users or items by its name; `columns`: own name -> canonical name."""
    return (columns.get(name) or meant(name) or name) in (USER_ID, ITEM_ID)


def stays_text(name: str, columns: Mapping[str, str]) -> bool:
    """Whether a column is text by its name, even where all its cells are numbers."""
    return (columns.get(name) or meant(name) or name) in _TEXT


_VALUE = re.compile(r"[-+]?[\d.,:/TZ -]*\d[\d.,:/TZ -]*")

_AS_LONG_AS_A_TIME = 8

NO_HEADER = "its first line looks like a row and not like names: put a line of names before it"


def are_values(names: list[str]) -> bool:
    """Whether what should be names of columns are the cells of a row.

    Two or more are numbers or times, one of them as long as a time is, and none is a name that is known.

    >>> are_values(["1", "2652760", "pv", "1511578454"]), are_values(["user", "2023", "2024"])
    (True, False)
    """
    values = [name for name in names if _VALUE.fullmatch(name)]
    return len(values) >= 2 and max(map(len, values)) >= _AS_LONG_AS_A_TIME and not any(map(meant, names))


def renames(
    found: list[str], needed: tuple[str, ...], columns: Mapping[str, str], name: str, *, told: bool = True
) -> dict[str, str]:
    """How a frame's columns must be renamed: by the caller's word first, then by the aliases.

    Args:
        found: the frame's columns.
        needed: canonical columns that must be there: `REQUIRED` for a log, the id for a table.
        columns: the caller's own name -> canonical name; names that the frame lacks are passed over.
        name: where the frame came from, for messages.
        told: log each alias that was taken.

    Raises:
        DataError: a needed column is missing or two could be it, or two columns would get one name.
    """
    own = {old: new for old, new in columns.items() if old in found and old != new}
    after = [own.get(column, column) for column in found]
    if twice := sorted({column for column in after if after.count(column) > 1}):
        raise DataError(
            f"columns= makes two columns named {twice[0]!r} in {name}; found: {', '.join(found)}. "
            "Drop one of them, or rename only one."
        )
    result = dict(own)
    is_log = TIMESTAMP in needed
    for canonical in (*REQUIRED, RATING, EVENT_TYPE) if is_log else needed:
        if canonical in after:
            continue
        likely = _likely(after, canonical, is_table=not is_log)
        if len(likely) == 1:
            if told:
                logger.info("%s: column %r is read as %r", name, likely[0], canonical)
            before = next(old for old, new in zip(found, after, strict=True) if new == likely[0])
            result[before] = canonical
            after = [canonical if column == likely[0] else column for column in after]
        elif canonical in needed:
            raise DataError(_missing(canonical, dict(zip(after, found, strict=True)), likely, name))
        elif likely and told:
            logger.info("%s: %s could be %r; none is taken", name, " or ".join(map(repr, likely)), canonical)
    return result


def _likely(found: Iterable[str], canonical: str, *, is_table: bool) -> list[str]:
    likely = [column for column in found if meant(column) == canonical]
    likely.sort(key=lambda column: _ORDER.index(plain(column)))  # the likeliest is named first
    if any(plain(column) == "parentasin" for column in likely):  # an asin beside it is a variant: a size, a colour
        likely = [column for column in likely if plain(column) != "asin"]
    if is_table and not likely:  # a table of books calls the book's id "id"
        likely = [column for column in found if plain(column) == "id"]
    return likely


def _missing(canonical: str, found: dict[str, str], likely: list[str], name: str) -> str:
    """What to say of a column that is not there; `found`: what each column is read as -> its own name."""
    if are_values(list(found.values())):
        return f"{name}: {NO_HEADER}, such as user_id,item_id,timestamp; found: {', '.join(list(found.values())[:30])}."
    likely = likely or [one for one in found if any(word in plain(one) for word in _HINTS.get(canonical, ()))]
    several = f"; it could be {' or '.join(map(repr, likely))}" if likely else ""
    names = [old if old == new else f"{old} (read as {new})" for new, old in found.items()]
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30:,} more" if len(names) > 30 else "")
    without = (
        " A log without times whose rows stand in order of time: number them before it is cut, "
        f"log[{TIMESTAMP!r}] = range(1, len(log) + 1) (--row-order-as-time)."
        if canonical == TIMESTAMP and not likely
        else ""
    )
    own = likely[0] if len(likely) == 1 else "its name"
    return (
        f"column {canonical!r} is missing in {name}; found: {shown}{several}. "
        f"Rename it (--column '{own}={canonical}').{without}"
    )
