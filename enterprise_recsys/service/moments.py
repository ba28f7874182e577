"""Moments that a message tells: texts in ISO 8601, for a number's unit would be a guess."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

FUTURE_S = 300
"""Seconds that a clock may go ahead of ours; an event from further ahead is a fault of its sender."""


def read_moment(value: object) -> datetime | None:
    """Read a time that an event can have; without a zone it is UTC. A number is refused: its unit would be a guess.

    Raises:
        PydanticCustomError: no ISO 8601, before 1970, or more than FUTURE_S ahead.
    """
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else datetime.max
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = datetime.max.replace(tzinfo=UTC)
    if not 0 <= moment.timestamp() <= time.time() + FUTURE_S:
        raise PydanticCustomError(
            "event_time",
            "A time is a text as 2026-03-01T12:00:00Z, between 1970 and now (five minutes ahead at most)",
        )
    return moment


Moment = Annotated[datetime | None, BeforeValidator(read_moment)]
