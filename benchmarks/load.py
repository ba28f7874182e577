"""Load: a small HTTP client that asks as fast as it is answered, or at a given rate, and tells every latency."""

from __future__ import annotations

import asyncio
import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 64
"""Of an open loop."""


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

    The latency counts from when a request was due, so that waiting for a free connection is part of it. It waits by
    `select`, which knows microseconds: an event loop counts whole milliseconds, and so asked up to 1 ms late.
    """
    lots, begun, latencies, failed = random.Random(seed), time.perf_counter(), [], 0
    # Taken in turn: each worker has its share of them.
    free = deque(socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS))
    for connection in free:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    running: dict[socket.socket, tuple[float, bytes]] = {}
    waiting: deque[tuple[float, bytes]] = deque()
    due, number = 0.0, 0
    while due < seconds or running or waiting:
        while due < seconds and begun + due <= time.perf_counter():
            waiting.append((begun + due, requests[number % len(requests)]))
            due, number = due + lots.expovariate(rate), number + 1
        while free and waiting:
            connection, (moment, message) = free.popleft(), waiting.popleft()
            connection.sendall(message)
            running[connection] = moment, b""
        wait = max(begun + due - time.perf_counter(), 0.0) if due < seconds else 60.0
        for connection in select.select(list(running), [], [], wait)[0]:
            moment, head = running.pop(connection)
            told = head + (piece := connection.recv(1 << 20))
            if piece and not is_whole(told):
                running[connection] = moment, told
            elif told.startswith(b"HTTP/1.1 200"):
                latencies.append(time.perf_counter() - moment)
                free.append(connection)
            else:
                failed += 1
                free += [connection] if piece else []
    for connection in free:
        connection.close()
    return Load(latencies, failed, time.perf_counter() - begun)


def is_whole(told: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, found, body = told.partition(b"\r\n\r\n")
    return bool(found) and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


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


async def _once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bool:
    """Send one request and read its answer; whether it was a 200."""
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")
