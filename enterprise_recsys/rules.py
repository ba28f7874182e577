"""Rules as they are written in the config: named, typed, frozen; `reranking` carries them out."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=64, description="By which requests ask for it, and reasons tell of it.")
    always: bool = Field(False, description="Holds for every list; else only for requests that name it.")


class Only(_Named):
    """Nothing but what a filter lets through; what is to be left out is put as `not (...)`."""

    kind: Literal["only"]
    filter: str = Field(min_length=1, description="Over item fields; the grammar stands in `engine/grammar.py`.")


class Pin(_Named):
    """Items at fixed places, in the order given, as far as they are allowed and unseen."""

    kind: Literal["pin"]
    items: tuple[str, ...] = Field(min_length=1, max_length=100, description="Item ids.")
    place: int = Field(1, ge=1, le=1000, description="The place of the first of them; 1 = the top.")


class Boost(_Named):
    """The scores of some items times a factor, plus an amount."""

    kind: Literal["boost"]
    filter: str = Field(min_length=1, description="Which items.")
    factor: float = Field(1.0, ge=0.0, le=1000.0, description="Under 1 it holds them back.")
    plus: float = Field(0.0, ge=-1000.0, le=1000.0, description="Scores are probabilities of 0 to 1.")


class Cap(_Named):
    """At most so many items with the same value of a field; of several values in a field, each counts."""

    kind: Literal["cap"]
    field: str = Field(min_length=1, description="A column of the items; the prefix `item_` may be left out.")
    most: int = Field(ge=1, le=1000)


class Window(_Named):
    """Only items whose time lies within the last days; those without a time are left out."""

    kind: Literal["window"]
    field: str = Field(min_length=1, description="A column of the items that holds a time.")
    days: float = Field(gt=0.0, le=36_500.0)


class Decay(_Named):
    """Scores halve with every so many days of age; an item without a time counts as very old."""

    kind: Literal["decay"]
    field: str = Field(min_length=1, description="A column of the items that holds a time.")
    half_life_days: float = Field(gt=0.0, le=36_500.0)
    least: float = Field(0.1, ge=0.0, le=1.0, description="What is left of the score of a very old item.")


Rule: TypeAlias = Annotated[Only | Pin | Boost | Cap | Window | Decay, Field(discriminator="kind")]
