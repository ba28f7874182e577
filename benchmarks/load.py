"""Load: a small HTTP client that asks as fast as it is answered, or at a given rate, and tells every latency."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a run of requests gave.

    Attributes:
        seconds: [R] latencies of those answered with 200; open loop: from the moment that each was due.
        failed: other answers, and broken connections.
        span_s: from the first request to the last answer.
    """

    seconds: list[float]
    failed: int
    span_s: float

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def closed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Each connection asks again as soon as it is answered: what the service can do at most."""
    return asyncio.run(_closed(port, requests, connections, seconds))


def opened(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """Requests fall due by lot, `rate` a second on average, whether or not the ones before are answered (Poisson).

    The latency counts from when a request was due, so that waiting for a free connection is part of it.
    """
    return asyncio.run(_opened(port, requests, rate, seconds, random.Random(seed)))


async def _closed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    begun, latencies, failed = time.perf_counter(), [], 0
    end = begun + seconds

    async def ask(first: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first
        while time.perf_counter() < end:
            start = time.perf_counter()
            if await _once(reader, writer, requests[number % len(requests)]):
                latencies.append(time.perf_counter() - start)
            else:
                failed += 1
            number += connections
        writer.close()

    await asyncio.gather(*(ask(number) for number in range(connections)))
    return Load(latencies, failed, time.perf_counter() - begun)


async def _opened(port: int, requests: Sequence[bytes], rate: float, seconds: float, lots: random.Random) -> Load:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    begun, latencies, failed, due = time.perf_counter(), [], 0, 0.0
    running: set[asyncio.Task[None]] = set()

    async def ask(message: bytes, moment: float) -> None:
        nonlocal failed
        connection = await free.get()
        if await _once(*connection, message):
            latencies.append(time.perf_counter() - moment)
        else:
            failed += 1
        free.put_nowait(connection)

    number = 0
    while due < seconds:
        wait = begun + due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(ask(requests[number % len(requests)], begun + due))
        running.add(task)
        task.add_done_callback(running.discard)
        due += lots.expovariate(rate)
        number += 1
    await asyncio.gather(*running)
    while not free.empty():
        free.get_nowait()[1].close()
    return Load(latencies, failed, time.perf_counter() - begun)


async def _once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bool:
    """Send one request and read its answer; whether it was a 200."""
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")
