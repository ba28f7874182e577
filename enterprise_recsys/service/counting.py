"""Counting: an ASGI layer that counts every answered request by its route."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from enterprise_recsys.service.metrics import Metrics

UNKNOWN = "unknown"
"""Route of a request that none fits: a path that a client made up is no label."""


class Counted:
    """ASGI layer around all others.

    Args:
        app: what answers.
        metrics: what counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when its answer begins."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_seen)
        finally:
            # The router has noted which route it took; what was turned away before has none.
            route = getattr(scope.get("route"), "path_format", UNKNOWN)
            self.metrics.request(route, status, time.perf_counter() - begun)
