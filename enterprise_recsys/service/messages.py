"""Messages: the shapes of requests and answers, with the limits that keep a hostile request cheap."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from enterprise_recsys.asking import Asked
from enterprise_recsys.records import PastItem
from enterprise_recsys.service.cursors import LONGEST
from enterprise_recsys.service.moments import Moment

MOST_ITEMS = 1_000
MOST_EVENTS = 1_000
MOST_VALUES = 100
LONGEST_TEXT = 512
LARGEST_NUMBER = 1e30
"""A number of this size is finite as float32 (3.4e38), and so are modest sums of it."""

# Control signs in an id forge lines in a log and headers in an answer; the pattern is C0, DEL and C1.
Text = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
]
VALUE_TEXT = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{LONGEST_TEXT}}}")
"""`Text` in Python's `re`; here half a surrogate pair must be named, which pydantic refuses in a `str` by itself."""

IGNORED = (
    "Told features that the model can make nothing of: it does not know the name, or the value is of the wrong type."
)

Count = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="Items wanted; a short catalogue gives fewer.")]
Fields = Annotated[
    list[Text],
    Field(
        max_length=MOST_VALUES,
        description="Item columns to show, for instance `item_title`; `tasks`: its chances.",
    ),
]

Filter = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=2_000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    Field(description="What the items must be: `price <= 15 and tags contains 'classic'`; docs/reference.md."),
]
Dial = Annotated[
    float,
    Field(ge=0.0, le=1.0, strict=True, description="0 = by score alone, 1 = no two alike; null: as configured."),
]


def check_value(value: object) -> object:
    """Let a feature's value through if it is one the recommender can take.

    Args:
        value: what JSON held: a finite number, true or false, a text, a list of texts, or null (the same as left out).

    Raises:
        PydanticCustomError: anything else; the message does not repeat the value, which may be huge or unprintable.
    """
    if value is None or isinstance(value, bool) or _is_text(value):
        return value
    if isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER:  # false for NaN
        return value
    if isinstance(value, list) and len(value) <= MOST_VALUES and all(_is_text(each) for each in value):
        return value
    raise PydanticCustomError(
        "feature_value",
        "A feature is a finite number up to 1e30, true, false, null, a text of 1 to 512 signs without control signs, "
        "or a list of at most 100 such texts",
    )


def _whole(value: object) -> object:
    """A number that stands behind a question mark is a text."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,3}", value, re.ASCII) else value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and VALUE_TEXT.fullmatch(value) is not None


Value = Annotated[bool | int | float | str | list[str] | None, BeforeValidator(check_value)]
Values = Annotated[dict[Text, Value], Field(max_length=MOST_VALUES)]


def given(values: Mapping[str, Value] | None) -> dict[str, object] | None:
    """Features without those that are null: null is JSON's way to leave a value out."""
    return None if values is None else {name: value for name, value in values.items() if value is not None}


class Strict(BaseModel):
    """A message with nothing in it that is not known."""

    # Unknown names are refused: a misspelt `excluded` would otherwise change nothing and say nothing.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PopularQuery(Strict):
    """What stands behind the question mark of `GET /v1/popular`."""

    k: Count = 10
    filter: Filter | None = None
    fields: Fields = []


class TrendingQuery(PopularQuery):
    """What stands behind the question mark of `GET /v1/trending`."""

    days: Annotated[Literal[1, 7, 30], BeforeValidator(_whole)] = Field(7, description="Counted are the last days.")


class SimpleQuery(Strict):
    """What stands behind the question mark of `GET /recommend/{user_id}`."""

    k: Count = 10
    fields: Fields = []


def _dated(items: Sequence[str] | None, times: Sequence[datetime | None] | None) -> Sequence[PastItem] | None:
    """The items with their times, where these are told."""
    return items if items is None or times is None else list(zip(items, times, strict=True))


class Asking(Strict):
    """Who asks, and what is known of them right now."""

    user_id: Text | None = Field(None, description="Outside id of the user; null or unknown is fine.")
    history: list[Text] | None = Field(
        None, max_length=MOST_EVENTS, description="Item ids, oldest first. Null: what the service knows of the user."
    )
    history_times: list[Moment] | None = Field(
        None,
        max_length=MOST_EVENTS,
        description="When each item of `history` was taken, ISO 8601; null among them: as the next one. Null: all now.",
    )
    user_features: Values | None = Field(None, description="Features of the user; they win over stored ones.")
    context: Values | None = Field(None, description="Features of this moment: device, hour, place.")
    diversity: Dial | None = None

    @model_validator(mode="after")
    def _as_many_times_as_items(self) -> Asking:
        if self.history_times is not None and len(self.history_times) != len(self.history or ()):
            raise PydanticCustomError(
                "history_times",
                "There are {times} history_times for {items} items of history; it should be one for each",
                {"times": len(self.history_times), "items": len(self.history or ())},
            )
        return self

    def asked(self, *exclude: str) -> Asked:
        """The request as the recommender takes it; `exclude`: further items to leave out."""
        return Asked(
            user_id=self.user_id,
            history=_dated(self.history, self.history_times),
            user_features=given(self.user_features),
            context=given(self.context),
            exclude=exclude,
            diversity=self.diversity,
        )


class Wanting(Asking):
    """And what the list must hold to."""

    k: Annotated[Count, Field(strict=True)] = 10
    filter: Filter | None = None
    include: list[Text] = Field(
        [], max_length=MOST_VALUES, description="Item ids that must appear, as far as filter and exclude allow them."
    )
    exclude: list[Text] = Field([], max_length=MOST_EVENTS, description="Item ids that must not appear.")
    exclude_seen: Annotated[bool, Field(strict=True)] | None = Field(
        None,
        description="Leave out what the user has had: by default, unless the model is one of repeats (of 'elsewhere': "
        "what they had in this very context). Of the history told here that is all of it, or nothing where the "
        "model's positive_event_types say what having is.",
    )
    rules: list[Text] = Field([], max_length=MOST_VALUES, description="Names of configured rules to apply.")

    def asked(self, *exclude: str) -> Asked:
        """The request as the recommender takes it; `exclude`: further items to leave out."""
        return replace(
            super().asked(*self.exclude, *exclude),
            filter=self.filter,
            include=self.include,
            exclude_seen=self.exclude_seen,
            rules=self.rules,
        )


class RecommendRequest(Wanting):
    """A list for somebody, known or not."""

    reasons: Annotated[bool, Field(strict=True)] = Field(
        False, description="Tell what moved each item: rules, features, past items."
    )
    fields: Fields = []
    surface: Text = Field("home", description="Where the list is shown; stands in the slate log.")
    cursor: Annotated[str, Field(strict=True, max_length=LONGEST)] | None = Field(
        None, description="`next_cursor` of the page before, with the same user_id and surface; no item comes twice."
    )
    exclude_served: Annotated[bool, Field(strict=True)] = Field(
        False, description="Leave out what the user was shown on this surface in the last half hour."
    )


class ExplainRequest(Wanting):
    """One item of somebody's list, or one that is not in it."""

    item_id: Text


class SimilarRequest(Strict):
    """Which item, and how many like it."""

    item_id: Text
    k: Annotated[Count, Field(strict=True)] = 10
    filter: Filter | None = None
    fields: Fields = []


class RankRequest(Asking):
    """A list, and whom it should suit."""

    items: list[Text] = Field(max_length=MOST_ITEMS, description="Item ids, in any order; each is answered once.")
    fields: Fields = []


class Item(BaseModel):
    """One place of a list; the fields asked for, and `reasons`, stand beside these three."""

    model_config = ConfigDict(extra="allow")

    item_id: str
    score: float = Field(description="Higher is better; comparable within one list only.")
    rank: int = Field(ge=1, description="1 = the first place, counted on over pages.")


class ShownItem(Item):
    """One place of a list that is in the slate log."""

    sources: list[str] = Field(
        description="What brought it: two_tower, neighbours, trending, popular ...; empty: a rule."
    )
    propensity: float = Field(description="The chance, before the draw, that this item would stand here; 1 = certain.")


class SimpleAnswer(BaseModel):
    """Answer of `GET /recommend/{user_id}`; fallback level and model version stand in the headers."""

    user_id: str
    recommendations: list[Item]


class ListAnswer(BaseModel):
    """A list; it stands in the slate log."""

    recommendation_id: str = Field(description="Names this answer; events that follow it carry it.")
    items: list[ShownItem]
    fallback_level: int = Field(
        description="0 = personal; 1 = user unknown to the model, answered from the history or features given; "
        "2 = nothing known: popular items."
    )
    model_version: str
    took_ms: dict[str, float] = Field(description="Milliseconds of each stage, and `total`, without HTTP.")


class SimilarAnswer(ListAnswer):
    """Items that resemble one item."""

    item_id: str


class PopularAnswer(ListAnswer):
    """What is taken most, by anybody."""


class RecommendAnswer(ListAnswer):
    """A page of a list."""

    user_id: str | None
    ignored: list[str] = Field(description=IGNORED)
    next_cursor: str | None = Field(description="Asks for the page after this one; null where the list ends.")


class RankAnswer(ListAnswer):
    """The given items in the order that suits the user."""

    user_id: str | None
    ignored: list[str] = Field(description=IGNORED)
    unknown: list[str] = Field(description="Given ids that the catalogue does not hold.")


class ExplainAnswer(BaseModel):
    """Where an item stands in the list that the same request would get."""

    item_id: str
    status: Literal[
        "shown", "unknown", "deleted", "excluded", "seen", "filtered", "ruled_out", "not_a_candidate", "outranked"
    ]
    sentence: str = Field(description="The status in words.")
    fallback_level: int
    model_version: str
    rank: int | None = Field(description="Place in the list; null: not in it.")
    sources: list[str] = Field(description="What brought it among the candidates.")
    nearest: int | None = Field(description="Place among all items by likeness to the user; null: nobody is known.")
    ranked: int | None = Field(description="Place among the candidates by score, before rules and diversity.")
    score: float | None
    needed: float | None = Field(description="Score of the list's last item.")
    reasons: list[str] = Field(description="Rules, diversity and pins that moved it.")


class Problem(BaseModel):
    """An error as RFC 9457 has it, with a hint how to mend it."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
