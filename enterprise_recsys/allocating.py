"""Memory that a step of training frees is kept for the next one; what a whole stage frees is given back."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's `mallopt`."""
_KEPT = 1 << 27
"""Bytes of a block, at most, and of what is free at the top of the heap, that are kept."""


def give_back_memory() -> None:
    """Let glibc give back what is free between blocks that are held; elsewhere nothing is done.

    What one stage of learning frees lies scattered, and the next, whose blocks are of other sizes, asks for more: with
    1,000,000 events of 40,000 items the peak was 3.5 GB and is 2.8 where this stands between the stages; 0.1 s each.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):  # another C library, such as musl
            ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 128 MB; elsewhere nothing is done. Says whether it took.

    By itself it maps every block over 32 MB anew and unmaps it when freed, and the system clears each page on its first
    touch: the tower over a mean spent as much time on that (6,200,000 page faults in two epochs of ml-100k) as on its
    own work, and none of it with this. The peak rises by under a tenth. It holds for the rest of the process.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    wanted = ((_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _KEPT >> 2), (_MMAP_THRESHOLD, _KEPT))
    return all(tell(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in wanted)
