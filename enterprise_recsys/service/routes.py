"""Routes: each endpoint checks a message, makes one call on the recommender and writes JSON."""

from __future__ import annotations

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
    Strict,
    Text,
    TrendingQuery,
)
from enterprise_recsys.service.paths import in_path
from enterprise_recsys.service.problems import documented
from enterprise_recsys.service.slates import Page, Shown

# An answer is for one person: no cache between us and them may keep it.
PRIVATE = {"Cache-Control": "no-store"}
REFUSALS = documented(400, 401, 403, 408, 413, 422, 500, 503)

_LOGGED = ("propensity", "sources")

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
@router.get(in_path("/recommend", "user_id"), response_model=None, responses={200: {"model": SimpleAnswer}, **REFUSALS})
async def recommend_simple(user_id: Text, query: Annotated[SimpleQuery, Query()], living: Alive) -> Response:
    """Items for a user, best first. Headers: `X-Recommendation-Id`, `X-Fallback-Level` and `X-Model-Version`."""
    page = Page(living, user_id, query.k, "home")
    found = living.recommender.recommend(user_id, page.depth, fields=query.fields)
    shown = page.shown(found)
    # This route's body is fixed: no propensity in it.
    items = [{name: value for name, value in item.items() if name not in _LOGGED} for item in shown.items]
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
    page = Page(
        living,
        message.user_id,
        message.k,
        message.surface,
        cursor=message.cursor,
        exclude_served=message.exclude_served,
    )
    asked = message.asked(*page.exclude)
    found = living.recommender.answer(asked, page.depth, reasons=message.reasons, fields=message.fields)
    shown = page.shown(found)
    told = {"user_id": message.user_id, "ignored": found.ignored, "next_cursor": shown.next_cursor}
    return answer({**told, **_told(found, shown)})


@router.post("/v1/rank", response_model=None, responses={200: {"model": RankAnswer}, **REFUSALS})
async def rank(message: RankRequest, living: Alive) -> Response:
    """Given items in the order that suits a user; ids that the catalogue does not hold are told."""
    found = living.recommender.ranked(message.asked(), message.items, fields=message.fields)
    shown = Page(living, message.user_id, len(found), "rank", route="rank").shown(found)
    told = {"user_id": message.user_id, "ignored": found.ignored, "unknown": found.unknown}
    return answer({**told, **_told(found, shown)})


@router.get("/v1/popular", response_model=None, responses={200: {"model": PopularAnswer}, **REFUSALS})
async def popular(query: Annotated[PopularQuery, Query()], living: Alive) -> Response:
    """What was taken most of all time, by anybody; scores are shares of the largest count."""
    page = Page(living, None, query.k, "popular", route="popular")
    found = living.recommender.popular_items(page.depth, filter=query.filter, fields=query.fields)
    return answer(_told(found, page.shown(found)))


@router.get("/v1/trending", response_model=None, responses={200: {"model": PopularAnswer}, **REFUSALS})
async def trending(query: Annotated[TrendingQuery, Query()], living: Alive) -> Response:
    """What was taken most in the last 1, 7 or 30 days, by anybody."""
    page = Page(living, None, query.k, "trending", route="trending")
    found = living.recommender.trending_items(page.depth, days=query.days, filter=query.filter, fields=query.fields)
    return answer(_told(found, page.shown(found)))


@router.post(
    "/v1/similar", response_model=None, responses={200: {"model": SimilarAnswer}, **REFUSALS, **documented(404)}
)
async def similar(message: SimilarRequest, living: Alive) -> Response:
    """Items that resemble an item, most alike first."""
    page = Page(living, None, message.k, f"similar:{message.item_id}", route="similar")
    found = living.recommender.similar_items(message.item_id, page.depth, filter=message.filter, fields=message.fields)
    return answer({"item_id": message.item_id, **_told(found, page.shown(found))})


def answer(content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Response:
    """JSON; scores may be numpy numbers, which only orjson's option writes."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, headers={**PRIVATE, **(headers or {})}, media_type="application/json")


def _told(found: Recommendations, shown: Shown) -> dict[str, object]:
    """What every answer with a list tells."""
    return {
        "recommendation_id": shown.recommendation_id,
        "items": shown.items,
        "fallback_level": found.fallback_level,
        "model_version": found.model_version,
        "took_ms": found.took_ms,
    }


DIRECT: dict[str, type[Strict]] = {
    "/v1/recommend": RecommendRequest,
    "/v1/rank": RankRequest,
    "/v1/similar": SimilarRequest,
}
"""Routes that `Direct` answers: path -> the shape of the message."""
