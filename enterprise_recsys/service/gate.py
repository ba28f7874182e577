"""The gate before every route: no key, no entry; no body over its limit; one line when the start fails."""

from __future__ import annotations

import asyncio
import sys

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from enterprise_recsys.errors import RecsysError
from enterprise_recsys.service.problems import KINDS, LARGEST_BODY_BYTES, LONGEST_BODY_S, problem
from enterprise_recsys.service.settings import API_KEYS, OPEN, Settings, is_loopback

PUBLIC = frozenset({"/health/live", "/health/ready"})
"""The only paths that need no key. All others, also those that a later route adds, are closed by default."""


class KeyGate:
    """ASGI layer that turns away whoever has no right to an answer, before the body is read.

    With keys: a request needs one, in `X-API-Key` or `Authorization: Bearer`. Without keys and with RECSYS_OPEN=1:
    everybody. With neither: requests that arrived on a loopback address of this machine. What counts is the address
    of the socket (`scope["server"]`), never a header that the client writes.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 401 or 403 in its place."""
        refusal = None if scope["type"] == "lifespan" else self._refuse(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})  # before `accept`: the server answers 403

    def _refuse(self, scope: Scope) -> Response | None:
        # The path without the prefix of a proxy (`--root-path`), as the router sees it.
        if scope["path"].removeprefix(scope.get("root_path", "")) in PUBLIC or self.settings.is_open:
            return None
        if self.settings.key_digests:
            return None if self.settings.knows_key(_sent_key(scope)) else _ask_for_key()
        server = scope.get("server")
        if server is not None and is_loopback(server[0]):
            return None
        return problem(
            403,
            "closed",
            "The service has no keys, so it answers requests on its own machine only.",
            f"Start it with {API_KEYS}=... and send a key, or with {OPEN}=1 to answer everybody.",
        )


class BodyLimit:
    """ASGI layer that refuses a body over a limit, or one that does not come.

    Bytes are counted as they come, whatever the header claims, and all of them must be there in time: a client that
    sends one now and then would keep its connection for ever.
    """

    def __init__(self, app: ASGIApp, limit: int = LARGEST_BODY_BYTES, seconds: float = LONGEST_BODY_S) -> None:
        self.app = app
        self.limit, self.seconds = limit, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a counting `receive`, or answer 413 at once if its header already says too much."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "0").lstrip("0")
        # Compare lengths first: Python refuses to read an integer of more than 4300 digits.
        if claimed.isdecimal() and (len(claimed) > 18 or int(claimed) > self.limit):
            kind, hint = KINDS[413]
            await problem(413, kind, f"The body has {claimed[:19]} bytes.", hint)(scope, receive, send)
            return
        count, end = 0, asyncio.get_running_loop().time() + self.seconds
        is_whole = False

        async def receive_counted() -> Message:
            nonlocal count, is_whole
            if is_whole:
                return await receive()  # that the client has gone, which may never be
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                late = f"The body has not come whole within {self.seconds:g} seconds."
                raise HTTPException(408, late, {"Connection": "close"}) from None
            is_whole = not message.get("more_body", False)
            count += len(message.get("body", b""))
            if count > self.limit:
                # FastAPI lets an HTTPException pass while it reads the body; the handler in problems.py answers.
                raise HTTPException(413, f"The body has more than {self.limit} bytes.")
            return message

        await self.app(scope, receive_counted, send)


class PlainStart:
    """ASGI layer that has the server log one sentence, not a traceback, when the start fails for a known reason."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the error's own sentence in place of the traceback that the framework hands to the server."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_plain(message: Message) -> None:
            error = sys.exception()  # the framework sends this message from inside its `except`
            if message["type"] == "lifespan.startup.failed" and isinstance(error, RecsysError):
                message = {**message, "message": str(error)}
            await send(message)

        await self.app(scope, receive, send_plain)


def _sent_key(scope: Scope) -> bytes:
    """The key that a request carries, empty if none; `X-API-Key` goes before `Authorization: Bearer`."""
    sent = b""
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            sent = bytes(value[7:]).strip()
    return sent


def _ask_for_key() -> Response:
    return problem(
        401,
        "no-key",
        "The request carries no key that the service knows.",
        "Send a key in the header `X-API-Key: ...` or `Authorization: Bearer ...`.",
        headers={"WWW-Authenticate": "Bearer"},
    )
