"""Each worker gets its share of the connections, and a port that somebody listens on is still refused."""

from __future__ import annotations

import pickle
import selectors
import socket
import sys

import pytest

from enterprise_recsys.service.sockets import Listener, one_each

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not deal connections out")


def plain() -> socket.socket:
    shared = socket.socket()
    shared.bind(("127.0.0.1", 0))
    return shared


def test_connections_are_dealt_out_among_those_that_listen() -> None:
    holder = one_each(plain())
    workers = [pickle.loads(pickle.dumps(holder)) for _ in range(2)]  # as sent to two processes
    assert [one.getsockname() for one in workers] == [holder.getsockname()] * 2
    for one in workers:
        one.listen(64)
        one.setblocking(False)
    clients = [socket.create_connection(holder.getsockname()) for _ in range(64)]  # the holder itself gets none
    counts = [0, 0]
    with selectors.DefaultSelector() as ready:
        for place, one in enumerate(workers):
            ready.register(one, selectors.EVENT_READ, place)
        while sum(counts) < 64:
            for key, _ in ready.select(timeout=5):
                workers[key.data].accept()[0].close()
                counts[key.data] += 1
    assert min(counts) >= 8  # by lot of 64: fewer than 8 for one comes once in 10^10 runs
    for one in (*clients, *workers, holder):
        one.close()


def test_the_port_is_kept_and_a_second_service_cannot_bind_it() -> None:
    holder = one_each(plain())
    assert isinstance(holder, Listener)
    worker = pickle.loads(pickle.dumps(holder))
    worker.listen()
    second = socket.socket()
    second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn binds
    with pytest.raises(OSError, match="in use"):
        second.bind(holder.getsockname())
    for one in (second, worker, holder):
        one.close()


def test_elsewhere_the_shared_socket_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with plain() as shared:
        assert one_each(shared) is shared
