"""Health: whether the process answers, whether it is ready, what it has counted."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from enterprise_recsys.errors import MissingExtraError
from enterprise_recsys.service.problems import documented, problem
from enterprise_recsys.service.routes import PRIVATE, Alive, Ready, answer

router = APIRouter()


class Health(BaseModel):
    """Whether the service is alive or ready."""

    status: str


class ModelAnswer(BaseModel):
    """The artifact that answers."""

    model_version: str
    items: int
    users: int


# Some that watch ask by HEAD, to which the server sends no body.
@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", response_model=None, responses={200: {"model": Health}})
async def live() -> Response:
    """Whether the process answers; a container that fails this is to be restarted."""
    return answer({"status": "live"})


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", response_model=None, responses={200: {"model": Health}, **documented(503)})
async def ready(recommender: Ready) -> Response:
    """Whether an artifact is loaded; a container that fails this is to get no traffic."""
    return answer({"status": "ready"})


@router.get("/v1/model", response_model=None, responses={200: {"model": ModelAnswer}, **documented(401, 403, 500, 503)})
async def model(recommender: Ready) -> Response:
    """Which artifact answers, and how much it knows."""
    told = {"model_version": recommender.model_version, "items": recommender.n_items, "users": recommender.n_users}
    return answer(told)


@router.get(
    "/metrics",
    response_model=None,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text format."},
        **documented(401, 403, 500, 501, 503),
    },
)
async def metrics(living: Alive) -> Response:
    """What was counted and timed, by all workers of this host, for Prometheus; asks for a key as every other route."""
    counted, recommender = living.metrics, living.recommender
    counted.model(recommender.model_version, recommender.n_items)
    counted.queue(*living.queue())
    try:
        body, media_type = counted.text()
    except MissingExtraError as error:
        return problem(501, "no-metrics", str(error), "Install it where the service runs, and start it again.")
    return Response(body, headers={**PRIVATE, "content-type": media_type})
