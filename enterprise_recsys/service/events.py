"""Events: what users do comes in, is kept, and changes the next list."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from enterprise_recsys.service.messages import LARGEST_NUMBER, MOST_EVENTS, Strict, Text, Values, given
from enterprise_recsys.service.moments import Moment
from enterprise_recsys.service.routes import REFUSALS, Alive, answer
from enterprise_recsys.state.interface import Event

router = APIRouter()


class EventMessage(Strict):
    """One event."""

    user_id: Text
    item_id: Text
    event_type: Text = Field(
        "interaction", description="view, buy ...: as in the training log; see `hints` of the answer."
    )
    rating: Annotated[float, Field(strict=True, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)] | None = None
    timestamp: Moment = Field(None, description="ISO 8601; UTC where no zone is given. Null: now.")
    event_id: Text | None = Field(
        None, description="An id of your own: the same event sent twice counts once. Null: each counts."
    )
    session_id: Text | None = None
    recommendation_id: Text | None = Field(None, description="Of the answer that the event follows.")
    position: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = Field(
        None, description="The item's rank in that answer."
    )
    context: Values | None = Field(
        None,
        description="Of the moment (device, place), as requests tell it: where lists may hold what a user had, later "
        "requests are compared to it. All of it is kept; see `ignored`.",
    )

    def event(self, now: int) -> Event:
        """The event as it is kept; `now` in microseconds."""
        moment = now if self.timestamp is None else int(self.timestamp.timestamp() * 1_000_000)
        return Event(
            self.event_id or uuid.uuid4().hex,
            self.user_id,
            self.item_id,
            moment,
            self.event_type,
            self.rating,
            self.session_id,
            self.recommendation_id,
            self.position,
            given(self.context) or {},
        )


class EventsRequest(Strict):
    """A batch of events."""

    events: list[EventMessage] = Field(min_length=1, max_length=MOST_EVENTS)


class EventsAnswer(BaseModel):
    """What became of a batch; what is counted here is kept for good, and in the next list."""

    stored: int
    duplicates: int = Field(description="Events whose event_id was known.")
    erased: int = Field(description="Events from before their user's erasure, which are not kept.")
    hints: int = Field(
        description="Events of the batch that are of none of the model's positive_event_types, such as views where "
        "buys are the success: they change the next list, and their items stay in it. Those of its "
        "impression_event_types are counted too: they are kept for the next training, and change no list. 0 where the "
        "model has none."
    )
    ignored: list[str] = Field(
        description="Names in contexts of the batch that this model can make nothing of; they are kept all the same."
    )


@router.post("/v1/events", response_model=None, responses={200: {"model": EventsAnswer}, **REFUSALS})
async def append_events(message: EventsRequest, living: Alive) -> Response:
    """Keep up to 1,000 events; the next list of each of their users knows them, on every worker."""
    now = time.time_ns() // 1000
    events = [one.event(now) for one in message.events]
    done = await asyncio.wrap_future(living.store.append(events))
    living.follow()
    living.metrics.events(stored=done.stored, duplicates=done.duplicates, erased=done.erased)
    hints = living.changes.hints([one.event_type for one in events])
    ignored = living.changes.unknown_context([one.context for one in events])
    counts = {"stored": done.stored, "duplicates": done.duplicates, "erased": done.erased, "hints": hints}
    return answer({**counts, "ignored": ignored})
