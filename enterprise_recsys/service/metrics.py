"""Metrics: what the service counts and times, in Prometheus's text format; without its client nothing is counted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from enterprise_recsys.errors import MissingExtraError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Histogram

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Folder in which the workers of one host add up what each has counted; must be set before the client is imported."""

SECONDS = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds of the histograms: dense where an answer's aim lies (2 ms in the middle, 5 ms at the 99th of a hundred)."""


def share_between_workers() -> None:
    """Have workers that are started from here add up their counts; a folder that is set already is kept."""
    if not os.environ.get(MULTIPROCESS):
        os.environ[MULTIPROCESS] = tempfile.mkdtemp(prefix="recsys-metrics-")


class Metrics:
    """One process's counters, or without prometheus-client none.

    A scrape of any worker tells of all that share MULTIPROCESS; gauges are then those of the live processes, the
    largest. No label holds an id or a path that a client made up, so the number of series is bounded.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            self._registry: CollectorRegistry | None = None
            return
        self._registry = registry = CollectorRegistry()
        self._stages: dict[str, Histogram] = {}
        self._requests = Counter(
            "recsys_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "recsys_request_seconds", "Seconds to answer, by route.", ["route"], registry=registry, buckets=SECONDS
        )
        self._stage_seconds = Histogram(
            "recsys_stage_seconds", "Seconds of each stage of a list.", ["stage"], registry=registry, buckets=SECONDS
        )
        self._lists = Counter(
            "recsys_lists", "Lists by surface of the API and fallback level.", ["route", "level"], registry=registry
        )
        self._short = Counter("recsys_short_lists", "Lists with fewer items than asked.", ["route"], registry=registry)
        self._events = Counter("recsys_events", "Events by what became of them.", ["outcome"], registry=registry)
        self._lost = Counter("recsys_lost_answers", "Answers that are not in the slate log.", registry=registry)
        self._waiting = Gauge(
            "recsys_waiting_answers",
            "Answers that wait for the slate log.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._model = Gauge(
            "recsys_model",
            "The artifact that answers; always 1.",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._items = Gauge("recsys_items", "Items of the catalogue.", registry=registry, multiprocess_mode="livemax")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is the route's template, never the path."""
        if self._registry is not None:
            self._requests.labels(route, str(status)).inc()
            self._request_seconds.labels(route).observe(seconds)

    def answered(self, route: str, level: int, took_ms: Mapping[str, float], *, is_short: bool) -> None:
        """Count a list and the time of its stages."""
        if self._registry is None:
            return
        self._lists.labels(route, str(level)).inc()
        if is_short:
            self._short.labels(route).inc()
        for stage, milliseconds in took_ms.items():
            # The client looks a series up under a lock, and there are seven in every answer.
            own = self._stages.get(stage) or self._stages.setdefault(stage, self._stage_seconds.labels(stage))
            own.observe(milliseconds / 1000)

    def events(self, *, stored: int, duplicates: int, erased: int) -> None:
        """Count a batch of events."""
        if self._registry is not None:
            for outcome, count in (("stored", stored), ("duplicate", duplicates), ("erased", erased)):
                self._events.labels(outcome).inc(count)

    def queue(self, waiting: int, lost: int) -> None:
        """Tell how many answers wait, and how many were lost since the last time."""
        if self._registry is not None:
            self._waiting.set(waiting)
            self._lost.inc(lost)

    def model(self, version: str, items: int) -> None:
        """Tell what answers."""
        if self._registry is not None:
            self._model.labels(version).set(1)
            self._items.set(items)

    def text(self) -> tuple[bytes, str]:
        """What a scrape is answered, and its media type.

        Raises:
            MissingExtraError: prometheus-client is not installed.
        """
        if self._registry is None:
            raise MissingExtraError("metrics need prometheus-client: pip install 'enterprise_recsys[serve]'.")
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        if os.environ.get(MULTIPROCESS):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST
