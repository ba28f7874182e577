"""Problems: every fault leaves as problem JSON (RFC 9457) with a hint, and never repeats hostile input."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from enterprise_recsys.errors import BusyError, ConfigError, NotFittedError, StoreError, UnknownItemError
from enterprise_recsys.service.messages import Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
LARGEST_BODY_BYTES = 1 << 20
LONGEST_BODY_S = 10.0

SHAPE_HINT = "The shape of every request and its limits stand at /docs; send JSON as `Content-Type: application/json`."
FILTER_HINT = (
    "A filter compares fields of the items: price <= 50 and genres contains 'Drama' and not (year in [1999, 2000]); "
    "texts stand in quotes."
)

# status -> (last part of `type`, hint) for faults that no handler below knows better.
KINDS: dict[int, tuple[str, str]] = {
    400: ("unreadable", "Send valid JSON in UTF-8, nested a few levels at most."),
    404: ("unknown-route", "The routes are listed at /docs; an id in a path is percent-encoded (`a%2Fb`)."),
    405: ("wrong-method", "The `Allow` header names the methods of this route; /docs lists all routes."),
    408: ("too-slow", f"A body is read for {LONGEST_BODY_S:g} seconds at most; send it again."),
    413: ("too-large", f"A body holds at most {LARGEST_BODY_BYTES} bytes; send fewer or shorter values."),
    422: ("invalid", SHAPE_HINT),
    500: ("internal", "The fault is ours; the service's log has the details."),
    503: ("not-ready", "The service is still loading its artifact; ask again in a moment, or watch /health/ready."),
}

# What may be repeated of a field's name: it is a short plain word, so it can neither break JSON nor forge a log line.
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
MOST_FAULTS = 3


def problem(status: int, kind: str, detail: str, hint: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Write a fault as problem JSON.

    Args:
        status: HTTP status, 400..599; its standard phrase becomes the title.
        kind: short name of the kind of fault, the last part of `type`.
        detail: what is wrong and what was got, in one sentence.
        hint: what would be right.
        headers: further headers of the answer.

    Source: RFC 9457, section 3. `hint` is an extension member.
    """
    content = {
        "type": f"urn:problem-type:recsys:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "hint": hint,
    }
    return Response(orjson.dumps(content), status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The part of OpenAPI's `responses` that says these statuses are answered as problem JSON."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def handle_problems(app: FastAPI) -> None:
    """Have every error of an app answered as problem JSON."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(UnknownItemError, _on_unknown_item)
    app.add_exception_handler(ConfigError, _on_config)
    app.add_exception_handler(NotFittedError, _on_not_ready)
    app.add_exception_handler(BusyError, _on_busy)
    app.add_exception_handler(StoreError, _on_store)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_anything)


# Handlers are `async`: Starlette would send a plain function to a thread, which costs more than the answer.
async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(422, *_explain(error.errors()))


async def _on_unknown_item(request: Request, error: Exception) -> Response:
    return problem(
        404, "unknown-item", str(error), "Item ids are strings, written exactly as in the log that was learnt."
    )


async def _on_config(request: Request, error: Exception) -> Response:
    hint = FILTER_HINT if str(error).startswith("the filter") else SHAPE_HINT
    return problem(422, "invalid", str(error), hint)


async def _on_not_ready(request: Request, error: Exception) -> Response:
    kind, hint = KINDS[503]
    return problem(503, kind, str(error), hint, headers={"Retry-After": "1"})


async def _on_busy(request: Request, error: Exception) -> Response:
    hint = "Nothing of this request was kept; send it again in a moment."
    return problem(503, "busy", str(error), hint, headers={"Retry-After": "1"})


async def _on_store(request: Request, error: Exception) -> Response:
    logger.error("%s", error)  # the sentence may name a path, which is for whoever runs the service
    hint = "Lists are answered all the same. Send it again later; the service's log has the details."
    return problem(503, "store", "The service could not keep this.", hint, headers={"Retry-After": "5"})


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind, hint = KINDS.get(error.status_code, ("http", SHAPE_HINT))
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "There is no route under this path."
    elif error.status_code == 405:
        detail = "This route does not take this method."
    return problem(error.status_code, kind, detail, hint, headers=error.headers)


async def _on_anything(request: Request, error: Exception) -> Response:
    # The server logs the traceback; the client learns nothing of the inside.
    kind, hint = KINDS[500]
    return problem(500, kind, "The service failed while it made this answer.", hint)


def _explain(faults: Sequence[Mapping[str, object]]) -> tuple[str, str, str]:
    """Say where a request broke its shape: kind, detail and hint; of the input only plain field names are shown."""
    sentences: dict[str, None] = {}  # an ordered set: a union reports the same place once per branch
    for fault in faults:
        location = fault["loc"]
        assert isinstance(location, tuple)
        sentences.setdefault(f"{_place(location)}: {_reason(str(fault['type']), str(fault['msg']))}")
    shown = list(sentences)[:MOST_FAULTS]
    more = len(sentences) - len(shown)
    return "invalid", "; ".join(shown) + (f"; and {more} more" if more else "") + ".", SHAPE_HINT


def _place(location: Sequence[object]) -> str:
    """Name a place in the request, `body.exclude[3]`, without repeating names that the client made up badly."""
    name = ""
    for step in location:
        if isinstance(step, int):
            name += f"[{step}]"
        elif PLAIN_NAME.fullmatch(str(step)):
            name += f".{step}" if name else str(step)
        else:
            name += ".(name not shown)"
    return name


def _reason(kind: str, message: str) -> str:
    if kind == "json_invalid":
        return "this is not valid JSON (the brackets hold the place in the text)"
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "string_pattern_mismatch":
        return "the text holds a control sign (NUL, line feed ...)"
    return message[:1].lower() + message[1:].removesuffix(".")
