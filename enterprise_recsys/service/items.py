"""Items and users: their features are put, changed and taken away; a user is erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from enterprise_recsys.errors import UnknownItemError
from enterprise_recsys.service.living import Living
from enterprise_recsys.service.messages import Strict, Text, Value, Values
from enterprise_recsys.service.paths import in_path
from enterprise_recsys.service.problems import documented
from enterprise_recsys.service.routes import REFUSALS, Alive, answer
from enterprise_recsys.state.interface import Row, Table

ITEM, USER = in_path("/v1/items", "item_id"), in_path("/v1/users", "user_id")

T = TypeVar("T")

router = APIRouter()


class FeaturesRequest(Strict):
    """Features by column name, in full (`item_title`) or short (`title`)."""

    features: Values = Field(description="Null: missing; in a PATCH it takes the feature away.")


class DeleteUserQuery(Strict):
    """What is taken away of a user."""

    erase: bool = Field(False, description="Everything that is known, not the features alone.")


class ItemAnswer(BaseModel):
    """The item is kept, and can be found by the next request."""

    item_id: str


class UserAnswer(BaseModel):
    """The user's features are kept, and count in the next list."""

    user_id: str


class ErasedRows(BaseModel):
    """What an erasure removed, in rows."""

    events: int
    slates: int
    profiles: int


class DeletedUserAnswer(BaseModel):
    """What was taken away of a user."""

    user_id: str
    erased: ErasedRows | None = Field(description="Null where only the features were taken away.")


@router.put(ITEM, response_model=None, responses={200: {"model": ItemAnswer}, **REFUSALS})
async def put_item(item_id: Text, message: FeaturesRequest, living: Alive) -> Response:
    """Hold an item with these features and no others; a new one can be recommended at once."""
    await _hold(living, "items", item_id, message.features, whole=True)
    return answer({"item_id": item_id})


@router.patch(ITEM, response_model=None, responses={200: {"model": ItemAnswer}, **REFUSALS})
async def patch_item(item_id: Text, message: FeaturesRequest, living: Alive) -> Response:
    """Change some features of an item and keep the others; one that is not known is made."""
    await _hold(living, "items", item_id, message.features, whole=False)
    return answer({"item_id": item_id})


@router.delete(
    ITEM,
    response_model=None,
    responses={200: {"model": ItemAnswer}, **REFUSALS, **documented(404)},
)
async def delete_item(item_id: Text, living: Alive) -> Response:
    """Never show an item again, until it is put anew."""
    if not living.changes.knows_item(item_id):
        raise UnknownItemError("The catalogue does not hold this item.")
    await _written(living, living.store.put("items", item_id, Row(is_gone=True)))
    return answer({"item_id": item_id})


@router.put(USER, response_model=None, responses={200: {"model": UserAnswer}, **REFUSALS})
async def put_user(user_id: Text, message: FeaturesRequest, living: Alive) -> Response:
    """Hold these features of a user and no others; what the user did stays."""
    await _hold(living, "users", user_id, message.features, whole=True)
    return answer({"user_id": user_id})


@router.patch(USER, response_model=None, responses={200: {"model": UserAnswer}, **REFUSALS})
async def patch_user(user_id: Text, message: FeaturesRequest, living: Alive) -> Response:
    """Change some features of a user and keep the others."""
    await _hold(living, "users", user_id, message.features, whole=False)
    return answer({"user_id": user_id})


@router.delete(USER, response_model=None, responses={200: {"model": DeletedUserAnswer}, **REFUSALS})
async def delete_user(user_id: Text, query: Annotated[DeleteUserQuery, Query()], living: Alive) -> Response:
    """Take a user's features away; with `erase=true` all that is known: events, answers, features, history."""
    if not query.erase:
        await _written(living, living.store.put("users", user_id, Row(is_gone=True)))
        return answer({"user_id": user_id, "erased": None})
    living.flush()
    living.expect_erasure(user_id)
    done = await _written(living, living.store.erase(user_id, time.time_ns() // 1000))
    return answer(
        {"user_id": user_id, "erased": {"events": done.events, "slates": done.slates, "profiles": done.profiles}}
    )


async def _hold(living: Living, table: Table, key: str, features: Mapping[str, Value], *, whole: bool) -> None:
    """Keep features of an item or a user, in place of all others or over them; refused before they are stored."""
    check = living.changes.check_item if table == "items" else living.changes.check_user
    check(key, features)
    store = living.store
    await _written(living, store.put(table, key, Row(dict(features))) if whole else store.patch(table, key, features))


async def _written(living: Living, change: Future[T]) -> T:
    """Wait until a change is kept, and have the next answer know it."""
    done = await asyncio.wrap_future(change)
    living.follow()
    return done
