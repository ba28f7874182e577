"""Sockets: each worker listens on one of its own, so that the kernel deals connections out among them."""

from __future__ import annotations

import socket
import sys


class Listener(socket.socket):
    """A bound socket that turns, in each process it is sent to, into another one bound to the same address.

    Workers that share one socket race for what arrives, and one that wakes takes all that waits: of four connections
    that came together all four went to one of two workers, and stayed there. Of sockets with SO_REUSEPORT the kernel
    takes one by a hash of the two ends. One that is bound and does not listen is given nothing, so this one holds the
    port for the workers.
    """

    def __reduce__(self) -> tuple[object, ...]:
        """How it is sent to another process."""
        return bound, (self.family, self.getsockname())


def bound(family: socket.AddressFamily, address: tuple[object, ...]) -> Listener:
    """A listener bound to an address, beside any others of these."""
    listener = Listener(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    return listener


def one_each(shared: socket.socket) -> socket.socket:
    """A listener in place of a bound socket, which is closed; the socket itself where no kernel would deal them out.

    That it could be bound without SO_REUSEPORT has shown that nobody else listens there: two services on one port would
    each be asked now and then.
    """
    if sys.platform != "linux":
        return shared
    family, address = shared.family, shared.getsockname()
    shared.close()
    return bound(family, address)
