"""Writer: one thread that commits what waits together, so that many small writes cost few waits for the disk."""

from __future__ import annotations

import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

from enterprise_recsys.errors import BusyError, StoreError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], object]
_Job = tuple[Work, "Future[object]"]

MOST_TOGETHER = 256
"""Jobs in one commit: enough to make the wait for the disk cheap, few enough that the first need not wait long."""


class Lock:
    """The right to write on this host: one process at a time, in the order in which they asked.

    SQLite has a lock of its own, which a waiting process asks for again and again, asleep in between; this one wakes
    the next process at once. It ends with its process, however that ends.

    Args:
        path: an empty file beside the store, on a local disk.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Writer:
    """Runs jobs on a connection of its own, in order, several to a commit.

    A job that fails is undone alone. A commit that fails fails all of its jobs: none is acknowledged, and none is
    tried again, because after a failed fsync nobody knows what is on disk.

    Args:
        connection: used by the writer's thread alone from here on, which closes it.
        lock: held around each commit.
        most_waiting: jobs; one more is refused.
    """

    def __init__(self, connection: sqlite3.Connection, lock: Lock, *, most_waiting: int = 1024) -> None:
        self._connection, self._lock = connection, lock
        self._jobs: queue.Queue[_Job | None] = queue.Queue(maxsize=most_waiting)
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have a job done; its future is done after the commit.

        Raises:
            BusyError: as many jobs wait as may.
            StoreError: the writer is closed.
        """
        if self._is_closed:
            raise StoreError("the store is closed; nothing is written any more.")
        future: Future[T] = Future()
        try:
            self._jobs.put_nowait((work, cast("Future[object]", future)))
        except queue.Full:
            raise BusyError(
                f"{self._jobs.maxsize} writes wait for the disk already; send fewer at a time, or again in a moment."
            ) from None
        return future

    def close(self) -> None:
        """Do what waits, and stop."""
        if not self._is_closed:
            self._is_closed = True
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._waiting()
            if jobs:
                self._commit(self._connection, jobs)
        self._connection.close()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """The next jobs, at least one unless the writer closes; and whether these are the last."""
        job = self._jobs.get()
        jobs: list[_Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == MOST_TOGETHER:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _commit(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        done: list[tuple[Future[object], object]] = []
        with self._lock:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for work, future in jobs:
                    _try(connection, work, future, done)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                fault = StoreError(f"the store could not write: {error}. Nothing of this was kept; check the disk.")
                for future, _ in done:
                    future.set_exception(fault)
                for _, future in jobs:
                    if not future.done():
                        future.set_exception(fault)
                return
        for future, result in done:
            future.set_result(result)


def _try(
    connection: sqlite3.Connection, work: Work, future: Future[object], done: list[tuple[Future[object], object]]
) -> None:
    """One job; its own fault undoes it alone, a fault of the disk is the commit's."""
    connection.execute("SAVEPOINT job")
    try:
        result = work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        future.set_exception(error)
        return
    connection.execute("RELEASE job")
    done.append((future, result))
