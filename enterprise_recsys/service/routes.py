"""Routes: each endpoint checks a message, makes one call on the recommender and writes JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from enterprise_recsys.answers import Recommendations
from enterprise_recsys.errors import NotFittedError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.living import Living
from enterprise_recsys.service.messages import (
    Health,
    PopularAnswer,
    PopularQuery,
    RankAnswer,
    RankRequest,
    RecommendAnswer,
    RecommendRequest,
    SimilarAnswer,
    SimilarRequest,
    SimpleAnswer,
    SimpleQuery,
    Text,
    TrendingQuery,
    Value,
)
from enterprise_recsys.service.problems import documented
from enterprise_recsys.service.slates import Page

# An answer is for one person: no cache between us and them may keep it.
PRIVATE = {"Cache-Control": "no-store"}
REFUSALS = documented(400, 401, 403, 413, 422, 500, 503)

router = APIRouter()


async def ready_recommender(request: Request) -> Recommender:
    """The recommender that the lifespan loaded.

    Raises:
        NotFittedError: no artifact is loaded yet; answered with 503.
    """
    recommender: Recommender | None = request.app.state.recommender
    if recommender is None:
        raise NotFittedError("No artifact is loaded yet.")
    return recommender


async def living_of(request: Request) -> Living:
    """The recommender with its store.

    Raises:
        NotFittedError: no artifact is loaded yet; answered with 503.
    """
    living: Living | None = request.app.state.living
    if living is None:
        raise NotFittedError("No artifact is loaded yet.")
    return living


Ready = Annotated[Recommender, Depends(ready_recommender)]
Alive = Annotated[Living, Depends(living_of)]


# `response_model=None` and a ready-made Response: validating our own answer again would cost more than making it.
@router.get("/recommend/{user_id}", response_model=None, responses={200: {"model": SimpleAnswer}, **REFUSALS})
async def recommend_simple(user_id: Text, query: Annotated[SimpleQuery, Query()], living: Alive) -> Response:
    """Items for a user, best first. Headers: `X-Recommendation-Id`, `X-Fallback-Level` and `X-Model-Version`."""
    page = Page(living, user_id, query.k, "home")
    found = living.recommender.recommend(user_id, page.depth, fields=query.fields)
    shown = page.shown(found)
    # This route's body is fixed: no propensity in it.
    items = [{name: value for name, value in item.items() if name != "propensity"} for item in shown.items]
    headers = {
        "X-Recommendation-Id": shown.recommendation_id,
        "X-Fallback-Level": str(found.fallback_level),
        # A header holds printable ASCII only; the exact version stands in the body of POST /v1/recommend.
        "X-Model-Version": "".join(sign if " " < sign <= "~" else "?" for sign in found.model_version),
    }
    return answer({"user_id": user_id, "recommendations": items}, headers)


@router.post("/v1/recommend", response_model=None, responses={200: {"model": RecommendAnswer}, **REFUSALS})
async def recommend(message: RecommendRequest, living: Alive) -> Response:
    """Items for a user, known or not, from what is stored and what the request tells."""
    start = time.perf_counter()
    page = Page(
        living,
        message.user_id,
        message.k,
        message.surface,
        cursor=message.cursor,
        exclude_served=message.exclude_served,
    )
    found = living.recommender.recommend(
        message.user_id,
        page.depth,
        history=message.history,
        user_features=_given(message.user_features),
        context=_given(message.context),
        filter=message.filter,
        include=message.include,
        exclude=[*message.exclude, *page.exclude],
        exclude_seen=message.exclude_seen,
        diversity=message.diversity,
        rules=message.rules,
        reasons=message.reasons,
        fields=message.fields,
    )
    shown = page.shown(found)
    return answer(
        {
            "recommendation_id": shown.recommendation_id,
            **_personal(message.user_id, found, start),
            "items": shown.items,
            "next_cursor": shown.next_cursor,
        }
    )


@router.post("/v1/rank", response_model=None, responses={200: {"model": RankAnswer}, **REFUSALS})
async def rank(message: RankRequest, recommender: Ready) -> Response:
    """Given items in the order that suits a user; ids that the catalogue does not hold are told."""
    start = time.perf_counter()
    found = recommender.rank(
        message.user_id,
        message.items,
        history=message.history,
        user_features=_given(message.user_features),
        context=_given(message.context),
        diversity=message.diversity,
        fields=message.fields,
    )
    return answer({**_personal(message.user_id, found, start), "unknown": found.unknown})


@router.get("/v1/popular", response_model=None, responses={200: {"model": PopularAnswer}, **REFUSALS})
async def popular(query: Annotated[PopularQuery, Query()], recommender: Ready) -> Response:
    """What was taken most of all time, by anybody; scores are shares of the largest count."""
    start = time.perf_counter()
    return answer(_common(recommender.popular_items(query.k, filter=query.filter, fields=query.fields), start))


@router.get("/v1/trending", response_model=None, responses={200: {"model": PopularAnswer}, **REFUSALS})
async def trending(query: Annotated[TrendingQuery, Query()], recommender: Ready) -> Response:
    """What was taken most in the last 1, 7 or 30 days, by anybody."""
    start = time.perf_counter()
    found = recommender.trending_items(query.k, days=query.days, filter=query.filter, fields=query.fields)
    return answer(_common(found, start))


@router.post(
    "/v1/similar", response_model=None, responses={200: {"model": SimilarAnswer}, **REFUSALS, **documented(404)}
)
async def similar(message: SimilarRequest, living: Alive) -> Response:
    """Items that resemble an item, most alike first."""
    start = time.perf_counter()
    page = Page(living, None, message.k, f"similar:{message.item_id}")
    found = living.recommender.similar_items(message.item_id, page.depth, filter=message.filter, fields=message.fields)
    shown = page.shown(found)
    return answer(
        {
            "recommendation_id": shown.recommendation_id,
            "item_id": message.item_id,
            **_common(found, start),
            "items": shown.items,
        }
    )


@router.get("/health/live", response_model=None, responses={200: {"model": Health}})
async def live() -> Response:
    """Whether the process answers; a container that fails this is to be restarted."""
    return answer({"status": "live"})


@router.get("/health/ready", response_model=None, responses={200: {"model": Health}, **documented(503)})
async def ready(recommender: Ready) -> Response:
    """Whether an artifact is loaded; a container that fails this is to get no traffic."""
    return answer({"status": "ready"})


def answer(content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    """JSON; scores may be numpy numbers, which only orjson's option writes."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers={**PRIVATE, **(headers or {})}, media_type="application/json")


def _common(found: Recommendations, start: float) -> dict[str, object]:
    return {"items": found, "model_version": found.model_version, "took_ms": _milliseconds_since(start)}


def _personal(user_id: str | None, found: Recommendations, start: float) -> dict[str, object]:
    return {"user_id": user_id, "fallback_level": found.fallback_level, **_common(found, start)}


def _given(values: Mapping[str, Value] | None) -> dict[str, object] | None:
    """Features without those that are null: null is JSON's way to leave a value out."""
    return None if values is None else {name: value for name, value in values.items() if value is not None}


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 3)
