"""Explain: why an item stands in somebody's list, or what kept it out."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response

from enterprise_recsys.explaining import explain
from enterprise_recsys.service.messages import ExplainAnswer, ExplainRequest
from enterprise_recsys.service.routes import REFUSALS, Ready, answer

router = APIRouter()


@router.post("/v1/explain", response_model=None, responses={200: {"model": ExplainAnswer}, **REFUSALS})
async def explain_item(message: ExplainRequest, recommender: Ready) -> Response:
    """Why an item is in the list that POST /v1/recommend gives for the same fields, or why not; nothing is logged."""
    told = explain(recommender, message.asked(), message.item_id, message.k)
    return answer(asdict(told))
