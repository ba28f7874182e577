"""SqliteStore: the store in one file on a local disk, for several processes of one host."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from enterprise_recsys.errors import StoreError
from enterprise_recsys.state.interface import Appended, Change, Erased, Event, Row, Slate, Table, digest_of
from enterprise_recsys.state.schema import Sync, connect, prepare
from enterprise_recsys.state.writer import Lock, Writer

_EVENT = "event_id, user_id, item_id, time, event_type, rating, session_id, recommendation_id, position, context"
_SLATE = "recommendation_id, user_id, surface, time, model_version, fallback_level, first, shown"


class SqliteStore:
    """A `Store` in SQLite: WAL, group commit by one thread, one writing process at a time.

    Args:
        folder: made if absent; on a local disk, since locks on network disks cannot be trusted.
        sync: "full": what is acknowledged survives a power cut; "normal": it survives the end of the process.
        most_waiting: writes that may wait; one more raises BusyError.

    Raises:
        StoreError: the folder cannot be written, the file is damaged or of another version.
    """

    def __init__(self, folder: Path | str, *, sync: Sync = "full", most_waiting: int = 1024) -> None:
        path = Path(folder) / "store.sqlite"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(path.with_suffix(".lock"))
            path.touch(mode=0o600)  # what people do, and the secret that seals cursors; SQLite would go by the umask
        except OSError as error:
            raise StoreError(f"{folder} cannot hold a store: {error.strerror}. Give a folder to write to.") from None
        self._reading = threading.Lock()
        # The first to open a file turns it to WAL, and SQLite refuses at once, without waiting, whoever opens it then.
        with self._lock:
            self._reader = connect(path, sync)
            prepare(self._reader, path)
            writes = connect(path, sync)
        self._secret: bytes = self._all("SELECT value FROM meta WHERE key = 'secret'")[0][0]
        self._writer = Writer(writes, self._lock, most_waiting=most_waiting)

    @property
    def secret(self) -> bytes:
        """32 random bytes, kept in the file."""
        return self._secret

    # Events ----------------------------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event]) -> Future[Appended]:
        """Add events that are not known yet."""

        def work(connection: sqlite3.Connection) -> Appended:
            erased = self._erased(connection, {one.user_id for one in events})
            kept = [one for one in events if erased.get(one.user_id, -1) < one.time]
            first, before = _sequence(connection, len(kept)), connection.total_changes
            connection.executemany(
                f"INSERT OR IGNORE INTO events (sequence, {_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(first + place, *_event_values(one)) for place, one in enumerate(kept)],
            )
            stored = connection.total_changes - before
            return Appended(stored, len(kept) - stored, len(events) - len(kept))

        return self._writer.submit(work)

    def events_of(self, recommendation_ids: Sequence[str]) -> list[Event]:
        """The events that follow some answers."""
        found = self._all(
            f"SELECT {_EVENT} FROM events WHERE recommendation_id IN (SELECT value FROM json_each(?)) "
            "ORDER BY sequence",
            (orjson.dumps(list(recommendation_ids)).decode(),),
        )
        return [_event(row) for row in found]

    # Items and users -------------------------------------------------------------------------------------------------

    def put(self, table: Table, key: str, row: Row) -> Future[None]:
        """Hold a row."""
        return self._writer.submit(lambda connection: _put(connection, table, key, row))

    def patch(self, table: Table, key: str, features: Mapping[str, object]) -> Future[None]:
        """Change some features of a row."""

        def work(connection: sqlite3.Connection) -> None:
            found = connection.execute(_ROW.format(table=_named(table)), (key,)).fetchone()
            known = Row(whole=False) if found is None else _row(*found)
            _put(connection, table, key, known.patched(features))

        return self._writer.submit(work)

    def row(self, table: Table, key: str) -> Row | None:
        """What was told of an item or a user."""
        found = self._all(_ROW.format(table=_named(table)), (key,))
        return _row(*found[0]) if found else None

    # The change log --------------------------------------------------------------------------------------------------

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """The next changes, in order."""
        if self._all("SELECT value FROM meta WHERE key = 'sequence'")[0][0] <= after:
            return []
        found: list[Change] = []
        with self._reading:
            self._reader.execute("BEGIN")  # one moment for all tables, or a line could be passed over
            try:
                for kind, query in _CHANGES.items():
                    rows = self._reader.execute(f"{query} WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit))
                    found += [_change(kind, row) for row in rows]
            finally:
                self._reader.execute("COMMIT")
        return sorted(found, key=lambda one: one.sequence)[:limit]

    # Answers ---------------------------------------------------------------------------------------------------------

    def log(self, slates: Sequence[Slate]) -> Future[int]:
        """Add answers to the slate log."""

        def work(connection: sqlite3.Connection) -> int:
            erased = self._erased(connection, {one.user_id for one in slates if one.user_id is not None})
            kept = [one for one in slates if one.user_id is None or erased.get(one.user_id, -1) < one.time]
            first = _sequence(connection, len(kept))
            connection.executemany(
                f"INSERT INTO slates (sequence, {_SLATE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(first + place, *_slate_values(one)) for place, one in enumerate(kept)],
            )
            return len(kept)

        return self._writer.submit(work)

    def slates(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Slate]]:
        """The next answers of the slate log."""
        found = self._all(
            f"SELECT sequence, {_SLATE} FROM slates WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit)
        )
        return [(int(row[0]), _slate(row)) for row in found]

    def served(self, user_id: str, surface: str, since: int) -> list[str]:
        """Items shown to a user on a surface since a moment."""
        found = self._all(
            "SELECT shown FROM slates WHERE user_id = ? AND surface = ? AND time >= ?", (user_id, surface, since)
        )
        return sorted({item for (shown,) in found for item in orjson.loads(shown)[0]})

    def prune(self, before: int) -> Future[int]:
        """Remove old answers from the slate log."""
        return self._writer.submit(
            lambda connection: connection.execute("DELETE FROM slates WHERE time < ?", (before,)).rowcount
        )

    # Erasure ---------------------------------------------------------------------------------------------------------

    def erase(self, user_id: str, time: int) -> Future[Erased]:
        """Remove all rows of a user, and write over the places where they stood."""

        def work(connection: sqlite3.Connection) -> Erased:
            events, slates, profiles = (
                connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (user_id,)).rowcount
                for table, key in (("events", "user_id"), ("slates", "user_id"), ("users", "key"))
            )
            connection.execute(
                "INSERT OR REPLACE INTO erased VALUES (?, ?, ?)",
                (digest_of(user_id, self._secret), _sequence(connection, 1), time),
            )
            return Erased(events, slates, profiles, time)

        erased = self._writer.submit(work)
        done: Future[Erased] = Future()
        erased.add_done_callback(lambda future: self._wiped(future, done))
        return done

    def _wiped(self, erased: Future[Erased], done: Future[Erased]) -> None:
        """Copy the write-ahead log into the file and empty it: until then it holds the rows as they once were."""
        error = erased.exception()
        if error is None:
            try:
                with self._reading:
                    is_busy, _, _ = self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if is_busy:
                    error = StoreError("the rows are gone, and their traces not yet: others read on; erase again.")
            except sqlite3.Error as fault:
                error = StoreError(f"the rows are gone, and their traces not yet: {fault}; erase again.")
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(erased.result())

    def _erased(self, connection: sqlite3.Connection, user_ids: set[str]) -> dict[str, int]:
        """Moment of erasure of those users who were erased."""
        if connection.execute("SELECT 1 FROM erased LIMIT 1").fetchone() is None:
            return {}
        named = {digest_of(user_id, self._secret): user_id for user_id in user_ids}
        found = connection.execute(
            "SELECT key, time FROM erased WHERE key IN (SELECT value FROM json_each(?))",
            (orjson.dumps(list(named)).decode(),),
        )
        return {named[key]: time for key, time in found}

    # The end, and reading --------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what waits, and let the file go."""
        self._writer.close()
        with suppress(sqlite3.Error), self._reading:
            self._reader.close()
        self._lock.close()

    def _all(self, query: str, values: Sequence[str | int] = ()) -> list[sqlite3.Row]:
        try:
            with self._reading:
                return self._reader.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be read: {error}.") from None


_ROW = "SELECT whole, is_gone, features FROM {table} WHERE key = ?"
_CHANGES = {
    "event": f"SELECT sequence, {_EVENT} FROM events",
    "items": "SELECT sequence, key, whole, is_gone, features FROM items",
    "users": "SELECT sequence, key, whole, is_gone, features FROM users",
    "erased": "SELECT sequence, key, time FROM erased",
}
"""Kind of change -> where its lines stand."""


def _named(table: Table) -> Table:
    assert table in ("items", "users")  # it goes into the text of a query
    return table


def _sequence(connection: sqlite3.Connection, count: int) -> int:
    """The first of so many fresh numbers."""
    query = "UPDATE meta SET value = value + ? WHERE key = 'sequence' RETURNING value"
    return int(connection.execute(query, (count,)).fetchone()[0]) - count + 1


def _put(connection: sqlite3.Connection, table: Table, key: str, row: Row) -> None:
    connection.execute(
        f"INSERT OR REPLACE INTO {_named(table)} VALUES (?, ?, ?, ?, ?)",
        (key, _sequence(connection, 1), row.whole, row.is_gone, orjson.dumps(dict(row.features))),
    )


def _row(whole: int, is_gone: int, features: bytes) -> Row:
    return Row(orjson.loads(features), bool(whole), bool(is_gone))


def _change(kind: str, row: sqlite3.Row) -> Change:
    if kind == "event":
        return Change(row[0], kind, row[1], event=_event(row[1:]))
    if kind == "erased":
        return Change(row[0], kind, row[1], time=row[2])
    return Change(row[0], kind, row[1], row=_row(*row[2:]))


def _event(row: Iterable[Any]) -> Event:
    *told, context = row
    return Event(*told, orjson.loads(context) if context else {})  # type: ignore[call-arg]


def _event_values(event: Event) -> tuple[object, ...]:
    return (
        event.event_id,
        event.user_id,
        event.item_id,
        event.time,
        event.event_type,
        event.rating,
        event.session_id,
        event.recommendation_id,
        event.position,
        orjson.dumps(dict(event.context)) if event.context else None,
    )


def _slate_values(slate: Slate) -> tuple[object, ...]:
    return (
        slate.recommendation_id,
        slate.user_id,
        slate.surface,
        slate.time,
        slate.model_version,
        slate.fallback_level,
        slate.first,
        orjson.dumps([slate.items, slate.scores, slate.propensities, slate.sources]),
    )


def _slate(row: sqlite3.Row) -> Slate:
    _, answer_id, user_id, surface, time, version, level, first, shown = row
    columns = [tuple(one) for one in orjson.loads(shown)]  # answers of an older store tell no sources
    return Slate(answer_id, user_id, surface, time, version, level, first, *columns)
