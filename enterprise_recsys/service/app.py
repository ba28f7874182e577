"""The app: layers, routes and the one artifact, loaded when the service starts and never trained here."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging.config
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from enterprise_recsys import artifact
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.counting import Counted
from enterprise_recsys.service.direct import Direct
from enterprise_recsys.service.events import router as events
from enterprise_recsys.service.explain import router as explain
from enterprise_recsys.service.gate import BodyLimit, KeyGate, PlainStart
from enterprise_recsys.service.health import router as health
from enterprise_recsys.service.items import router as items
from enterprise_recsys.service.keeping import STATE
from enterprise_recsys.service.living import Living
from enterprise_recsys.service.logs import form_of, log_config
from enterprise_recsys.service.metrics import Metrics, share_between_workers
from enterprise_recsys.service.problems import handle_problems
from enterprise_recsys.service.routes import DIRECT, router
from enterprise_recsys.service.settings import API_KEYS, ARTIFACT, OPEN, Settings, is_loopback
from enterprise_recsys.service.sockets import one_each
from enterprise_recsys.state.memory import MemoryStore

logger = logging.getLogger(__name__)

# A proxy in front should close first: its own keep-alive is often 60 s, and a request sent into a closing
# connection is lost.
KEEP_ALIVE_S = 75
DRAIN_S = 10
_MOST_FREE_AT_END, _LARGEST_FROM_HEAP = -1, -3  # glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, in bytes
MOST_CONNECTIONS = 1_000
"""Connections or running requests; more get 503 at once. Below the usual limit of 1024 open files."""


def create_app(settings: Settings | None = None, recommender: Recommender | None = None) -> FastAPI:
    """Build the service.

    Args:
        settings: None = read from the environment.
        recommender: what answers; None = loaded from `settings.artifact` when the service starts.

    Raises:
        ConfigError: the environment contradicts itself. (ArtifactError comes later, at the start.)
    """
    known = settings or Settings.from_environment()
    app = _Service(
        title="enterprise_recsys",
        summary="Two-stage recommendations over HTTP",
        lifespan=_lifespan,
        redirect_slashes=False,  # a redirect would repeat the Host header that the client wrote
        redoc_url=None,
    )
    app.state.settings = known
    app.state.recommender = recommender
    metrics = app.state.metrics = Metrics()
    # Without a lifespan (a test, another server's mount) a recommender at hand answers with a store in memory.
    app.state.living = Living(recommender, MemoryStore(), known.keeping, metrics) if recommender is not None else None
    for one in (router, explain, events, items, health):
        app.include_router(one)
    handle_problems(app)
    # Each layer goes around those before it: the key is checked first, then the body's size.
    app.add_middleware(Direct, router=router, messages=DIRECT)
    app.add_middleware(BodyLimit)
    app.add_middleware(KeyGate, settings=known)
    app.add_middleware(Counted, metrics=metrics)
    app.add_middleware(PlainStart)
    return app


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8000, *, workers: int = 1) -> None:
    """Load the artifact and answer requests until the process is told to stop.

    A worker keeps a core busy with the model. Workers of one host share the store, so what one learns all know.

    Args:
        settings: where the artifact lies, who may ask, and what is kept.
        host: address to listen on; any but loopback needs keys or RECSYS_OPEN=1.
        port: 0..65535; 0 = any free port.
        workers: processes; several need a store in a folder, and each reads keys and dials from the environment.

    Raises:
        ConfigError: the address is reachable from outside, and the settings have neither keys nor RECSYS_OPEN=1;
            several workers have no folder to share; or RECSYS_LOG is wrong.
        ArtifactError: the artifact is absent or damaged.
        StoreError: the store is damaged, or its folder cannot be written.
    """
    if not (settings.key_digests or settings.is_open or is_loopback(host)):
        raise ConfigError(
            f"host={host!r} can be reached from other machines, and no key is set; "
            f"set {API_KEYS} to ask for a key, {OPEN}=1 to answer everybody, or listen on 127.0.0.1."
        )
    if workers > 1 and settings.keeping.folder is None:
        raise ConfigError(f"workers={workers} share what they learn through a folder; set {STATE} to one.")
    told = log_config(form_of())
    logging.config.dictConfig(told)
    app: FastAPI | str = "enterprise_recsys.service.app:create_app"
    if workers > 1:
        # Each worker is a process of its own and finds these where any other server would.
        os.environ[ARTIFACT], os.environ[STATE] = str(settings.artifact), str(settings.keeping.folder)
        # A fault is told here, once; workers that fail at their start would be started again and again.
        artifact.opened(settings.artifact / "model", kind="model")
        settings.keeping.opened().close()
        share_between_workers()
    else:
        app = create_app(settings, Recommender.load(settings.artifact))
    config = uvicorn.Config(
        app,
        factory=workers > 1,
        workers=workers,
        host=host,
        port=port,
        ws="none",
        log_config=told,
        access_log=False,  # a path holds a user id, which does not belong in a log
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    if not _ran(config):
        raise SystemExit(STARTUP_FAILURE)  # the log says why


def _ran(config: uvicorn.Config) -> bool:
    """Serve until a signal ends it; whether it ever started."""
    if config.workers > 1:
        all_workers = Multiprocess(config, sockets=[one_each(config.bind_socket())])
        all_workers.run()
        return all(one.exitcode != STARTUP_FAILURE for one in all_workers.processes)
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # the server has ended in good order before it passes Ctrl-C on
        server.run()
    return server.started


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if settings.is_open:
        logger.warning("%s=1: every request is answered without a key.", OPEN)
    elif not settings.key_digests:
        logger.warning(
            "%s is not set: requests on a loopback address are answered without a key, all others are refused.",
            API_KEYS,
        )
    if app.state.recommender is None:
        app.state.recommender = Recommender.load(settings.artifact)
    if settings.keeping.folder is None:
        logger.warning("%s is not set: events and answers are kept in memory, and end with the process.", STATE)
    living = app.state.living = Living(
        app.state.recommender, settings.keeping.opened(), settings.keeping, app.state.metrics
    )
    living.follow()
    _settle()
    following = asyncio.create_task(living.run())
    yield
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    living.close()


def _settle() -> None:
    """What is loaded stays: it is kept out of later collections, and what loading left free goes back to the system."""
    gc.collect()
    gc.freeze()  # a collection that looks through a million ids would hold up an answer
    with suppress(OSError, AttributeError):
        glibc = ctypes.CDLL(None)
        # Having once freed a large table, glibc would keep up to twice its size for later: 26 MB of 100,000 items.
        glibc.mallopt(_LARGEST_FROM_HEAP, 4 << 20)
        glibc.mallopt(_MOST_FREE_AT_END, 16 << 20)
        glibc.malloc_trim(0)


class _Service(FastAPI):
    """FastAPI whose OpenAPI also tells the two ways to send a key, so that /docs shows a button for them."""

    def openapi(self) -> dict[str, object]:
        """The schema, made at the first call and kept by FastAPI."""
        schema = super().openapi()
        schema["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        schema["security"] = [{"key": []}, {"bearer": []}]
        return schema
